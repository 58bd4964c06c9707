//! Weightings: points on the simplex of rewards.

use serde::{Deserialize, Serialize};

/// One share per reward of the experiment, in the experiment's order: non-negative, summing to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Weighting(Vec<f64>);

/// Why numbers are no weighting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightingError {
    /// There is no share at all.
    #[error("a weighting needs at least one share")]
    Empty,
    /// A share is negative, infinite or not a number.
    #[error("share {index} is {value}: shares must be finite and not negative")]
    Invalid {
        /// Position of the offending share.
        index: usize,
        /// The offending share.
        value: f64,
    },
    /// All shares are zero.
    #[error("the shares sum to 0: give at least one reward a positive share")]
    ZeroSum,
}

impl Weighting {
    /// Returns the weighting proportional to `shares`.
    ///
    /// # Errors
    /// Refuses an empty list, shares that are negative or not finite, and shares that sum to 0.
    pub fn new(shares: Vec<f64>) -> Result<Self, WeightingError> {
        if shares.is_empty() {
            return Err(WeightingError::Empty);
        }
        if let Some(index) = shares.iter().position(|share| !share.is_finite() || *share < 0.0) {
            return Err(WeightingError::Invalid { index, value: shares[index] });
        }
        let sum: f64 = shares.iter().sum();
        if sum <= 0.0 {
            return Err(WeightingError::ZeroSum);
        }
        // A sum that is 1 already is left alone, so that a stored weighting reads back bit for bit.
        if (sum - 1.0).abs() < 1e-12 {
            return Ok(Self(shares));
        }
        Ok(Self(shares.into_iter().map(|share| share / sum).collect()))
    }

    /// Returns the corner that gives everything to reward `index` of `count`.
    pub fn corner(index: usize, count: usize) -> Self {
        Self((0..count).map(|i| if i == index { 1.0 } else { 0.0 }).collect())
    }

    /// Returns the shares, in the order of the experiment's rewards.
    pub fn shares(&self) -> &[f64] {
        &self.0
    }

    /// Returns the reward that holds the whole share, if there is one.
    pub fn corner_index(&self) -> Option<usize> {
        self.0.iter().position(|share| (share - 1.0).abs() < 1e-9)
    }
}

impl TryFrom<Vec<f64>> for Weighting {
    type Error = WeightingError;

    fn try_from(shares: Vec<f64>) -> Result<Self, Self::Error> {
        Self::new(shares)
    }
}

impl From<Weighting> for Vec<f64> {
    fn from(weighting: Weighting) -> Self {
        weighting.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_normalised_and_impossible_ones_refused() {
        assert_eq!(Weighting::new(vec![1.0, 3.0]).map(|w| w.shares().to_vec()), Ok(vec![0.25, 0.75]));
        assert_eq!(Weighting::new(vec![]), Err(WeightingError::Empty));
        assert_eq!(Weighting::new(vec![0.0, 0.0]), Err(WeightingError::ZeroSum));
        assert_eq!(Weighting::new(vec![1.0, -0.5]), Err(WeightingError::Invalid { index: 1, value: -0.5 }));
        assert!(matches!(Weighting::new(vec![f64::NAN]), Err(WeightingError::Invalid { .. })));
    }

    #[test]
    fn corners_are_recognised() {
        assert_eq!(Weighting::corner(2, 4).corner_index(), Some(2));
        assert_eq!(Weighting::new(vec![1.0, 1.0]).map(|w| w.corner_index()), Ok(None));
    }
}
