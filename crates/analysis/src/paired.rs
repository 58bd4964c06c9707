//! What one point has more than another, on the same prompts and noise.

use moa_core::{EvaluationRecord, ExperimentSpec};
use moa_pareto::Interval;

use crate::resampling::difference;
use crate::{AnalysisError, bootstrap};

/// What one point has more than another in one reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// The reward.
    pub name: String,
    /// The paired difference, with its 95 % interval.
    pub difference: Interval,
}

impl Paired {
    /// Returns 1 where the interval lies above 0, -1 where it lies below, and 0 where it includes 0.
    pub fn sign(&self) -> i8 {
        i8::from(self.difference.is_above(0.0)) - i8::from(self.difference.is_below(0.0))
    }
}

/// Returns by reward what `one` has more than `other`: as gains over the base are made, with another point in the base's place.
///
/// What it hides: every interval is right for itself. Of a pair that was picked from many because of its values, one of twenty excludes 0 by
/// chance; what holds for all pairs at once is in [`Relations`](crate::Relations).
///
/// # Errors
/// Refuses points that were evaluated on different prompts.
pub fn paired(
    spec: &ExperimentSpec,
    one: &EvaluationRecord,
    other: &EvaluationRecord,
) -> Result<Vec<Paired>, AnalysisError> {
    let bootstrap = bootstrap(spec);
    let range = |name: &str| spec.rewards.iter().find(|reward| reward.name == name)?.kind.range();
    let columns = one.rewards.iter().zip(&other.rewards);
    let paired = columns.map(|(own, theirs)| {
        let difference = difference(&bootstrap, own, theirs, range(&own.name))?;
        Ok(Paired { name: own.name.clone(), difference })
    });
    paired.collect()
}

#[cfg(test)]
mod tests {
    use moa_core::PointKind;

    use super::*;
    use crate::sample;

    #[test]
    fn what_prompts_have_in_common_is_no_part_of_the_difference() {
        let spec = sample::spec();
        let record = |id: &str, levels| sample::record(id, PointKind::Trained, levels, 64);
        let (one, other) = (record("one", [0.55, 0.5]), record("other", [0.5, 0.5]));
        let found = paired(&spec, &one, &other).unwrap();
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["safety", "contrast"]);
        // Prompts differ by 0.2: unpaired, 0.05 would be lost in ± 0.07.
        assert_eq!([found[0].sign(), found[1].sign()], [1, 0]);
        assert!((found[0].difference.mean - 0.05).abs() < 0.01 && found[0].difference.half_width().unwrap() < 0.012);
        let turned = paired(&spec, &other, &one).unwrap();
        assert_eq!(turned[0].sign(), -1);
        assert!((turned[0].difference.mean + found[0].difference.mean).abs() < 1e-12);
    }

    #[test]
    fn points_on_other_prompts_are_refused() {
        let record = |prompts| sample::record("one", PointKind::Trained, [0.5, 0.5], prompts);
        assert!(paired(&sample::spec(), &record(64), &record(48)).is_err());
    }
}
