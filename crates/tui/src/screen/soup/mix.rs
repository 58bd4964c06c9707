//! Shares of corners that sum to one.

use moa_core::RunId;

/// A share of one, in percent.
pub(super) const WHOLE: u32 = 100;

/// The shares of corners in percent. They sum to 100, so that a share is a number of two decimals, and the same number when
/// it is written out and read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    percent: Vec<u32>,
}

impl Mix {
    /// Returns equal shares of `count` corners.
    pub(super) fn equal(count: usize) -> Self {
        Self::near(&vec![1.0; count])
    }

    /// Returns the shares closest to weights that are not negative, by largest remainders.
    pub(super) fn near(weights: &[f64]) -> Self {
        Self { percent: apportion(WHOLE, weights) }
    }

    /// Returns the percents.
    pub(super) fn percent(&self) -> &[u32] {
        &self.percent
    }

    /// Returns the shares.
    pub(super) fn shares(&self) -> Vec<f64> {
        self.percent.iter().map(|percent| f64::from(*percent) / f64::from(WHOLE)).collect()
    }

    /// Gives one corner a share; the others keep their proportions, which `memory` tells where all of them are 0.
    pub(super) fn set(&mut self, index: usize, percent: u32, memory: &[f64]) {
        let percent = if self.percent.len() == 1 { WHOLE } else { percent.min(WHOLE) };
        let own = |weights: Vec<f64>| -> Vec<f64> {
            weights.into_iter().enumerate().map(|(place, weight)| if place == index { 0.0 } else { weight }).collect()
        };
        let mut others = own(self.percent.iter().map(|percent| f64::from(*percent)).collect());
        if others.iter().sum::<f64>() <= 0.0 {
            others = own(memory.to_vec());
        }
        if others.iter().sum::<f64>() <= 0.0 {
            others = own(vec![1.0; self.percent.len()]);
        }
        let mut shares = apportion(WHOLE - percent, &others);
        shares[index] = percent;
        self.percent = shares;
    }

    /// Returns the soup in words: "60 % aesthetics + 40 % safety".
    pub(super) fn describe(&self, corners: &[RunId]) -> String {
        let parts = corners.iter().zip(&self.percent).filter(|(_, percent)| **percent > 0);
        parts.map(|(id, percent)| format!("{percent} % {id}")).collect::<Vec<_>>().join(" + ")
    }
}

/// Divides `whole` in proportion to weights.
fn apportion(whole: u32, weights: &[f64]) -> Vec<u32> {
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 || weights.is_empty() {
        return vec![0; weights.len()];
    }
    let exact: Vec<f64> = weights.iter().map(|weight| f64::from(whole) * weight / sum).collect();
    let mut parts: Vec<u32> = exact.iter().map(|part| part.floor() as u32).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| (exact[*b] - exact[*b].floor()).total_cmp(&(exact[*a] - exact[*a].floor())));
    let rest = whole.saturating_sub(parts.iter().sum()) as usize;
    order.into_iter().cycle().take(rest).for_each(|place| parts[place] += 1);
    parts
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
