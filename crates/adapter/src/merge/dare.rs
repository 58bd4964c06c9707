//! DARE: drop entries at random and rescale the rest (Yu et al., 2311.03099).

use moa_core::NoiseKey;

use super::{MajoritySign, linear, ties};

/// Which entries stay.
#[derive(Clone, Copy)]
pub(super) struct Dropping {
    /// The probability that an entry stays.
    pub(super) density: f64,
    /// What decides which.
    pub(super) key: NoiseKey,
}

impl Dropping {
    /// Returns each tensor with entries dropped independently, and the others divided by the density, so that every
    /// entry keeps its expectation.
    fn apply(self, tensors: &[&[f32]]) -> Vec<Vec<f32>> {
        let kept = |(place, tensor): (usize, &&[f32])| -> Vec<f32> {
            let key = self.key.with(place as u64);
            let keep = |index: usize| key.uniform(index as u64) < self.density;
            let entry = |(index, value): (usize, &f32)| if keep(index) { value / self.density as f32 } else { 0.0 };
            tensor.iter().enumerate().map(entry).collect()
        };
        tensors.iter().enumerate().map(kept).collect()
    }
}

/// Returns Σ w_k·drop(t_k).
pub(super) fn linear(tensors: &[&[f32]], weights: &[f32], dropping: Dropping) -> Vec<f32> {
    let dropped = dropping.apply(tensors);
    let dropped: Vec<&[f32]> = dropped.iter().map(Vec::as_slice).collect();
    linear::sum(&dropped, weights)
}

/// Returns what agrees in sign among the tensors left after dropping.
pub(super) fn ties(tensors: &[&[f32]], weights: &[f32], dropping: Dropping, majority: MajoritySign) -> Vec<f32> {
    ties::agreeing(&dropping.apply(tensors), weights, majority)
}
