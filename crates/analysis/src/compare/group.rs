//! Folders that are seeds of one experiment.

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};

use super::{SweepResults, name};
use crate::AnalysisError;

/// The sweeps of one experiment, by seed.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: String,
    /// At least one.
    pub(super) sweeps: Vec<&'a SweepResults>,
}

impl<'a> Group<'a> {
    pub(super) fn first(&self) -> &'a SweepResults {
        self.sweeps[0]
    }

    /// Returns a point as every seed evaluated it.
    pub(super) fn evaluations<'b>(
        &'b self,
        id: &'b RunId,
    ) -> impl Iterator<Item = Option<&'a EvaluationRecord>> + use<'a, 'b> {
        self.sweeps.iter().map(move |sweep| sweep.snapshot.evaluations.iter().find(|point| point.id == *id))
    }

    /// Returns the base of every seed.
    pub(super) fn bases(&self) -> impl Iterator<Item = &'a EvaluationRecord> {
        self.sweeps.iter().filter_map(|sweep| sweep.base())
    }
}

/// What evaluation noise depends on: the seed, images per prompt, steps and guidance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise(u64, u32, u32, f32);

impl Noise {
    pub(super) fn of(sweep: &SweepResults) -> Self {
        let evaluation = &sweep.spec.evaluation;
        Self(evaluation.seed, evaluation.images_per_prompt, evaluation.steps, evaluation.guidance)
    }
}

/// Returns the experiment without seeds, and without what only reports depend on or what changes results by rounding alone.
fn settings(spec: &ExperimentSpec) -> ExperimentSpec {
    let default = ExperimentSpec::default();
    let mut spec = spec.clone();
    spec.name = None;
    spec.seed = default.seed;
    spec.evaluation.seed = default.evaluation.seed;
    spec.evaluation.resamples = default.evaluation.resamples;
    spec.evaluation.grid_prompts = default.evaluation.grid_prompts;
    spec.hypervolume = default.hypervolume;
    spec.training.micro_batch = default.training.micro_batch;
    spec.training.gradient_checkpointing = default.training.gradient_checkpointing;
    spec
}

/// Returns the experiments in the order of their first folders. On another device it is another one: its time is.
///
/// # Errors
/// Refuses two folders with the same seeds of one experiment on one device: they would count twice.
pub(super) fn groups(results: &[SweepResults]) -> Result<Vec<Group<'_>>, AnalysisError> {
    let mut found: Vec<(ExperimentSpec, Vec<&SweepResults>)> = Vec::new();
    for sweep in results {
        let settings = settings(&sweep.spec);
        let device = &sweep.snapshot.sweep.device;
        let known =
            found.iter_mut().find(|(known, sweeps)| *known == settings && sweeps[0].snapshot.sweep.device == *device);
        match known {
            Some((_, sweeps)) => sweeps.push(sweep),
            None => found.push((settings, vec![sweep])),
        }
    }
    for (_, sweeps) in &mut found {
        let seeds = |sweep: &SweepResults| (sweep.spec.seed, sweep.spec.evaluation.seed);
        sweeps.sort_by_key(|sweep| seeds(sweep));
        if let Some(same) = sweeps.windows(2).find(|pair| seeds(pair[0]) == seeds(pair[1])) {
            let [one, other] = [same[0], same[1]];
            return Err(AnalysisError::SameSeeds {
                one: one.folder.clone(),
                other: other.folder.clone(),
                seed: one.spec.seed,
                evaluation_seed: one.spec.evaluation.seed,
            });
        }
    }
    let names = names(&found.iter().map(|(_, sweeps)| &sweeps[..]).collect::<Vec<_>>());
    Ok(found.into_iter().zip(names).map(|((_, sweeps), name)| Group { name, sweeps }).collect())
}

/// Returns what experiments are called, by their own names if these tell them apart, else by their folders.
fn names(groups: &[&[&SweepResults]]) -> Vec<String> {
    let of = |label: &dyn Fn(&SweepResults) -> String| -> Vec<String> {
        groups.iter().map(|sweeps| name::common(&sweeps.iter().map(|sweep| label(sweep)).collect::<Vec<_>>())).collect()
    };
    let differ = |names: &[String]| {
        let mut sorted: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.len() == groups.len()
    };
    let own = of(&|sweep| sweep.spec.name.clone().unwrap_or_default());
    if differ(&own) {
        return own;
    }
    let folders = name::shortened(&of(&|sweep| sweep.folder.display().to_string()));
    if differ(&folders) {
        return folders;
    }
    // Seeds of several experiments lie side by side: the whole path of the first.
    groups.iter().map(|sweeps| sweeps[0].folder.display().to_string()).collect()
}

/// Returns what of a sweep's adapters is not evaluated.
pub(super) fn missing(sweep: &SweepResults) -> Vec<RunId> {
    let trained = |id: &RunId| {
        let points = &sweep.snapshot.evaluations;
        points.iter().any(|point| point.id == *id && point.kind == PointKind::Trained)
    };
    sweep.spec.weightings().into_iter().map(|(id, _)| id).filter(|id| !trained(id)).collect()
}
