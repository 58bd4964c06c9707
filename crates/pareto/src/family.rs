//! Many claims that means are above or below 0, all at once.

use rayon::prelude::*;

use crate::draws::{Deviations, counts, upper_quantile};
use crate::random::Stream;
use crate::{Bootstrap, FEWEST_CLAIMED, Interval, ParetoError, Sample};

/// A column of differences over some of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Covered {
    /// The prompts' places, rising; nothing where the column has a value for every prompt.
    pub places: Option<Vec<usize>>,
    /// One value for each of these prompts.
    pub values: Vec<f64>,
}

impl Covered {
    /// Returns a column with a value for every prompt.
    pub fn all(values: Vec<f64>) -> Self {
        Self { places: None, values }
    }
}

/// How far each of many means lies from 0, and how far the farthest of them would lie if all were 0.
///
/// Claims "the mean of column c over all prompts is above 0" and "is below 0" are tested together: column c has
/// t_c = x̄_c / (s_c/√n_c), and resample r the maximum over all columns of |x̄*_c − x̄_c| / (s*_c/√n*_c), drawn with the same
/// prompts for all (max-t; Westfall & Young, 1993). If every claim is made whose t_c, or −t_c, is above the level's
/// quantile of the maxima, the probability that one or more of them is false is at most 1 − level, however many columns there are and however
/// they hang together.
///
/// Of columns that [cannot be resampled](Sample::can_be_resampled) nothing is claimed, nor of fewer than [`FEWEST_CLAIMED`] prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    columns: Vec<Tested>,
    /// The maxima, sorted.
    maxima: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Tested {
    mean: f64,
    /// The standard error; none of what cannot be resampled.
    error: Option<f64>,
}

impl Family {
    /// Returns with which confidence it can be claimed that a column's mean is above 0, all claims that reach as much taken
    /// together: the share of the resamples whose maximum lies below t_c. 0 where nothing can be claimed.
    pub fn above(&self, column: usize) -> f64 {
        let Tested { mean, error: Some(error) } = self.columns[column] else { return 0.0 };
        self.share_below(mean / error)
    }

    /// Returns the same for the claim that a column's mean is below 0.
    pub fn below(&self, column: usize) -> f64 {
        let Tested { mean, error: Some(error) } = self.columns[column] else { return 0.0 };
        self.share_below(-mean / error)
    }

    fn share_below(&self, t: f64) -> f64 {
        self.maxima.partition_point(|maximum| *maximum < t) as f64 / (self.maxima.len() + 1) as f64
    }

    /// Returns a column's mean with its lower bound at a level, all bounds at once; the upper end is infinite.
    pub fn lower_bound(&self, column: usize, level: f64) -> Interval {
        let Tested { mean, error } = self.columns[column];
        let half = error.map_or(f64::INFINITY, |error| upper_quantile(&self.maxima, level) * error);
        Interval { lo: mean - half, ..Interval::unbounded(mean) }
    }

    /// Returns a column's mean with its upper bound at a level, all bounds at once; the lower end is infinite.
    pub fn upper_bound(&self, column: usize, level: f64) -> Interval {
        let bound = self.lower_bound(column, level);
        Interval { hi: 2.0 * bound.mean - bound.lo, ..Interval::unbounded(bound.mean) }
    }
}

impl Bootstrap {
    /// Returns how sure it is of each column that its mean is above 0, all at once; see [`Family`].
    ///
    /// - `prompts`: how many there are; columns may have values for some of them
    ///
    /// # Errors
    /// No prompts, columns that do not fit them, numbers that are not finite, and impossible settings. No columns are no error:
    /// a family without claims.
    pub fn family(&self, prompts: usize, columns: &[Covered]) -> Result<Family, ParetoError> {
        self.check(prompts)?;
        let mut tested = Vec::with_capacity(columns.len());
        let mut resampled = Vec::new();
        for (index, Covered { places, values }) in columns.iter().enumerate() {
            let sample = Sample::new(values);
            sample.check(index)?;
            let expected = places.as_ref().map_or(prompts, Vec::len);
            let outside = places.iter().flatten().any(|place| *place >= prompts);
            if values.len() != expected || outside {
                return Err(ParetoError::Dimension { what: "column", index, found: values.len(), expected });
            }
            let known = sample.can_be_resampled(self.fewest.min(FEWEST_CLAIMED));
            tested.push(Tested {
                mean: sample.mean(),
                error: known.then(|| sample.deviation() / (values.len() as f64).sqrt()),
            });
            if known {
                resampled.push(match places {
                    None => Deviations::of(values),
                    Some(places) => Deviations::over(places, values, prompts),
                });
            }
        }
        let maximum = |drawn: &mut Vec<f64>, number: usize| {
            counts(&mut Stream::new(self.seed, number as u64), prompts, prompts, drawn);
            let distance = |column: &Deviations| {
                let drawn = column.drawn(drawn);
                drawn.in_errors(drawn.mean, 1.0 / drawn.count).abs()
            };
            resampled.iter().map(distance).fold(0.0, f64::max)
        };
        let mut maxima: Vec<f64> = (0..self.resamples).into_par_iter().map_init(Vec::new, maximum).collect();
        maxima.sort_unstable_by(f64::total_cmp);
        Ok(Family { columns: tested, maxima })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` columns of noise about 0, skewed, over `prompts` prompts.
    fn noise(seed: u64, count: usize, prompts: usize) -> Vec<Covered> {
        let mut stream = Stream::new(99, seed);
        let mut column = || (0..prompts).map(|_| stream.normal().exp() - 0.5_f64.exp()).collect();
        (0..count).map(|_| Covered::all(column())).collect()
    }

    #[test]
    fn of_columns_of_noise_something_is_claimed_no_more_often_than_stated() {
        let trials = 300;
        let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::seeded(3) };
        let claimed = (0..trials).filter(|trial| {
            let columns = noise(*trial, 20, 48);
            let family = bootstrap.family(48, &columns).unwrap();
            (0..20).any(|column| family.above(column) >= 0.95)
        });
        let claimed = claimed.count();
        // Twenty tests at 5 % each would claim something in 64 % of the trials; three standard errors are 3.8 %.
        assert!(claimed <= 26, "{claimed} of {trials}");
    }

    #[test]
    fn what_is_above_0_is_found_among_noise_and_on_some_of_the_prompts() {
        let mut columns = noise(5, 20, 64);
        let places: Vec<usize> = (0..64).filter(|place| place % 2 == 0).collect();
        let values = places.iter().map(|place| 1.0 + 0.1 * (*place as f64).sin()).collect();
        columns.push(Covered { places: Some(places), values });
        let family = Bootstrap::default().family(64, &columns).unwrap();
        assert!(family.above(20) > 0.99);
        let bound = family.lower_bound(20, 0.95);
        assert!(bound.lo > 0.5 && bound.lo < bound.mean && bound.hi == f64::INFINITY, "{bound:?}");
    }

    #[test]
    fn nothing_is_claimed_of_what_does_not_vary_and_it_does_not_spoil_the_rest() {
        let mut columns = noise(5, 1, 64);
        for value in &mut columns[0].values {
            *value += 5.0;
        }
        columns.push(Covered::all(vec![0.3; 64]));
        columns.push(Covered::all((0..64).map(|place| f64::from(u8::from(place == 0))).collect()));
        let family = Bootstrap::default().family(64, &columns).unwrap();
        assert!(family.above(0) > 0.99);
        assert!(family.above(1) <= 0.0 && family.above(2) <= 0.0);
        assert!(Bootstrap::default().family(64, &[]).is_ok());
        assert!(Bootstrap::default().family(63, &columns).is_err());
    }
}
