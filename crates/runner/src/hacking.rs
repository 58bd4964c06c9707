//! Suspected reward hacking: a reward rises, and a judge that watches it falls.

use moa_core::{EvaluationRecord, ExperimentSpec, ScoreColumn};
use moa_pareto::{Bootstrap, Interval, ParetoError};

/// A reward that rose while a judge fell, each beyond doubt.
#[derive(Clone, Debug, PartialEq)]
pub struct SuspectedHacking {
    /// The reward.
    pub reward: String,
    /// Its paired difference to the base.
    pub rise: Interval,
    /// The judge.
    pub judge: String,
    /// Its paired difference to the base.
    pub fall: Interval,
}

impl std::fmt::Display for SuspectedHacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reward, rise, judge, fall } = self;
        write!(
            f,
            "suspected reward hacking: {reward} rises by {:.4} (95 % interval {:.4} to {:.4}) while its judge {judge} \
             falls by {:.4} ({:.4} to {:.4})",
            rise.mean, rise.lo, rise.hi, -fall.mean, -fall.hi, -fall.lo
        )
    }
}

/// Returns the bootstrap of an experiment's evaluations: 95 % intervals, the same resamples for every figure.
pub(crate) fn bootstrap(spec: &ExperimentSpec) -> Bootstrap {
    Bootstrap { resamples: spec.evaluation.resamples as usize, level: 0.95, seed: spec.evaluation.seed }
}

/// Returns the paired difference of a column to the base's.
pub(crate) fn difference(
    bootstrap: &Bootstrap,
    column: &ScoreColumn,
    base: &ScoreColumn,
) -> Result<Interval, ParetoError> {
    let each = |column: &ScoreColumn| column.prompt_means.iter().map(|mean| [*mean]).collect::<Vec<_>>();
    bootstrap.paired_difference(&each(column), &each(base))
}

/// Returns the rewards with a share in the point's weighting that rise against the base while a judge falls that
/// [watches](moa_core::experiment::RewardKind::judges) them, both 95 % intervals on their side of 0.
///
/// What it hides: a judge that is fooled by the same pictures as the reward does not fall; and with many rewards and
/// judges a false alarm now and then is to be expected.
///
/// # Errors
/// Fails when point and base were evaluated on different prompts.
pub fn suspected_hacking(
    spec: &ExperimentSpec,
    point: &EvaluationRecord,
    base: &EvaluationRecord,
) -> Result<Vec<SuspectedHacking>, ParetoError> {
    let Some(weighting) = &point.weighting else { return Ok(Vec::new()) };
    let bootstrap = bootstrap(spec);
    let mut found = Vec::new();
    for (reward, _) in spec.rewards.iter().zip(weighting.shares()).filter(|(_, share)| **share > 0.0) {
        let Some(rise) = change(&bootstrap, &reward.name, &point.rewards, &base.rewards)? else { continue };
        if !rise.is_above(0.0) {
            continue;
        }
        for judge in reward.kind.judges() {
            if let Some(fall) = change(&bootstrap, judge, &point.judges, &base.judges)?
                && fall.hi < 0.0
            {
                found.push(SuspectedHacking { reward: reward.name.clone(), rise, judge: (*judge).to_owned(), fall });
            }
        }
    }
    Ok(found)
}

fn change(
    bootstrap: &Bootstrap,
    name: &str,
    point: &[ScoreColumn],
    base: &[ScoreColumn],
) -> Result<Option<Interval>, ParetoError> {
    let column = |columns: &[ScoreColumn]| columns.iter().position(|column| column.name == name);
    let (Some(own), Some(others)) = (column(point), column(base)) else { return Ok(None) };
    difference(bootstrap, &point[own], &base[others]).map(Some)
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;
    use moa_core::{PointKind, RunId, Weighting};

    use super::*;

    fn record(safety: f64, alignment: f64, judge: f64) -> EvaluationRecord {
        let column = |name: &str, level: f64| ScoreColumn {
            name: name.to_owned(),
            prompt_means: (0..20).map(|prompt| level + 0.01 * f64::from(prompt)).collect(),
        };
        EvaluationRecord {
            id: RunId("safety".into()),
            kind: PointKind::Trained,
            weighting: Some(Weighting::corner(0, 2)),
            pictures_per_prompt: 2,
            rewards: vec![column("safety", safety), column("alignment", alignment)],
            judges: vec![column("attribute_safety", judge), column("clip_alignment", judge)],
        }
    }

    fn spec() -> ExperimentSpec {
        let rewards = vec![RewardKind::Safety.into(), RewardKind::Alignment.into()];
        ExperimentSpec { rewards, ..ExperimentSpec::default() }
    }

    #[test]
    fn a_rising_reward_with_a_falling_judge_is_suspected() {
        let found = suspected_hacking(&spec(), &record(0.6, 0.9, 0.3), &record(0.5, 0.5, 0.4)).unwrap();
        assert_eq!(found.len(), 1, "alignment has no share, so nobody trained on it: {found:?}");
        assert_eq!((&found[0].reward[..], &found[0].judge[..]), ("safety", "attribute_safety"));
        let message = found[0].to_string();
        assert!(message.contains("safety rises by 0.1000") && message.contains("falls by 0.1000"), "{message}");
    }

    #[test]
    fn no_suspicion_when_the_judge_rises_too_or_the_reward_does_not() {
        assert!(suspected_hacking(&spec(), &record(0.6, 0.5, 0.5), &record(0.5, 0.5, 0.4)).unwrap().is_empty());
        assert!(suspected_hacking(&spec(), &record(0.5, 0.5, 0.3), &record(0.5, 0.5, 0.4)).unwrap().is_empty());
        let mut base = record(0.6, 0.5, 0.1);
        (base.kind, base.weighting) = (PointKind::Base, None);
        assert!(suspected_hacking(&spec(), &base, &record(0.5, 0.5, 0.4)).unwrap().is_empty());
    }

    #[test]
    fn evaluations_on_other_prompts_are_refused() {
        let mut base = record(0.5, 0.5, 0.4);
        base.rewards[0].prompt_means.pop();
        assert!(suspected_hacking(&spec(), &record(0.6, 0.5, 0.5), &base).is_err());
    }
}
