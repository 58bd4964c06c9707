//! Shares of corners that sum to one.

use moa_analysis::apportion;
use moa_core::RunId;

/// A share of one, in percent.
pub(super) const WHOLE: u32 = 100;

/// The shares of corners in percent. They sum to 100, so that a share is a number of two decimals, and the same number when
/// it is written out and read again. Beside them the weights that they were rounded from: rounding does not add up while one slider after the other
/// is moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mix {
    percent: Vec<u32>,
    weights: Vec<f64>,
}

impl Mix {
    /// Returns equal shares of `count` corners.
    pub(super) fn equal(count: usize) -> Self {
        Self::near(&vec![1.0; count])
    }

    /// Returns the shares closest to weights that are not negative, by largest remainders.
    pub(super) fn near(weights: &[f64]) -> Self {
        Self { percent: divide(WHOLE, weights), weights: weights.to_vec() }
    }

    /// Returns the percents.
    pub(super) fn percent(&self) -> &[u32] {
        &self.percent
    }

    /// Returns the shares.
    pub(super) fn shares(&self) -> Vec<f64> {
        self.percent.iter().map(|percent| f64::from(*percent) / f64::from(WHOLE)).collect()
    }

    /// Returns the weights that the shares were rounded from.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Gives one corner a share, exactly; the others keep their proportions, which `memory` tells where all of them are 0.
    pub(super) fn set(&mut self, index: usize, percent: u32, memory: &[f64]) {
        let percent = if self.percent.len() == 1 { WHOLE } else { percent.min(WHOLE) };
        let own = |weights: &[f64]| -> Vec<f64> {
            weights.iter().enumerate().map(|(place, weight)| if place == index { 0.0 } else { *weight }).collect()
        };
        let equal = vec![1.0; self.percent.len()];
        let candidates = [own(&self.weights), own(memory), own(&equal)];
        let found = candidates.into_iter().find(|weights| weights.iter().sum::<f64>() > 0.0);
        // A single corner has no others.
        let mut weights = found.unwrap_or(equal);
        self.percent = divide(WHOLE - percent, &weights);
        self.percent[index] = percent;
        let sum: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight *= f64::from(WHOLE - percent) / sum;
        }
        weights[index] = f64::from(percent);
        self.weights = weights;
    }

    /// Returns the soup in words: "60 % aesthetics + 40 % safety".
    pub(super) fn describe(&self, corners: &[RunId]) -> String {
        let parts = corners.iter().zip(&self.percent).filter(|(_, percent)| **percent > 0);
        parts.map(|(id, percent)| format!("{percent} % {id}")).collect::<Vec<_>>().join(" + ")
    }
}

/// Divides percents in proportion to weights that are not negative.
fn divide(whole: u32, weights: &[f64]) -> Vec<u32> {
    apportion(whole, weights).into_iter().map(i32::unsigned_abs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_always_sum_to_a_hundred_and_others_keep_their_proportions() {
        let mut mix = Mix::near(&[0.5, 0.3, 0.2]);
        mix.set(0, 0, &[]);
        assert_eq!(mix.percent(), [0, 60, 40]);
        mix.set(0, 100, &[]);
        assert_eq!(mix.percent(), [100, 0, 0]);
        mix.set(0, 50, &[0.5, 0.3, 0.2]);
        assert_eq!(mix.percent(), [50, 30, 20]);
        for percent in 0..=100 {
            mix.set(1, percent, &[]);
            assert_eq!(mix.percent().iter().sum::<u32>(), 100);
        }
        assert_eq!(Mix::equal(3).percent(), [34, 33, 33]);
    }

    #[test]
    fn rounding_does_not_drift() {
        let mut mix = Mix::equal(3);
        mix.set(2, 0, &[]);
        assert_eq!(mix.percent(), [50, 50, 0], "a third each, and not 34 to 33");
        for wanted in [55, 60] {
            let here = mix.percent()[0];
            mix.set(0, here + 5, &[]);
            assert_eq!(mix.percent(), [wanted, 100 - wanted, 0]);
        }
        let mut mix = Mix::near(&[0.2, 0.6, 0.2]);
        (21..=100).chain((0..100).rev()).for_each(|percent| mix.set(0, percent, &[0.2, 0.6, 0.2]));
        mix.set(0, 20, &[]);
        assert_eq!(mix.percent(), [20, 60, 20], "after every step of the way");
    }

    #[test]
    fn a_share_is_the_number_that_its_text_is() {
        for percent in 0..=100u32 {
            let share = f64::from(percent) / 100.0;
            assert_eq!(format!("{share:.2}").parse::<f64>().unwrap().to_bits(), share.to_bits());
        }
    }

    #[test]
    fn a_single_corner_has_everything() {
        let mut mix = Mix::equal(1);
        mix.set(0, 30, &[]);
        assert_eq!(mix.percent(), [100]);
    }
}
