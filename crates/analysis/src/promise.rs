//! What evaluations let one claim of other prompts.

use moa_core::experiment::RewardSpec;
use moa_core::{EvaluationRecord, ScoreColumn};
use moa_pareto::{Bootstrap, Interval, Sample};

use crate::AnalysisError;
use crate::resampling::differences;

/// What is claimed of a mixture on other prompts, all at once with the bootstrap's level.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// The mean of every reward, in the experiment's order.
    pub means: Vec<Interval>,
    /// The paired difference of every reward to the base on the same prompts and noise.
    pub gains: Vec<Interval>,
}

impl Promise {
    /// Returns whether some of the bounds are not there: the rewards whose ends are infinite.
    pub fn unbounded(&self) -> impl Iterator<Item = usize> + '_ {
        let both = self.means.iter().zip(&self.gains).enumerate();
        both.filter(|(_, (mean, gain))| !(mean.is_bounded() && gain.is_bounded())).map(|(reward, _)| reward)
    }
}

/// Returns what evaluations let one claim of `fresh` other prompts: for each evaluation the mean of every reward, and its gain
/// over the base on the same prompts. All bounds hold at once with the bootstrap's level, whichever evaluation is picked, and
/// for whatever reason: see [`Bootstrap::simultaneous`], also for what they hide.
///
/// - `decisive`: objectives (rewards, then their gains) by which an evaluation is picked; they are a family of their own. Their bounds hold
///   at once, and so do those of the others: what nothing is decided by does not widen what is. Empty: all are one family.
///
/// # Errors
/// Refuses a base and evaluations on different prompts.
pub fn promises(
    bootstrap: &Bootstrap,
    rewards: &[RewardSpec],
    base: &EvaluationRecord,
    records: &[&EvaluationRecord],
    fresh: usize,
    decisive: &[usize],
) -> Result<Vec<Promise>, AnalysisError> {
    let ranges: Vec<Option<[f64; 2]>> = rewards.iter().map(|reward| reward.kind.range()).collect();
    let gain = |(one, other): (&ScoreColumn, &ScoreColumn)| differences(one, other);
    let gains: Vec<Vec<Vec<f64>>> = records
        .iter()
        .map(|record| record.rewards.iter().zip(&base.rewards).map(gain).collect())
        .collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    for (record, gains) in records.iter().zip(&gains) {
        let means = record.rewards.iter().zip(&ranges);
        columns.extend(means.map(|(column, range)| Sample::within(&column.prompt_means, *range)));
        let wide = ranges.iter().map(|range| range.map(|[least, greatest]| [least - greatest, greatest - least]));
        columns.extend(gains.iter().zip(wide).map(|(gain, range)| Sample::within(gain, range)));
    }
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let count = rewards.len();
    let is_decisive = |place: usize| decisive.contains(&(place % (2 * count)));
    let (first, second): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(|place| is_decisive(*place));
    let mut bounds: Vec<Option<Interval>> = vec![None; columns.len()];
    for family in [first, second].iter().filter(|family| !family.is_empty()) {
        let samples: Vec<Sample<'_>> = family.iter().map(|place| columns[*place]).collect();
        for (place, interval) in family.iter().zip(bootstrap.simultaneous(&samples, fresh)?) {
            bounds[*place] = Some(interval);
        }
    }
    let bounds: Vec<Interval> = bounds.into_iter().flatten().collect();
    let promise = |bounds: &[Interval]| Promise { means: bounds[..count].to_vec(), gains: bounds[count..].to_vec() };
    Ok(bounds.chunks_exact(2 * count).map(promise).collect())
}
