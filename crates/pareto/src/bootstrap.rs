//! Percentile bootstrap over prompts.

use rayon::prelude::*;

use crate::hypervolume::volume_above;
use crate::random::Stream;
use crate::{Interval, ParetoError, check};

/// Draws prompts again and again, with replacement, to say how sure a number is.
///
/// The unit that is drawn is the **prompt** with all its pictures (the cluster bootstrap): pictures of one prompt
/// resemble each other, and drawing them singly would give intervals that are too narrow. Every prompt weighs the
/// same, however many pictures it has.
///
/// Resample `r` depends on the seed and `r` only: the interval is the same for any number of threads, and two
/// intervals with one seed are made of the same resamples.
///
/// What it hides: only the choice of prompts and pictures is uncertain here. How much the result would differ had the
/// adapter been trained with another seed is not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many times the prompts are drawn. Default 2,000.
    pub resamples: usize,
    /// The share of the resamples inside the interval, between 0 and 1. Default 0.95.
    pub level: f64,
    /// The seed of the draws. Default 0.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// Returns the default bootstrap with a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Returns the mean score with its interval, from the scores of the pictures of each prompt.
    ///
    /// # Errors
    /// No prompts, a prompt without pictures, NaN or infinite scores, and impossible settings.
    pub fn mean<G: AsRef<[f64]>>(&self, prompts: &[G]) -> Result<Interval, ParetoError> {
        let means = prompt_means(prompts)?;
        self.statistic(means.len(), |counts| weighted_mean(&means, counts))
    }

    /// Returns the mean of `treated` − `control` with its interval, where row `i` of both is the same prompt.
    ///
    /// Pairing takes the prompts' own difficulty out of the difference.
    ///
    /// # Errors
    /// As [`Bootstrap::mean`], and different numbers of prompts.
    pub fn paired_difference<A, B>(&self, treated: &[A], control: &[B]) -> Result<Interval, ParetoError>
    where
        A: AsRef<[f64]>,
        B: AsRef<[f64]>,
    {
        paired(treated.len(), control.len())?;
        let control = prompt_means(control)?;
        let treated = prompt_means(treated)?;
        let gains: Vec<f64> = treated.iter().zip(&control).map(|(t, c)| t - c).collect();
        self.statistic(gains.len(), |counts| weighted_mean(&gains, counts))
    }

    /// Returns the hypervolume of the points' means with its interval.
    ///
    /// `evaluations[point][prompt]` is the mean of each objective over the prompt's pictures; all points are
    /// evaluated on the same prompts, which are drawn for all of them together. Normalise first if the objectives
    /// differ in scale.
    ///
    /// Noise spreads points outwards, so resamples have more hypervolume than the data, the more so the more points
    /// there are. The interval is that of the resamples moved back by this mean excess, so that it lies about the
    /// estimate.
    ///
    /// What it hides: the estimate is itself too large by about the same excess, for the same reason. Compare two
    /// sets with [`Bootstrap::hypervolume_difference`], not by whether their intervals overlap.
    ///
    /// # Errors
    /// No prompts, points with different numbers of prompts, rows that differ from the reference in length, NaN or
    /// infinite values, and impossible settings.
    pub fn hypervolume<R: AsRef<[f64]> + Sync>(
        &self,
        evaluations: &[Vec<R>],
        reference: &[f64],
    ) -> Result<Interval, ParetoError> {
        let table = Table::new(evaluations, reference)?;
        let interval = self.centred(table.prompts, |counts| table.volume(counts, reference))?;
        Ok(Interval { lo: interval.lo.max(0.0), ..interval })
    }

    /// Returns the hypervolume of `left` − that of `right` with its interval, both evaluated on the same prompts.
    ///
    /// The interval is moved as in [`Bootstrap::hypervolume`]. What it hides: the larger set gains more from noise.
    ///
    /// # Errors
    /// As [`Bootstrap::hypervolume`], and different numbers of prompts.
    pub fn hypervolume_difference<R: AsRef<[f64]> + Sync>(
        &self,
        left: &[Vec<R>],
        right: &[Vec<R>],
        reference: &[f64],
    ) -> Result<Interval, ParetoError> {
        let left = Table::new(left, reference)?;
        let right = Table::new(right, reference)?;
        paired(left.prompts, right.prompts)?;
        self.centred(left.prompts, |counts| left.volume(counts, reference) - right.volume(counts, reference))
    }

    /// Returns any statistic of resampled prompts with its percentile interval.
    ///
    /// The statistic is given how often each prompt was drawn; the counts sum to the number of prompts, and are all 1
    /// for the estimate itself.
    ///
    /// # Errors
    /// No prompts, no resamples, and a level that is not between 0 and 1.
    pub fn statistic(&self, prompts: usize, statistic: impl Fn(&[f64]) -> f64 + Sync) -> Result<Interval, ParetoError> {
        let values = self.resampled(prompts, &statistic)?;
        Ok(self.interval(statistic(&vec![1.0; prompts]), &values))
    }

    /// Returns a statistic with its percentile interval moved by the resamples' mean excess over the statistic.
    fn centred(&self, prompts: usize, statistic: impl Fn(&[f64]) -> f64 + Sync) -> Result<Interval, ParetoError> {
        let values = self.resampled(prompts, &statistic)?;
        let estimate = statistic(&vec![1.0; prompts]);
        let excess = values.iter().sum::<f64>() / values.len() as f64 - estimate;
        let Interval { mean, lo, hi } = self.interval(estimate, &values);
        Ok(Interval { mean, lo: lo - excess, hi: hi - excess })
    }

    fn interval(&self, mean: f64, sorted: &[f64]) -> Interval {
        let tail = (1.0 - self.level) / 2.0;
        Interval { mean, lo: quantile(sorted, tail), hi: quantile(sorted, 1.0 - tail) }
    }

    /// Returns the statistic of each resample, sorted.
    fn resampled(&self, prompts: usize, statistic: &(impl Fn(&[f64]) -> f64 + Sync)) -> Result<Vec<f64>, ParetoError> {
        self.check(prompts)?;
        let draw = |counts: &mut Vec<f64>, number: usize| {
            let mut stream = Stream::new(self.seed, number as u64);
            counts.fill(0.0);
            for _ in 0..prompts {
                counts[stream.below(prompts as u64) as usize] += 1.0;
            }
            statistic(counts)
        };
        let numbers = (0..self.resamples).into_par_iter();
        let mut values: Vec<f64> = numbers.map_init(|| vec![0.0; prompts], draw).collect();
        values.sort_unstable_by(f64::total_cmp);
        Ok(values)
    }

    pub(crate) fn check(&self, prompts: usize) -> Result<(), ParetoError> {
        if prompts == 0 {
            return Err(ParetoError::Empty { what: "the list of prompts" });
        }
        if self.resamples == 0 {
            return Err(ParetoError::Setting { what: "the number of resamples", value: 0.0, wanted: "at least 1" });
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(ParetoError::Setting {
                what: "the level of the interval",
                value: self.level,
                wanted: "between 0 and 1, such as 0.95",
            });
        }
        Ok(())
    }
}

/// Means by point, prompt and objective.
struct Table {
    prompts: usize,
    /// `[point][prompt × objective]`.
    points: Vec<Vec<f64>>,
}

impl Table {
    fn new<R: AsRef<[f64]>>(evaluations: &[Vec<R>], reference: &[f64]) -> Result<Self, ParetoError> {
        check::not_empty("the set of points", evaluations)?;
        check::not_empty("the reference point", reference)?;
        check::row("reference point", 0, reference, reference.len())?;
        let prompts = evaluations[0].len();
        let flat = |prompt_rows: &Vec<R>| {
            paired(prompts, prompt_rows.len())?;
            check::rows_of("prompt", prompt_rows, reference.len())?;
            let rows = prompt_rows.iter().flat_map(AsRef::as_ref);
            Ok(rows.copied().collect())
        };
        let points = evaluations.iter().map(flat).collect::<Result<_, _>>()?;
        Ok(Self { prompts, points })
    }

    fn volume(&self, counts: &[f64], reference: &[f64]) -> f64 {
        let dims = reference.len();
        let mean = |values: &Vec<f64>| {
            let mut mean = vec![0.0; dims];
            for (row, count) in values.chunks_exact(dims).zip(counts) {
                for (sum, value) in mean.iter_mut().zip(row) {
                    *sum += count * value;
                }
            }
            mean.iter().map(|sum| sum / self.prompts as f64).collect()
        };
        let means: Vec<Vec<f64>> = self.points.iter().map(mean).collect();
        volume_above(&means, reference)
    }
}

fn paired(left: usize, right: usize) -> Result<(), ParetoError> {
    if left != right {
        return Err(ParetoError::Unpaired { left, right });
    }
    Ok(())
}

/// Returns the mean score of each prompt.
fn prompt_means<G: AsRef<[f64]>>(prompts: &[G]) -> Result<Vec<f64>, ParetoError> {
    let mean = |(index, scores): (usize, &G)| {
        let scores = scores.as_ref();
        check::not_empty("the list of a prompt's pictures", scores)?;
        if let Some(&value) = scores.iter().find(|s| !s.is_finite()) {
            return Err(ParetoError::NotFinite { what: "prompt", index, objective: 0, value });
        }
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    };
    prompts.iter().enumerate().map(mean).collect()
}

fn weighted_mean(values: &[f64], counts: &[f64]) -> f64 {
    let sum: f64 = values.iter().zip(counts).map(|(v, c)| v * c).sum();
    sum / values.len() as f64
}

/// Returns a quantile of sorted values, interpolated linearly between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
