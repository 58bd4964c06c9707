//! The exact mean of ΔW (Ramé et al., Rewarded soups, 2306.04488).

use rayon::prelude::*;

use super::{Parts, concatenate};
use crate::{Adapter, AdapterLayer};

/// Returns the mean: of layers whose adapters share A, A with the mean of the B_k at their own rank; of others by concatenation. Exact to
/// the rounding of one product in single precision.
pub(super) fn mean(parts: &Parts<'_>) -> Adapter {
    let layer = |name: &&str| {
        let own = parts.layers(name);
        let (first, share) = own[0];
        let shares_a = own.iter().all(|(layer, _)| {
            std::ptr::eq(*layer, first) || layer.rank == first.rank && layer.same_shape(first) && layer.a == first.a
        });
        if !shares_a {
            return ((*name).to_owned(), concatenate::layer(&own));
        }
        // One adapter alone keeps its bits: its factor is 1.
        let factors = own.iter().map(|(layer, share)| share * layer.scale() / first.scale());
        let factors: Vec<f64> = if own.len() == 1 { vec![share] } else { factors.collect() };
        let mut sums = vec![0.0f64; first.b.len()];
        for ((layer, _), factor) in own.iter().zip(&factors) {
            sums.iter_mut().zip(&layer.b).for_each(|(sum, value)| *sum += factor * f64::from(*value));
        }
        let b = sums.into_iter().map(|sum| sum as f32).collect();
        ((*name).to_owned(), AdapterLayer { b, ..first.clone() })
    };
    let names: Vec<&str> = parts.layer_names().collect();
    let layers = names.par_iter().map(layer).collect();
    Adapter { differences: parts.sum_of_differences(), ..Adapter::of_layers(parts.precision(), layers) }
}
