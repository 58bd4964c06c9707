//! Resampled prompts, and how far a resample's mean lies from that of all prompts in its own standard errors.

use crate::random::Stream;
use crate::{Interval, Sample};

/// How often each prompt is drawn when as many are drawn as there are, or another number of them.
pub(crate) fn counts(stream: &mut Stream, prompts: usize, drawn: usize, counts: &mut Vec<f64>) {
    counts.clear();
    counts.resize(prompts, 0.0);
    for _ in 0..drawn {
        counts[stream.below(prompts as u64) as usize] += 1.0;
    }
}

/// A column as deviations from its mean.
#[derive(Debug, Clone)]
pub(crate) struct Deviations {
    /// One for each prompt that is drawn; 0 where the column has no value.
    values: Vec<f64>,
    /// 1 where the column has a value; nothing where it has one for every prompt.
    covered: Option<Vec<f64>>,
}

/// Mean and standard error of a resampled column, as deviations from the mean of all prompts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    pub(crate) mean: f64,
    /// The variance of a single prompt, n − 1 in the denominator; 0 where the resample does not vary.
    pub(crate) variance: f64,
    pub(crate) count: f64,
}

impl Deviations {
    /// Returns a column over all prompts.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { values: values.iter().map(|value| value - mean).collect(), covered: None }
    }

    /// Returns a column over some of `prompts` prompts.
    pub(crate) fn over(places: &[usize], values: &[f64], prompts: usize) -> Self {
        let own = Self::of(values);
        let mut spread = Self { values: vec![0.0; prompts], covered: Some(vec![0.0; prompts]) };
        if let Some(covered) = &mut spread.covered {
            for (place, value) in places.iter().zip(own.values) {
                (spread.values[*place], covered[*place]) = (value, 1.0);
            }
        }
        spread
    }

    /// Returns the mean of `drawn` prompts of a column that has a value for each.
    pub(crate) fn mean(&self, counts: &[f64], drawn: usize) -> f64 {
        self.values.iter().zip(counts).map(|(value, count)| value * count).sum::<f64>() / drawn as f64
    }

    /// Returns mean and spread of the prompts that were drawn.
    pub(crate) fn drawn(&self, counts: &[f64]) -> Drawn {
        let count = match &self.covered {
            None => counts.iter().sum(),
            Some(covered) => covered.iter().zip(counts).map(|(covered, count)| covered * count).sum(),
        };
        let (mut sum, mut squares) = (0.0, 0.0);
        for (value, count) in self.values.iter().zip(counts) {
            let weighed = count * value;
            sum += weighed;
            squares += weighed * value;
        }
        let (mean, square) = (sum / count, squares / count);
        let variance = square - mean * mean;
        // What rounding leaves of a spread of nothing is nothing.
        let variance = if variance > 1e-12 * square { variance * count / (count - 1.0) } else { 0.0 };
        Drawn { mean, variance, count }
    }
}

impl Drawn {
    /// Returns a deviation in standard errors; infinite where the resample knows of no spread, and 0 of no deviation.
    ///
    /// - `share`: the variance of the deviation in that of a single prompt: 1/n, or 1/n + 1/m
    pub(crate) fn in_errors(&self, deviation: f64, share: f64) -> f64 {
        let error = (self.variance * share).sqrt();
        if error > 0.0 {
            deviation / error
        } else if deviation.abs() > 0.0 {
            f64::INFINITY.copysign(deviation)
        } else {
            0.0
        }
    }
}

/// Returns the value that at least `level` of a further draw from the same distribution would not pass: the ⌈level·(R + 1)⌉-th of
/// R sorted values, infinite where R is too small to say.
pub(crate) fn upper_quantile(sorted: &[f64], level: f64) -> f64 {
    let rank = (level * (sorted.len() + 1) as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::INFINITY)
}

/// How far resamples lie to either side, in standard errors: the factors of an interval's lower and upper end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tails {
    /// What the mean may be too high by: the lower end.
    pub(crate) below: f64,
    /// What it may be too low by: the upper end.
    pub(crate) above: f64,
}

impl Tails {
    /// Returns the factors from the greatest distances to either side of each resample: to each side the greater of the
    /// quantile with half of the risk, which follows skewed scores, and of that of both sides taken together with all of it.
    pub(crate) fn of(distances: &[(f64, f64)], level: f64) -> Self {
        let quantile = |take: &dyn Fn(&(f64, f64)) -> f64, level: f64| {
            let mut sorted: Vec<f64> = distances.iter().map(take).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            upper_quantile(&sorted, level).max(0.0)
        };
        let both = quantile(&|(below, above)| below.max(*above), level);
        let half = f64::midpoint(1.0, level);
        Self { below: quantile(&|side| side.0, half).max(both), above: quantile(&|side| side.1, half).max(both) }
    }

    /// Returns the interval of a column, cut to its range.
    pub(crate) fn interval(self, column: &Sample<'_>, share: f64) -> Interval {
        let (mean, error) = (column.mean(), column.deviation() * share.sqrt());
        let [least, greatest] = column.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Interval { mean, lo: (mean - self.below * error).max(least), hi: (mean + self.above * error).min(greatest) }
    }
}
