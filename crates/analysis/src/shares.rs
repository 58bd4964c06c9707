//! Mixtures of corners by name.

use std::collections::BTreeMap;

use moa_core::{EvaluationRecord, ExperimentSpec, RunId};

use crate::added;

/// Shares are chosen in so many parts: hundredths.
const PARTS: u32 = 100;

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

/// Divides `whole` in proportion to weights, of which some may be negative: the parts sum to it, and those with the largest remainders are rounded up.
/// Of weights whose sum is not positive, nothing for each.
pub fn apportion(whole: u32, weights: &[f64]) -> Vec<i32> {
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return vec![0; weights.len()];
    }
    let exact: Vec<f64> = weights.iter().map(|weight| f64::from(whole) * weight / sum).collect();
    let mut parts: Vec<i32> = exact.iter().map(|part| part.floor() as i32).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let remainder = |place: &usize| exact[*place] - exact[*place].floor();
    order.sort_by(|one, other| remainder(other).total_cmp(&remainder(one)));
    let left = whole as i32 - parts.iter().sum::<i32>();
    order.into_iter().cycle().take(left.max(0) as usize).for_each(|place| parts[place] += 1);
    parts
}

/// Returns the shares, which sum to 1, in hundredths that do, too.
pub(crate) fn in_hundredths(shares: &[f64]) -> Vec<f64> {
    apportion(PARTS, shares).into_iter().map(|part| f64::from(part) / f64::from(PARTS)).collect()
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

    #[test]
    fn parts_sum_to_the_whole_whatever_the_weights() {
        assert_eq!(apportion(66, &[1.0, 1.0, 1.0]), [22, 22, 22]);
        assert_eq!(apportion(100, &[2.0, 1.0, 0.0]), [67, 33, 0]);
        assert_eq!(apportion(100, &[0.0, 0.0]), [0, 0]);
        assert_eq!(apportion(7, &[]), [0; 0]);
    }

    #[test]
    fn hundredths_sum_to_one() {
        assert_eq!(in_hundredths(&[1.0 / 3.0; 3]), [0.34, 0.33, 0.33]);
        assert_eq!(in_hundredths(&[0.14583, 0.85417]), [0.15, 0.85]);
        assert_eq!(in_hundredths(&[1.0, 0.0]), [1.0, 0.0]);
        assert_eq!(in_hundredths(&[1.234, -0.234]), [1.23, -0.23]);
    }
}
