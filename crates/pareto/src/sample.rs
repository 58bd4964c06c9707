//! The values of a column, one for each prompt, with what is known of them beforehand.

use crate::{Interval, ParetoError, check};

/// The fewest prompts from which an interval is drawn by resampling.
///
/// `benches/coverage.rs` finds it: from here on all intervals hold at their stated rate, on the scores of the built-in rewards and
/// on skewed distributions of which one prompt in twenty shows the rare side (docs/decisions/009).
pub const FEWEST_PROMPTS: usize = 64;

/// The fewest prompts from which it is claimed that a mean is above or below 0.
///
/// The same simulation finds it: claims hold at their rate sooner than intervals, as what is too rare to be seen widens no
/// interval, and seldom turns the sign of a mean.
pub const FEWEST_CLAIMED: usize = 32;

/// The fewest prompts that must differ from the commonest value for a column to be resampled.
///
/// A resample misses all of k such prompts with probability about e⁻ᵏ, and then knows nothing of the spread: with 10 that
/// happens once in 20,000 resamples.
pub const FEWEST_VARYING: usize = 10;

/// The mean of each prompt's images by one reward or judge, or their differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// One value for each prompt. Every prompt weighs the same, however many images it has.
    pub values: &'a [f64],
    /// The least and the greatest value that there can be, where that is known. With it there is a bound even where
    /// resampling gives none.
    pub range: Option<[f64; 2]>,
}

impl<'a> Sample<'a> {
    /// Returns values whose range is not known.
    pub fn new(values: &'a [f64]) -> Self {
        Self { values, range: None }
    }

    /// Returns values that lie in a range, or may lie anywhere.
    pub fn within(values: &'a [f64], range: Option<[f64; 2]>) -> Self {
        Self { values, range }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Returns the standard deviation, n − 1 in the denominator.
    pub(crate) fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / self.values.len().saturating_sub(1).max(1) as f64).sqrt()
    }

    /// Returns whether there are prompts enough, and different enough, for resampling to say how sure the mean is.
    ///
    /// - `fewest`: the fewest prompts, [`FEWEST_PROMPTS`] for intervals that are printed
    pub fn can_be_resampled(&self, fewest: usize) -> bool {
        self.values.len() >= fewest && varying(self.values) >= FEWEST_VARYING.min(fewest)
    }

    /// Returns Hoeffding's bound on the mean (1963): mean ± R·√(s·ln(2/δ)/2), cut to the range, of width R; both ends are
    /// infinite where no range is known.
    ///
    /// It holds for every distribution in the range, whatever the number of prompts, and is wide.
    ///
    /// - `share`: s, 1/n for the mean of all prompts, 1/n + 1/m for the mean of m other prompts
    /// - `risk`: δ, the probability with which the bound may fail
    pub(crate) fn hoeffding(&self, share: f64, risk: f64) -> Interval {
        let mean = self.mean();
        let Some([least, greatest]) = self.range else { return Interval::unbounded(mean) };
        let half = (greatest - least) * (share * (2.0 / risk).ln() / 2.0).sqrt();
        Interval { mean, lo: (mean - half).max(least), hi: (mean + half).min(greatest) }
    }

    pub(crate) fn check(&self, index: usize) -> Result<(), ParetoError> {
        check::not_empty("the list of prompts", self.values)?;
        if let Some(objective) = self.values.iter().position(|value| !value.is_finite()) {
            let value = self.values[objective];
            return Err(ParetoError::NotFinite { what: "prompt", index: objective, objective: index, value });
        }
        match self.range {
            Some([min, max]) if min.is_nan() || max.is_nan() || min >= max => {
                Err(ParetoError::Range { objective: index, min, max })
            }
            _ => Ok(()),
        }
    }
}

/// Returns how many values differ from the commonest one. Values that rounding alone keeps apart count as one.
fn varying(values: &[f64]) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let slack = 1e-12 * sorted.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let mut longest = 0;
    let mut start = 0;
    for end in 0..sorted.len() {
        if end > start && sorted[end] - sorted[end - 1] > slack {
            start = end;
        }
        longest = longest.max(end + 1 - start);
    }
    values.len() - longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_commonest_value_is_counted() {
        assert_eq!(varying(&[1.0; 5]), 0);
        assert_eq!(varying(&[1.0, 0.0, 1.0, 0.5, 1.0]), 2);
        assert_eq!(varying(&[0.1 + 0.2, 0.3, 0.3]), 0, "rounding is no variation");
        assert_eq!(varying(&[0.0, 0.0, 1.0]), 1);
    }

    #[test]
    fn hoeffding_is_its_formula_cut_to_the_range() {
        let values = [0.5; 200];
        let bound = Sample::within(&values, Some([0.0, 2.0])).hoeffding(1.0 / 200.0, 0.05);
        let half = 2.0 * (40.0_f64.ln() / 400.0).sqrt();
        assert!((bound.hi - 0.5 - half).abs() < 1e-12 && (bound.lo - (0.5 - half)).abs() < 1e-12, "{bound:?}");
        let few = Sample::within(&values[..2], Some([0.0, 2.0])).hoeffding(0.5, 0.05);
        assert_eq!((few.lo, few.hi), (0.0, 2.0));
        assert!(!Sample::new(&values).hoeffding(0.1, 0.05).is_bounded());
    }
}
