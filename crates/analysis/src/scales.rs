//! What counts as 0 and as 1 in the hypervolume, reward by reward.

use moa_core::experiment::Scale;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_store::{Layout, write_atomically};
use serde::{Deserialize, Serialize};

use crate::AnalysisError;

/// The version of the stored scale.
const VERSION: u32 = 1;
/// What is written beside the numbers.
const DEFINITION: &str = "worst and best mean of each reward over the base and the corners' adapters";
const WITH_GIVEN: &str =
    "worst and best mean of each reward over the base, the corners' adapters and those that are given";

/// Where one end of a scale comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The experiment's `hypervolume`.
    Experiment,
    /// The worst or best mean over base and corners.
    Measured,
    /// The reward's kind: base and corners are not all evaluated, are alike in this reward, or there are no corners.
    Kind,
}

/// The scale of one reward.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardScale {
    /// The reward.
    pub name: String,
    /// What counts as 0 and as 1, in the reward's units.
    pub scale: Scale,
    /// Where the reference comes from.
    pub reference_from: Origin,
    /// Where the best value comes from.
    pub best_from: Origin,
}

/// The scale of each reward, in the experiment's order: a hypervolume means something only together with it.
///
/// For each end the first of these that is known, such that the reference lies below the best value:
/// 1. what the experiment says (`hypervolume: (reference: {…}, best: {…})`);
/// 2. the worst mean (reference) and the best mean over the base and the corners' adapters on the held-out prompts, kept in
///    `hypervolume.json` once they are evaluated: other points do not move it;
/// 3. the scale of the reward's [kind](moa_core::experiment::RewardKind::scale).
///
/// What it hides: a point that is the worst of base and corners in any reward adds nothing to a hypervolume; the base often is.
/// Numbers of two experiments compare only under the same scale, which takes the experiment's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scales {
    /// One for each reward.
    pub rewards: Vec<RewardScale>,
    /// The points whose means give the measured ends; empty where there are none yet.
    pub points: Vec<RunId>,
}

/// The stored part: what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    version: u32,
    definition: String,
    points: Vec<RunId>,
    rewards: Vec<Extent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extent {
    name: String,
    worst: f64,
    best: f64,
}

impl Measured {
    /// Returns the extents over base and corners; nothing before all of them are evaluated, and where there are no corners.
    fn of(spec: &ExperimentSpec, evaluations: &[EvaluationRecord]) -> Option<Self> {
        let is_corner = |(_, weighting): &(RunId, moa_core::Weighting)| weighting.corner_index().is_some();
        let corners = spec.weightings().into_iter().filter(is_corner).map(|(id, _)| (id, PointKind::Trained));
        // Those that are given may lie anywhere.
        let given = spec.given().into_iter().map(|(id, _)| (id, PointKind::Given));
        let definition = if spec.adapters.is_empty() { DEFINITION } else { WITH_GIVEN };
        let mut others = corners.chain(given).peekable();
        others.peek()?;
        let points: Vec<(RunId, PointKind)> =
            [(RunId(RunId::BASE.into()), PointKind::Base)].into_iter().chain(others).collect();
        let find = |(id, kind): &(RunId, PointKind)| {
            evaluations.iter().find(|known| known.id == *id && known.kind == *kind).map(EvaluationRecord::reward_means)
        };
        let means: Vec<Vec<f64>> = points.iter().map(find).collect::<Option<_>>()?;
        let extent = |(reward, name): (usize, String)| {
            let values = || means.iter().filter_map(|means| means.get(reward).copied());
            let (worst, best) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            Extent { name, worst, best }
        };
        let rewards = spec.reward_names().into_iter().enumerate().map(extent).collect();
        let points = points.into_iter().map(|(id, _)| id).collect();
        Some(Self { version: VERSION, definition: definition.into(), points, rewards })
    }

    /// Returns what is stored; nothing where nothing is.
    fn read(layout: &Layout, spec: &ExperimentSpec) -> Result<Option<Self>, AnalysisError> {
        let path = layout.hypervolume_file();
        let failed = |reason: String| AnalysisError::Scale { path: path.clone(), reason };
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| failed(error.to_string()))?,
        };
        let kept: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(format!("it is not a file of scales: {error}")))?;
        if kept.version != VERSION {
            return Err(failed(format!("it has version {}, and this moa reads {VERSION}", kept.version)));
        }
        let names: Vec<&str> = kept.rewards.iter().map(|extent| &*extent.name).collect();
        if names != spec.reward_names() {
            return Err(failed(format!("it is about the rewards {}", names.join(", "))));
        }
        Ok(Some(kept))
    }
}

impl Scales {
    /// Returns the scales as far as evaluations give them.
    pub fn of(spec: &ExperimentSpec, evaluations: &[EvaluationRecord]) -> Self {
        Self::with(spec, Measured::of(spec, evaluations))
    }

    /// Returns the scales of a results folder: those that are kept there, else as far as evaluations give them.
    ///
    /// # Errors
    /// Says what is wrong with the stored scale.
    pub fn read(
        layout: &Layout,
        spec: &ExperimentSpec,
        evaluations: &[EvaluationRecord],
    ) -> Result<Self, AnalysisError> {
        let kept = Measured::read(layout, spec)?;
        Ok(Self::with(spec, kept.or_else(|| Measured::of(spec, evaluations))))
    }

    /// Returns the scales of evaluations, and keeps what is measured in a results folder, once base and corners are evaluated.
    ///
    /// # Errors
    /// What the system says where the scale cannot be written.
    pub fn keep(
        layout: &Layout,
        spec: &ExperimentSpec,
        evaluations: &[EvaluationRecord],
    ) -> Result<Self, AnalysisError> {
        let measured = Measured::of(spec, evaluations);
        if let Some(measured) = &measured {
            let text = serde_json::to_string_pretty(measured);
            let text = text.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON")) + "\n";
            write_atomically(&layout.hypervolume_file(), text.as_bytes())?;
        }
        Ok(Self::with(spec, measured))
    }

    fn with(spec: &ExperimentSpec, measured: Option<Measured>) -> Self {
        let fallback = spec.scales();
        let of = |(index, name): (usize, String)| {
            let kind = fallback[index];
            let given = |ends: &std::collections::BTreeMap<String, f64>| ends.get(&name).copied();
            let (reference, best) = (given(&spec.hypervolume.reference), given(&spec.hypervolume.best));
            let extent = measured.as_ref().and_then(|measured| measured.rewards.get(index));
            let end = |given: Option<f64>, measured: Option<f64>, kind: f64| match (given, measured) {
                (Some(value), _) => (value, Origin::Experiment),
                (None, Some(value)) => (value, Origin::Measured),
                (None, None) => (kind, Origin::Kind),
            };
            let ends = |measured: Option<&Extent>| {
                let reference = end(reference, measured.map(|extent| extent.worst), kind.reference);
                (reference, end(best, measured.map(|extent| extent.best), kind.best))
            };
            let (mut reference, mut best) = ends(extent);
            if reference.0 >= best.0 {
                // Alike, or beyond what the experiment says; its own ends and the kind's were found in order when it was read.
                (reference, best) = ends(None);
            }
            let scale = Scale { reference: reference.0, best: best.0 };
            RewardScale { name, scale, reference_from: reference.1, best_from: best.1 }
        };
        let rewards: Vec<RewardScale> = spec.reward_names().into_iter().enumerate().map(of).collect();
        let is_measured =
            |reward: &RewardScale| reward.reference_from == Origin::Measured || reward.best_from == Origin::Measured;
        let points = if rewards.iter().any(is_measured) { measured.map(|measured| measured.points) } else { None };
        Self { rewards, points: points.unwrap_or_default() }
    }

    /// Returns the scale of each reward alone.
    pub fn scales(&self) -> Vec<Scale> {
        self.rewards.iter().map(|reward| reward.scale).collect()
    }

    /// Returns what counts as 0 and as 1 in a few words.
    pub fn label(&self) -> &'static str {
        let all = |origin: Origin| {
            self.rewards.iter().all(|reward| reward.reference_from == origin && reward.best_from == origin)
        };
        match () {
            () if all(Origin::Measured) => "0–1: worst–best of base, corners",
            () if all(Origin::Experiment) => "0–1: the experiment's",
            () if all(Origin::Kind) => "0–1: the rewards' ranges",
            () => "0–1: differs by reward",
        }
    }

    /// Returns what counts as 0 and as 1, in a sentence without numbers.
    pub fn definition(&self) -> String {
        let of = |origin: Origin| {
            let both = |reward: &&RewardScale| reward.reference_from == origin && reward.best_from == origin;
            self.rewards.iter().filter(both).map(|reward| reward.name.clone()).collect::<Vec<_>>()
        };
        let mixed = |reward: &&RewardScale| reward.reference_from != reward.best_from;
        let mixed: Vec<String> = self.rewards.iter().filter(mixed).map(|reward| reward.name.clone()).collect();
        let parts = [
            (of(Origin::Measured), "the worst and the best mean of base and corners"),
            (of(Origin::Experiment), "as the experiment gives them"),
            (of(Origin::Kind), "the range of the reward's kind, because base and corners give no scale"),
            (mixed, "one end as the experiment gives them"),
        ];
        let known: Vec<(Vec<String>, &str)> = parts.into_iter().filter(|(names, _)| !names.is_empty()).collect();
        let all = known.len() == 1;
        let part = |(names, what): &(Vec<String>, &str)| {
            if all { format!("{what} in every reward") } else { format!("{what} in {}", names.join(", ")) }
        };
        format!("0 and 1 are {}", known.iter().map(part).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use moa_core::ScoreColumn;
    use moa_core::experiment::RewardKind;

    use super::*;

    fn spec() -> ExperimentSpec {
        let rewards = vec![RewardKind::Safety.into(), RewardKind::Contrast.into()];
        ExperimentSpec { rewards, ..ExperimentSpec::default() }
    }

    fn record(id: &str, kind: PointKind, means: [f64; 2]) -> EvaluationRecord {
        let column = |(name, mean): (&str, f64)| ScoreColumn::of_all(name, vec![mean - 0.1, mean + 0.1]);
        EvaluationRecord {
            id: RunId(id.into()),
            kind,
            weighting: None,
            images_per_prompt: 2,
            rewards: ["safety", "contrast"].into_iter().zip(means).map(column).collect(),
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        }
    }

    fn evaluations() -> Vec<EvaluationRecord> {
        vec![
            record("base", PointKind::Base, [0.5, 0.4]),
            record("safety", PointKind::Trained, [0.75, 0.3]),
            record("contrast", PointKind::Trained, [0.45, 0.8]),
        ]
    }

    fn ends(scales: &Scales) -> Vec<(f64, f64)> {
        scales.rewards.iter().map(|reward| (reward.scale.reference, reward.scale.best)).collect()
    }

    #[test]
    fn points_that_come_later_do_not_move_the_scale() {
        let mut all = evaluations();
        let before = Scales::of(&spec(), &all);
        let expected = [(0.45, 0.75), (0.3, 0.8)];
        let near = |(one, other): (&(f64, f64), &(f64, f64))| (one.0 - other.0).abs() + (one.1 - other.1).abs() < 1e-12;
        assert!(ends(&before).iter().zip(&expected).all(near), "{before:?}");
        all.push(record("centre", PointKind::Trained, [0.9, 0.9]));
        all.push(record("soup-centre", PointKind::Soup, [0.1, 0.1]));
        assert_eq!(Scales::of(&spec(), &all), before);
        assert_eq!(before.points.len(), 3);
        assert!(before.definition().contains("base and corners in every reward"), "{}", before.definition());
    }

    #[test]
    fn before_the_corners_are_evaluated_and_where_they_are_alike_the_kind_decides() {
        let scales = Scales::of(&spec(), &evaluations()[..2]);
        assert_eq!(ends(&scales), [(0.0, 1.0), (0.0, 1.0)]);
        assert!(scales.points.is_empty());
        let mut alike = evaluations();
        for record in &mut alike {
            record.rewards[1].prompt_means = vec![0.5, 0.5];
        }
        let scales = Scales::of(&spec(), &alike);
        assert_eq!(scales.rewards[1].scale, Scale { reference: 0.0, best: 1.0 });
        assert_eq!((scales.rewards[0].best_from, scales.rewards[1].best_from), (Origin::Measured, Origin::Kind));
    }

    #[test]
    fn the_experiment_wins_end_by_end() {
        let mut own = spec();
        own.hypervolume.reference.insert("safety".into(), 0.1);
        let scales = Scales::of(&own, &evaluations());
        assert_eq!(scales.rewards[0].reference_from, Origin::Experiment);
        assert!(
            (scales.rewards[0].scale.reference - 0.1).abs() < 1e-12
                && (scales.rewards[0].scale.best - 0.75).abs() < 1e-12
        );
        // A reference above all that was measured: the other end is the kind's.
        own.hypervolume.reference.insert("safety".into(), 0.9);
        assert_eq!(Scales::of(&own, &evaluations()).rewards[0].scale, Scale { reference: 0.9, best: 1.0 });
    }

    #[test]
    fn what_is_kept_is_what_was_measured_last() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        Scales::keep(&layout, &spec(), &evaluations()[..1]).unwrap();
        assert!(!layout.hypervolume_file().exists(), "nothing is measured yet");
        let kept = Scales::keep(&layout, &spec(), &evaluations()).unwrap();
        let mut other = evaluations();
        other[0] = record("base", PointKind::Base, [0.0, 0.0]);
        assert_eq!(Scales::read(&layout, &spec(), &other).unwrap(), kept, "readers take what is kept");
        assert_ne!(Scales::keep(&layout, &spec(), &other).unwrap(), kept);

        std::fs::write(layout.hypervolume_file(), "{}").unwrap();
        let error = Scales::read(&layout, &spec(), &other).unwrap_err().to_string();
        assert!(error.contains("hypervolume.json") && error.contains("remove the file"), "{error}");
    }
}
