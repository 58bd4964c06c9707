//! An estimate with its uncertainty.

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

    /// Returns whether `value` lies in the interval.
    pub fn contains(&self, value: f64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }
}
