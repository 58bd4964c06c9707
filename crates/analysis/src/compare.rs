//! Experiments of one base, the same rewards and the same evaluation prompts against each other.

mod agreement;
mod cost;
mod csv;
mod figure;
mod group;
mod json;
mod name;
mod own;
mod point;
mod volume;

use std::path::PathBuf;

use moa_core::experiment::{Scale, judge_range};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind};
use moa_pareto::{Bootstrap, Interval};
use moa_store::Snapshot;

pub use cost::Cost;

pub use csv::Part;
pub use figure::Figure;
pub use point::{ComparedPoint, Gain, Slope};

use crate::{AnalysisError, LEVEL};
use group::Group;
use own::OwnGains;
use volume::Volumes;

/// The results of one sweep, as they were read.
#[derive(Clone, Debug)]
pub struct SweepResults {
    /// Their folder, as messages name it.
    pub folder: PathBuf,
    /// The experiment as it was kept.
    pub spec: ExperimentSpec,
    /// Metrics, evaluations and runs.
    pub snapshot: Snapshot,
    /// The version of moa that began the sweep; nothing without a receipt.
    pub moa: Option<String>,
    /// SHA-256 of what went in, by name; empty without a receipt.
    pub sha256: std::collections::BTreeMap<String, String>,
    /// Images drawn and scored in training, of all runs; nothing where that was not kept: then they are those of the plan.
    pub images: Option<u64>,
    /// The most memory of the host that the sweep held when an epoch ended, in bytes.
    pub peak_memory: Option<u64>,
    /// The most memory of the device, in bytes.
    pub device_memory: Option<u64>,
}

impl SweepResults {
    /// Returns whether base and adapters are all evaluated.
    pub fn is_complete(&self) -> bool {
        self.base().is_some() && group::missing(self).is_empty()
    }

    /// Returns the base's evaluation.
    fn base(&self) -> Option<&EvaluationRecord> {
        self.snapshot.evaluations.iter().find(|point| point.kind == PointKind::Base)
    }
}

/// Which points make up the front of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fronts {
    /// Trained and given adapters, soups and blends.
    #[default]
    All,
    /// Trained adapters alone.
    Trained,
}

impl Fronts {
    fn has(self, point: &EvaluationRecord) -> bool {
        match point.kind {
            PointKind::Base => false,
            PointKind::Trained => true,
            PointKind::Given | PointKind::Soup | PointKind::Blend => self == Self::All,
        }
    }
}

/// One experiment, with all of its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedExperiment {
    /// What it is called: its experiments' name without what differs between seeds, or what its folders have in common.
    pub name: String,
    /// Its results folders, by seed.
    pub folders: Vec<PathBuf>,
    /// The seeds of training.
    pub seeds: Vec<u64>,
    /// The method of training, as experiment files name it.
    pub method: String,
    /// The hypervolume of its front and the base, on the scale that all experiments share; nothing with more rewards than
    /// [`Hypervolumes::MOST_REWARDS`](crate::Hypervolumes::MOST_REWARDS).
    pub hypervolume: Option<Figure>,
    /// How much that is more than the base alone has.
    pub over_base: Option<Figure>,
    /// How much its hypervolume is more than the baseline's; nothing without one.
    pub over_baseline: Option<Figure>,
    /// By reward, the gain of the adapter that was trained for it alone, in the base's standard deviations within prompts.
    pub own: Vec<Option<Figure>>,
    /// The mean of these, over the rewards that have one.
    pub own_mean: Option<Figure>,
    /// How much more that is than the baseline's; nothing without one.
    pub own_over_baseline: Option<Figure>,
    /// By judge, the mean gain of the adapters that were trained for one reward, in the judge's units.
    pub judges: Vec<Option<Figure>>,
    /// Judges' gain per gain of the own reward during training, mean over these adapters; see [`Slope`].
    pub slope: Option<Figure>,
    /// The distance of these adapters' images to the base's, in the mean; see [`EvaluationRecord::distance_to_base`].
    pub distance: Option<Figure>,
    /// What training took.
    pub cost: Cost,
    /// The points of its front.
    pub points: Vec<ComparedPoint>,
}

/// How much more one experiment has than another: the first less the second, paired over prompts and noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The places of both among the experiments.
    pub of: [usize; 2],
    /// In hypervolume; nothing where none is computed.
    pub hypervolume: Option<Figure>,
    /// In mean own gain; nothing where one has none.
    pub own: Option<Figure>,
}

/// Experiments against each other.
///
/// **Every gain is over the experiment's own base**, on the same prompts and noise. Levels are the mean of the bases plus the gain, so that
/// experiments with other noise stand on one base.
///
/// **Seeds.** Folders whose experiments differ in `seed`, `evaluation.seed` and what only reports depend on are one experiment; see
/// [`Figure`] for what is said of several.
///
/// **One scale** for all hypervolumes: 0 and 1 are the worst and the best mean of each reward over the base and the adapters of one reward
/// of *all* folders, unless all experiments give the same end themselves. What it hides: another experiment in the comparison may move
/// it, and one adapter that ruins a reward stretches it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The rewards, in the experiments' order.
    pub rewards: Vec<String>,
    /// The judges, in the order in which they report.
    pub judges: Vec<String>,
    /// How many prompts were drawn in evaluation.
    pub prompts: usize,
    /// By reward, what counts as 0 and as 1.
    pub scales: Vec<Scale>,
    /// By reward, whether both ends are the experiments' own.
    pub given: Vec<bool>,
    /// By reward, the mean of the bases.
    pub base: Vec<f64>,
    /// The hypervolume of the base alone.
    pub base_hypervolume: Option<f64>,
    /// The experiments, in the order in which they were given.
    pub experiments: Vec<ComparedExperiment>,
    /// The place of the baseline.
    pub baseline: Option<usize>,
    /// All pairs, each once.
    pub pairs: Vec<Pair>,
    /// Where what is compared differs in more than what it is compared for.
    pub warnings: Vec<String>,
}

impl Comparison {
    /// Compares sweeps.
    ///
    /// - `baseline`: the name of the experiment that the others are compared with besides the base
    ///
    /// # Errors
    /// Refuses experiments of different bases, rewards or evaluation prompts, sweeps whose base or adapters are not evaluated, two
    /// sweeps with the same seeds of one experiment on one device, and a baseline that is none of them.
    pub fn of(results: &[SweepResults], fronts: Fronts, baseline: Option<&str>) -> Result<Self, AnalysisError> {
        let Some(first) = results.first() else { return Err(AnalysisError::NothingToCompare) };
        agreement::check(results)?;
        let resamples = results.iter().map(|one| one.spec.evaluation.resamples).max().unwrap_or(1) as usize;
        let bootstrap = Bootstrap { resamples, level: LEVEL, ..Bootstrap::default() };
        let groups = group::groups(results)?;
        let names: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
        let place = |name: &str| {
            names.iter().position(|known| *known == name).ok_or_else(|| AnalysisError::UnknownExperiment {
                name: name.into(),
                known: names.iter().map(|name| (*name).to_owned()).collect(),
            })
        };
        let baseline = baseline.map(place).transpose()?;

        let judges = first.base().map_or(&[][..], |base| &base.judges);
        let judges: Vec<String> = judges.iter().map(|judge| judge.name.clone()).collect();
        let volumes = Volumes::of(&groups, fronts, bootstrap)?;
        let mut experiments = Vec::with_capacity(groups.len());
        for (place, group) in groups.iter().enumerate() {
            experiments.push(experiment(group, volumes.figure(place)?, volumes.base, &judges, fronts, bootstrap)?);
        }
        let own = OwnGains::of(&groups, bootstrap);
        let pair = |one: usize, other: usize| {
            let (hypervolume, own) = (volumes.difference(one, other)?, own.difference(one, other)?);
            Ok::<_, AnalysisError>(Pair { of: [one, other], hypervolume, own })
        };
        let mut pairs = Vec::new();
        for (one, experiment) in experiments.iter_mut().enumerate() {
            for other in one + 1..groups.len() {
                pairs.push(pair(one, other)?);
            }
            if let Some(other) = baseline.filter(|other| *other != one) {
                let Pair { hypervolume, own, .. } = pair(one, other)?;
                (experiment.over_baseline, experiment.own_over_baseline) = (hypervolume, own);
            }
        }
        Ok(Self {
            rewards: first.spec.reward_names(),
            judges,
            prompts: first.base().map_or(0, EvaluationRecord::prompts),
            warnings: agreement::warnings(&groups, &experiments),
            base_hypervolume: volumes.base,
            scales: volumes.scales,
            given: volumes.given,
            base: volumes.base_means,
            experiments,
            baseline,
            pairs,
        })
    }

    /// Returns the rewards of a point on the experiments' common base: its mean over seeds, with the least and the greatest seed, or of
    /// one seed the interval over prompts.
    pub fn levels(&self, point: &ComparedPoint) -> Vec<Interval> {
        let level = |(gain, base): (&Gain, &f64)| {
            let Interval { mean, lo, hi } = gain.gain.range();
            Interval { mean: base + mean, lo: base + lo, hi: base + hi }
        };
        point.rewards.iter().zip(&self.base).map(level).collect()
    }

    /// Returns whether any experiment has several seeds.
    pub fn has_seeds(&self) -> bool {
        self.experiments.iter().any(|experiment| experiment.folders.len() > 1)
    }
}

/// Returns what is said of an experiment by itself.
fn experiment(
    group: &Group<'_>,
    hypervolume: Option<Figure>,
    base_hypervolume: Option<f64>,
    judges: &[String],
    fronts: Fronts,
    bootstrap: Bootstrap,
) -> Result<ComparedExperiment, AnalysisError> {
    let points = point::points(group, fronts, bootstrap)?;
    let corners = point::Corners::of(group);
    let spec = &group.first().spec;
    let own = (0..spec.rewards.len()).map(|reward| corners.own(reward, bootstrap)).collect::<Result<Vec<_>, _>>()?;
    let judged = judges.iter().map(|judge| {
        Figure::of_columns(bootstrap, corners.judge(judge), judge_range(judge).map(|[lo, hi]| [lo - hi, hi - lo]))
    });
    let own_columns = corners.own_mean();
    let cost = Cost::of(group, &own_columns, bootstrap)?;
    Ok(ComparedExperiment {
        name: group.name.clone(),
        folders: group.sweeps.iter().map(|sweep| sweep.folder.clone()).collect(),
        seeds: group.sweeps.iter().map(|sweep| sweep.spec.seed).collect(),
        method: spec.training.method.name().into(),
        over_base: hypervolume.clone().zip(base_hypervolume).map(|(volume, base)| volume.shifted(-base)),
        over_baseline: None,
        own_over_baseline: None,
        hypervolume,
        own_mean: Figure::of_columns(bootstrap, own_columns, None)?,
        own,
        judges: judged.collect::<Result<_, _>>()?,
        slope: corners.slope(),
        distance: corners.distance(),
        cost,
        points,
    })
}

#[cfg(test)]
mod tests;
