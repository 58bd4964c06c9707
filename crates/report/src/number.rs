//! Numbers as the page has them: short, and nothing where they are not finite.

use moa_pareto::Interval;
use serde::{Serialize, Serializer};

/// Returns a number with six significant digits; nothing where it is not finite.
pub(crate) fn short(value: f64) -> Option<f64> {
    // What {:e} writes is read back as a number.
    value.is_finite().then(|| format!("{value:.5e}").parse().unwrap_or(value))
}

/// An estimate: `[mean, lo, hi]`, and `null` for an end that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate(pub(crate) Interval);

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Interval { mean, lo, hi }) = *self;
        [mean, lo, hi].map(short).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_short_and_open_ends_are_null() {
        let json = |interval| serde_json::to_string(&Estimate(interval)).unwrap();
        assert_eq!(json(Interval { mean: 1.0 / 3.0, lo: -1234.5678, hi: 1e-9 }), "[0.333333,-1234.57,1e-9]");
        assert_eq!(json(Interval::unbounded(0.5)), "[0.5,null,null]");
    }
}
