//! The bootstrap over prompts.

use rayon::prelude::*;

use crate::draws::{Deviations, Tails, counts as draw_counts};
use crate::hypervolume::volume_above;
use crate::random::Stream;
use crate::student::student_quantile;
use crate::{FEWEST_PROMPTS, Interval, ParetoError, Sample, check};

/// Draws prompts again and again, with replacement, to say how sure a number is.
///
/// The unit that is drawn is the **prompt** with all its images (the cluster bootstrap): images of one prompt
/// resemble each other, and drawing them singly would give intervals that are too narrow. Every prompt weighs the
/// same, however many images it has.
///
/// Resample `r` depends on the seed and `r` only: the interval is the same for any number of threads, and two
/// intervals with one seed are made of the same resamples.
///
/// What it hides: only the choice of prompts and images is uncertain here. How much the result would differ had the
/// adapter been trained with another seed is not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many times the prompts are drawn. Default 2,000.
    pub resamples: usize,
    /// The share of the resamples inside the interval, between 0 and 1. Default 0.95.
    pub level: f64,
    /// The seed of the draws. Default 0.
    pub seed: u64,
    /// The fewest prompts that are resampled: of fewer, nothing is said but what their range allows. Default
    /// [`FEWEST_PROMPTS`], and [`FEWEST_CLAIMED`](crate::FEWEST_CLAIMED) for a family's claims; less than that is for finding out
    /// how often intervals of fewer hold.
    pub fewest: usize,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0, fewest: FEWEST_PROMPTS }
    }
}

impl Bootstrap {
    /// Returns the default bootstrap with a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Returns the mean of a column with its interval, for the mean over *all* prompts of this kind.
    ///
    /// The interval is x̄ − q·s/√n to x̄ + q'·s/√n, with −q' and q the quantiles of t* = (x̄* − x̄) / (s*/√n) over the resamples,
    /// each divided by its own standard error, and both at least the quantile of |t*| (the studentised bootstrap; Hall, 1988).
    /// Quantiles of the resampled means
    /// themselves would be too narrow with few prompts, and on the wrong side with skewed scores.
    ///
    /// A column that [cannot be resampled](Sample::can_be_resampled) gets Hoeffding's bound from its range, or infinite ends.
    ///
    /// # Errors
    /// No prompts, NaN or infinite scores, and impossible settings.
    pub fn mean(&self, column: Sample<'_>) -> Result<Interval, ParetoError> {
        column.check(0)?;
        let prompts = column.values.len();
        self.check(prompts)?;
        let share = 1.0 / prompts as f64;
        if !column.can_be_resampled(self.fewest) {
            return Ok(column.hoeffding(share, 1.0 - self.level));
        }
        let deviations = Deviations::of(column.values);
        let distance = |counts: &[f64]| {
            let drawn = deviations.drawn(counts);
            let distance = drawn.in_errors(drawn.mean, share);
            (distance, -distance)
        };
        Ok(Tails::of(&self.resampled(prompts, &distance)?, self.level).interval(&column, share))
    }

    /// Returns the mean of `treated` − `control` with its interval, where value `i` of both is the same prompt.
    ///
    /// Pairing takes the prompts' own difficulty out of the difference. A range of both, `[a, b]`, makes one of the difference,
    /// `[a − b, b − a]`.
    ///
    /// # Errors
    /// As [`Bootstrap::mean`], and different numbers of prompts.
    pub fn paired_difference(&self, treated: Sample<'_>, control: Sample<'_>) -> Result<Interval, ParetoError> {
        paired(treated.values.len(), control.values.len())?;
        let gains: Vec<f64> = treated.values.iter().zip(control.values).map(|(t, c)| t - c).collect();
        let range = treated.range.map(|[least, greatest]| [least - greatest, greatest - least]);
        self.mean(Sample::within(&gains, range))
    }

    /// Returns the hypervolume of the points' means with its interval.
    ///
    /// `evaluations[point][prompt]` is the mean of each objective over the prompt's images; all points are
    /// evaluated on the same prompts, which are drawn for all of them together. Normalise first if the objectives
    /// differ in scale.
    ///
    /// Noise spreads points outwards, so resamples have more hypervolume than the data, the more so the more points
    /// there are, and the estimate itself is too large by about the same excess. The interval reaches from estimate − excess −
    /// h to estimate + h, with h = t·σ*·√(n/(n − 1)), σ* the resamples' standard deviation and t Student's quantile of n − 1
    /// degrees of freedom. Below [`FEWEST_PROMPTS`](crate::FEWEST_PROMPTS) both ends are infinite.
    ///
    /// What it hides: it is no studentised interval, which would take a resampling of every resample. Compare two
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
        let interval = self.spread(table.prompts, |counts| table.volume(counts, reference))?;
        Ok(Interval { lo: interval.lo.max(0.0), ..interval })
    }

    /// Returns the hypervolume of `left` − that of `right` with its interval, both evaluated on the same prompts.
    ///
    /// The interval is made as in [`Bootstrap::hypervolume`]. What it hides: the larger set gains more from noise.
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
        self.spread(left.prompts, |counts| left.volume(counts, reference) - right.volume(counts, reference))
    }

    /// Returns the hypervolume of the points' means in every resample, so that many sets over the same prompts are compared with each
    /// other at the cost of one resampling each.
    ///
    /// # Errors
    /// As [`Bootstrap::hypervolume`].
    pub fn resampled_hypervolume<R: AsRef<[f64]> + Sync>(
        &self,
        evaluations: &[Vec<R>],
        reference: &[f64],
    ) -> Result<Resampled, ParetoError> {
        let table = Table::new(evaluations, reference)?;
        let values = self.resampled(table.prompts, &|counts: &[f64]| table.volume(counts, reference))?;
        let value = table.volume(&vec![1.0; table.prompts], reference);
        Ok(Resampled { bootstrap: *self, prompts: table.prompts, value, values })
    }

    /// Returns by point the share of the resamples in which `choose` picks it by the points' means.
    ///
    /// `evaluations[point][prompt]` is the mean of each objective over the prompt's images, as in [`Bootstrap::hypervolume`]; `choose`
    /// gets `[point][objective]`, and may pick none.
    ///
    /// What it hides: the share is no confidence that the point is the right choice. Of two points that are equally good, each is picked in about half of
    /// the resamples.
    ///
    /// # Errors
    /// As [`Bootstrap::hypervolume`].
    pub fn selections<R: AsRef<[f64]> + Sync>(
        &self,
        evaluations: &[Vec<R>],
        choose: impl Fn(&[Vec<f64>]) -> Option<usize> + Sync,
    ) -> Result<Vec<f64>, ParetoError> {
        let objectives = evaluations.first().and_then(|point| point.first()).map_or(0, |row| row.as_ref().len());
        let table = Table::new(evaluations, &vec![0.0; objectives])?;
        let picks = self.resampled(table.prompts, &|counts: &[f64]| choose(&table.means(counts, objectives)))?;
        let mut counts = vec![0usize; evaluations.len()];
        picks.into_iter().flatten().for_each(|pick| counts[pick] += 1);
        Ok(counts.into_iter().map(|count| count as f64 / self.resamples as f64).collect())
    }

    /// Returns any statistic of prompts with its interval; it is given how often each prompt was drawn.
    ///
    /// The interval is made as in [`Bootstrap::hypervolume`]. What it hides: it is no studentised interval, and too narrow for statistics that are close to a limit of theirs.
    ///
    /// # Errors
    /// No prompts, and impossible settings.
    pub fn statistic(&self, prompts: usize, statistic: impl Fn(&[f64]) -> f64 + Sync) -> Result<Interval, ParetoError> {
        self.spread(prompts, statistic)
    }

    /// Returns a statistic with the interval that its resamples' spread gives.
    fn spread(&self, prompts: usize, statistic: impl Fn(&[f64]) -> f64 + Sync) -> Result<Interval, ParetoError> {
        let values = self.resampled(prompts, &statistic)?;
        let mean = statistic(&vec![1.0; prompts]);
        Ok(self.interval(prompts, mean, &values))
    }

    fn interval(&self, prompts: usize, mean: f64, values: &[f64]) -> Interval {
        if values.iter().all(|value| value.total_cmp(&mean).is_eq()) {
            // Whatever is drawn, it stays: the same set on both sides, or nothing above the reference.
            return Interval::exact(mean);
        }
        if prompts < self.fewest {
            return Interval::unbounded(mean);
        }
        let centre = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64;
        let freedom = (prompts - 1) as f64;
        let error = (square * prompts as f64 / freedom).sqrt();
        let half = student_quantile(f64::midpoint(1.0, self.level), freedom) * error;
        let excess = centre - mean;
        Interval { mean, lo: mean - excess.max(0.0) - half, hi: mean - excess.min(0.0) + half }
    }

    /// Returns the statistic of each resample.
    fn resampled<T: Send>(
        &self,
        prompts: usize,
        statistic: &(impl Fn(&[f64]) -> T + Sync),
    ) -> Result<Vec<T>, ParetoError> {
        self.check(prompts)?;
        let draw = |counts: &mut Vec<f64>, number: usize| {
            let mut stream = Stream::new(self.seed, number as u64);
            draw_counts(&mut stream, prompts, prompts, counts);
            statistic(counts)
        };
        Ok((0..self.resamples).into_par_iter().map_init(Vec::new, draw).collect())
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

/// A number with its value in every resample of one [`Bootstrap`]: numbers over the same prompts are drawn together, and their sums and
/// differences keep what they have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    bootstrap: Bootstrap,
    prompts: usize,
    value: f64,
    values: Vec<f64>,
}

impl Resampled {
    /// Returns the number from all the data, with the interval of [`Bootstrap::hypervolume`].
    pub fn interval(&self) -> Interval {
        self.bootstrap.interval(self.prompts, self.value, &self.values)
    }

    /// Returns Σ factor · number, resample by resample; nothing of no terms.
    ///
    /// # Errors
    /// Numbers over other prompts, or of another bootstrap.
    pub fn combined(terms: &[(f64, &Self)]) -> Result<Option<Self>, ParetoError> {
        let Some((_, first)) = terms.first() else { return Ok(None) };
        let mut sum = Self { value: 0.0, values: vec![0.0; first.values.len()], ..**first };
        for (factor, term) in terms {
            paired(first.prompts, term.prompts)?;
            if term.bootstrap != first.bootstrap {
                let value = term.bootstrap.seed as f64;
                return Err(ParetoError::Setting {
                    what: "the seed of a resampled number",
                    value,
                    wanted: "that of all",
                });
            }
            sum.value += factor * term.value;
            for (sum, value) in sum.values.iter_mut().zip(&term.values) {
                *sum += factor * value;
            }
        }
        Ok(Some(sum))
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
        volume_above(&self.means(counts, reference.len()), reference)
    }

    /// Returns the mean of each objective over the prompts as often as each counts, by point.
    fn means(&self, counts: &[f64], dims: usize) -> Vec<Vec<f64>> {
        let mean = |values: &Vec<f64>| {
            let mut mean = vec![0.0; dims];
            for (row, count) in values.chunks_exact(dims).zip(counts) {
                for (sum, value) in mean.iter_mut().zip(row) {
                    *sum += count * value;
                }
            }
            mean.iter().map(|sum| sum / self.prompts as f64).collect()
        };
        self.points.iter().map(mean).collect()
    }
}

fn paired(left: usize, right: usize) -> Result<(), ParetoError> {
    if left != right {
        return Err(ParetoError::Unpaired { left, right });
    }
    Ok(())
}
