//! Mixtures of corners by name.

use std::collections::BTreeMap;

use moa_core::{EvaluationRecord, ExperimentSpec, RunId};

use crate::added;

/// Returns the corners' adapters, and by name the shares of them in each adapter and soup that is a mixture of corners: soups that the
/// experiment plans, and those among `evaluations` that were added to it, as far as they are means.
pub fn shares_by_name(
    spec: &ExperimentSpec,
    evaluations: &[EvaluationRecord],
) -> (Vec<RunId>, BTreeMap<RunId, Vec<f64>>) {
    let runs = spec.weightings();
    let corners: Vec<RunId> =
        runs.iter().filter(|(_, weighting)| weighting.corner_index().is_some()).map(|(id, _)| id.clone()).collect();
    let mut shares = BTreeMap::new();
    for (index, id) in corners.iter().enumerate() {
        let own = (0..corners.len()).map(|other| if other == index { 1.0 } else { 0.0 }).collect();
        shares.insert(id.clone(), own);
    }
    let planned = spec.soups().into_iter().map(|recipe| (recipe.id, recipe.shares));
    let means = added(evaluations, spec).filter_map(|record| {
        let mixture = record.added.as_ref().filter(|mixture| mixture.merge.is_mean())?;
        Some((record.id.clone(), mixture.shares()))
    });
    for (name, parts) in planned.chain(means) {
        let mut own = vec![0.0; corners.len()];
        let known = parts.iter().all(|(id, share)| {
            let place = corners.iter().position(|corner| corner == id);
            place.is_some_and(|place| {
                own[place] = *share;
                true
            })
        });
        if known {
            shares.insert(name, own);
        }
    }
    (corners, shares)
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;

    use super::*;

    #[test]
    fn soups_of_corners_know_their_shares() {
        let rewards = vec![RewardKind::Aesthetics.into(), RewardKind::Safety.into()];
        let (corners, shares) = shares_by_name(&ExperimentSpec { rewards, ..ExperimentSpec::default() }, &[]);
        assert_eq!(corners, ["aesthetics", "safety"].map(|id| RunId(id.into())));
        assert_eq!(shares[&RunId("safety".into())], [0.0, 1.0]);
        assert_eq!(shares[&RunId("soup-centre".into())], [0.5, 0.5]);
    }
}
