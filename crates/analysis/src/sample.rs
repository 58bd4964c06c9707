//! Evaluations for tests: prompts differ by 0.2 for all points alike, a point's own images by 0.02.

use moa_core::experiment::{RewardKind, SoupsSpec, WeightingsSpec};
use moa_core::{EvaluationRecord, ExperimentSpec, NoiseKey, PointKind, RunId, ScoreColumn};
use moa_store::Snapshot;

/// Returns an experiment of two rewards, safety and contrast, with its corners, its centre and the soup of these.
pub(crate) fn spec() -> ExperimentSpec {
    let mut spec = ExperimentSpec {
        rewards: vec![RewardKind::Safety.into(), RewardKind::Contrast.into()],
        weightings: vec![WeightingsSpec::Corners, WeightingsSpec::Centre],
        soups: vec![SoupsSpec::AtWeightings],
        ..ExperimentSpec::default()
    };
    spec.evaluation.resamples = 500;
    spec
}

/// Returns an evaluation over so many prompts.
pub(crate) fn record(id: &str, kind: PointKind, levels: [f64; 2], prompts: usize) -> EvaluationRecord {
    let (key, own) = (NoiseKey::new(11), NoiseKey::new(12).named(id));
    let column = |name: &str, reward: usize| {
        let noise = key.with(reward as u64).normal(prompts).into_iter().zip(own.with(reward as u64).normal(prompts));
        let value = |(shared, own): (f32, f32)| levels[reward] + f64::from(0.2 * shared + 0.02 * own);
        ScoreColumn::of_all(name, noise.map(value).collect())
    };
    EvaluationRecord {
        id: RunId(id.into()),
        kind,
        weighting: None,
        images_per_prompt: 2,
        rewards: vec![column("safety", 0), column("contrast", 1)],
        judges: Vec::new(),
        distance_to_base: None,
        added: None,
    }
}

/// Returns what is known of an experiment whose points have these levels.
pub(crate) fn snapshot(points: &[(&str, PointKind, [f64; 2])], prompts: usize) -> Snapshot {
    let records = points.iter().map(|(id, kind, levels)| record(id, *kind, *levels, prompts));
    Snapshot { evaluations: records.collect(), ..Snapshot::default() }
}
