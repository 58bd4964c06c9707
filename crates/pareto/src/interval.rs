//! An estimate with its uncertainty.

use crate::student::student_quantile;

/// A number with the ends of its confidence interval, in the number's unit.
///
/// An end that cannot be given is infinite: nothing is claimed on that side. See [`Interval::unbounded`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate from all the data.
    pub mean: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Interval {
    /// Returns an interval of no width: a number known exactly.
    pub fn exact(value: f64) -> Self {
        Self { mean: value, lo: value, hi: value }
    }

    /// Returns an estimate of which nothing more is claimed: both ends are infinite.
    pub fn unbounded(mean: f64) -> Self {
        Self { mean, lo: f64::NEG_INFINITY, hi: f64::INFINITY }
    }

    /// Returns the mean of independent repeats with Student's interval, x̄ ± t·s/√n; the ends of a single one are infinite. Nothing of no
    /// repeats.
    ///
    /// Limits: the repeats are assumed to be normal, which cannot be checked with few of them.
    ///
    /// - `level`: the share of such intervals that hold the mean over all repeats, between 0 and 1
    pub fn of_repeats(values: &[f64], level: f64) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        match values.len() {
            0 => None,
            1 => Some(Self::unbounded(mean)),
            _ => {
                let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
                let half = student_quantile(f64::midpoint(1.0, level), count - 1.0) * (variance / count).sqrt();
                Some(Self { mean, lo: mean - half, hi: mean + half })
            }
        }
    }

    /// Returns whether both ends are known.
    pub fn is_bounded(&self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    /// Returns half the interval's width; none where an end is not known.
    pub fn half_width(&self) -> Option<f64> {
        self.is_bounded().then(|| (self.hi - self.lo) / 2.0)
    }

    /// Returns an interval as wide as this one around another mean.
    pub fn around(self, mean: f64) -> Self {
        Self { mean, lo: mean + self.lo - self.mean, hi: mean + self.hi - self.mean }
    }

    /// Returns whether the whole interval lies above `value`: for a difference and 0, whether the gain is beyond
    /// doubt.
    pub fn is_above(&self, value: f64) -> bool {
        self.lo > value
    }

    /// Returns whether the whole interval lies below `value`.
    pub fn is_below(&self, value: f64) -> bool {
        self.hi < value
    }

    /// Returns 1 where the whole interval lies above 0, −1 where it lies below, and 0 where it includes 0.
    pub fn sign(&self) -> i8 {
        i8::from(self.is_above(0.0)) - i8::from(self.is_below(0.0))
    }

    /// Returns whether `value` lies in the interval.
    pub fn contains(&self, value: f64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }
}
