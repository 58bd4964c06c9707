//! Soups that were added to an experiment when they were measured, beside those that it plans.

use std::collections::BTreeSet;

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};

/// Returns the soups that were added to an experiment: those that it does not plan itself, of adapters that it has.
pub fn added<'a>(
    evaluations: &'a [EvaluationRecord],
    spec: &ExperimentSpec,
) -> impl Iterator<Item = &'a EvaluationRecord> {
    let candidates: Vec<&EvaluationRecord> =
        evaluations.iter().filter(|record| record.kind == PointKind::Soup && record.added.is_some()).collect();
    // Most experiments have none, and some have thousands of runs.
    let (mut planned, mut runs) = (BTreeSet::new(), BTreeSet::new());
    if !candidates.is_empty() {
        planned.extend(spec.soups().into_iter().map(|recipe| recipe.id));
        runs.extend(spec.weightings().into_iter().map(|(RunId(id), _)| id));
    }
    let is_own = move |record: &&EvaluationRecord| {
        let mut parts = record.added.iter().flat_map(|mixture| &mixture.ingredients);
        !planned.contains(&record.id) && parts.all(|part| runs.contains(&part.name))
    };
    candidates.into_iter().filter(is_own)
}
