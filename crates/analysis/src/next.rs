//! Which weighting is worth training next.

use moa_core::experiment::{Expectation, NextBy};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId, ScoreColumn, Weighting};
use moa_pareto::{Proposal, Proposer, Soup, Trained};

use crate::{AnalysisError, Scales, added};

/// Shares are chosen in so many parts: hundredths.
const PARTS: f64 = 100.0;
/// Weightings closer than this are the same.
const SAME: f64 = 1e-3;

/// A weighting to train next.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// Its shares.
    pub weighting: Weighting,
    /// What it is expected to add.
    pub expected: Expectation,
}

impl Next {
    /// Returns the weighting that is worth most beside what was evaluated; nothing where every one is trained, or the corners are not.
    ///
    /// # Errors
    /// Says why nothing can be proposed, e.g. with more rewards than hypervolumes are computed of.
    pub fn of(
        spec: &ExperimentSpec,
        evaluations: &[EvaluationRecord],
        by: NextBy,
    ) -> Result<Option<Self>, AnalysisError> {
        let Some(base) = evaluations.iter().find(|point| point.kind == PointKind::Base) else { return Ok(None) };
        let scales = Scales::of(spec, evaluations);
        let (mut trained, mut soups) = (Vec::new(), Vec::new());
        // What is trained next does not depend on what was looked at meanwhile.
        let added: Vec<&RunId> = added(evaluations, spec).map(|record| &record.id).collect();
        for point in evaluations.iter().filter(|point| !added.contains(&&point.id)) {
            let (rewards, errors) = on_scale(point, base, &scales);
            match (point.kind, &point.weighting) {
                (PointKind::Trained, Some(weighting)) => {
                    trained.push(Trained { weighting: weighting.shares().to_vec(), rewards, errors });
                }
                (PointKind::Soup | PointKind::Base, _) => soups.push(Soup { rewards, errors }),
                _ => {}
            }
        }
        let known: Vec<Vec<f64>> = trained.iter().map(|point| point.weighting.clone()).collect();
        let corners = known.iter().filter(|shares| shares.iter().any(|share| *share > 1.0 - SAME)).count();
        if corners < spec.rewards.len() {
            return Ok(None);
        }
        let proposer = Proposer::new(trained, soups, spec.seed)?;
        let proposal = match by {
            NextBy::HypervolumeGain => proposer.by_hypervolume_gain()?,
            NextBy::OptimisticSupport => proposer.by_optimistic_support()?,
        };
        let Some(Proposal { weighting, expected_gain: gain, hypervolume, noise, .. }) = proposal else {
            return Ok(None);
        };
        let is_new = |shares: &Vec<f64>| {
            !known.iter().any(|known| known.iter().zip(shares).all(|(one, other)| (one - other).abs() < SAME))
        };
        let shares = Some(rounded(&weighting)).filter(is_new).unwrap_or(weighting);
        let Ok(weighting) = Weighting::new(shares) else { return Ok(None) };
        Ok(Some(Self { weighting, expected: Expectation { hypervolume, gain, noise } }))
    }
}

/// Returns the means of a point's rewards on the experiment's scale, and the standard errors of their differences to the base.
fn on_scale(point: &EvaluationRecord, base: &EvaluationRecord, scales: &Scales) -> (Vec<f64>, Vec<f64>) {
    let of_reward = |((own, base), scale): ((&ScoreColumn, &ScoreColumn), &crate::RewardScale)| {
        let range = scale.scale.best - scale.scale.reference;
        ((own.mean() - scale.scale.reference) / range, standard_error(own, base) / range)
    };
    point.rewards.iter().zip(&base.rewards).zip(&scales.rewards).map(of_reward).unzip()
}

fn standard_error(own: &ScoreColumn, base: &ScoreColumn) -> f64 {
    let differences: Vec<f64> = own.prompt_means.iter().zip(&base.prompt_means).map(|(own, base)| own - base).collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count.max(1.0);
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0) / count.max(1.0)).sqrt()
}

/// Returns the shares in hundredths that sum to 1: those with the largest remainders are rounded up.
fn rounded(shares: &[f64]) -> Vec<f64> {
    let mut parts: Vec<f64> = shares.iter().map(|share| (share * PARTS).floor()).collect();
    let mut left = (PARTS - parts.iter().sum::<f64>()).round() as usize;
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let remainder = |place: &usize| shares[*place] * PARTS - (shares[*place] * PARTS).floor();
    order.sort_by(|one, other| remainder(other).total_cmp(&remainder(one)));
    for place in order.into_iter().cycle() {
        if left == 0 {
            break;
        }
        parts[place] += 1.0;
        left -= 1;
    }
    parts.into_iter().map(|part| part / PARTS).collect()
}

#[cfg(test)]
mod tests {
    use moa_core::RunId;
    use moa_core::experiment::RewardKind;

    use super::*;

    fn record(id: &str, kind: PointKind, shares: Option<[f64; 2]>, means: [f64; 2]) -> EvaluationRecord {
        let column = |name: &str, mean: f64| {
            ScoreColumn::of_all(name, (0..64).map(|prompt| mean + 0.01 * f64::from(prompt % 5 - 2)).collect())
        };
        EvaluationRecord {
            id: RunId(id.into()),
            kind,
            weighting: shares.and_then(|shares| Weighting::new(shares.to_vec()).ok()),
            images_per_prompt: 1,
            rewards: vec![column("aesthetics", means[0]), column("safety", means[1])],
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        }
    }

    fn spec() -> ExperimentSpec {
        ExperimentSpec {
            rewards: vec![RewardKind::Aesthetics.into(), RewardKind::Safety.into()],
            ..ExperimentSpec::default()
        }
    }

    #[test]
    fn what_is_chosen_lies_between_the_corners_and_is_a_round_number() {
        let mut known = vec![record("base", PointKind::Base, None, [0.5, 0.5])];
        assert_eq!(Next::of(&spec(), &known, NextBy::default()).unwrap(), None, "no corner is trained");
        known.push(record("aesthetics", PointKind::Trained, Some([1.0, 0.0]), [0.8, 0.52]));
        known.push(record("safety", PointKind::Trained, Some([0.0, 1.0]), [0.51, 0.9]));
        for by in [NextBy::HypervolumeGain, NextBy::OptimisticSupport] {
            let next = Next::of(&spec(), &known, by).unwrap().expect("something is worth training");
            let shares = next.weighting.shares();
            assert!(shares.iter().all(|share| (0.2..0.8).contains(share)), "{shares:?}");
            assert!(shares.iter().all(|share| ((share * 100.0).round() - share * 100.0).abs() < 1e-9), "{shares:?}");
            assert!(next.expected.gain > next.expected.noise, "{:?}", next.expected);
            assert_eq!(Next::of(&spec(), &known, by).unwrap(), Some(next), "again the same");
        }
    }

    #[test]
    fn hundredths_sum_to_one() {
        assert_eq!(rounded(&[1.0 / 3.0; 3]), [0.34, 0.33, 0.33]);
        assert_eq!(rounded(&[0.14583, 0.85417]), [0.15, 0.85]);
        assert_eq!(rounded(&[1.0, 0.0]), [1.0, 0.0]);
    }
}
