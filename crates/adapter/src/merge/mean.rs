//! The exact mean of ΔW (Ramé et al., Rewarded soups, 2306.04488).

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Parts, concatenate};
use crate::{Adapter, AdapterLayer};

/// Returns the mean: where the adapters share A and the adapted layers, A with the mean of the B_k, at their own rank;
/// else by concatenation. Exact to the rounding of one product in single precision.
pub(super) fn mean(parts: &Parts<'_>) -> Adapter {
    let first = &parts.parts[0];
    if !parts.parts.iter().all(|part| share_a(first.adapter, part.adapter)) {
        return concatenate::concatenate(parts);
    }
    let Adapter { rank, alpha, layers, .. } = first.adapter;
    // One adapter alone keeps its bits: its factor is 1.
    let factors: Vec<f64> = parts.parts.iter().map(|part| part.share * part.scale() / first.scale()).collect();
    let layers: BTreeMap<String, AdapterLayer> = layers
        .par_iter()
        .map(|(name, layer)| {
            let mut sums = vec![0.0f64; layer.b.len()];
            for (part, factor) in parts.parts.iter().zip(&factors) {
                let b = &part.adapter.layers[name].b;
                sums.iter_mut().zip(b).for_each(|(sum, value)| *sum += factor * f64::from(*value));
            }
            let b = sums.into_iter().map(|sum| sum as f32).collect();
            (name.clone(), AdapterLayer { b, ..layer.clone() })
        })
        .collect();
    Adapter { rank: *rank, alpha: *alpha, precision: parts.precision(), layers }
}

/// Returns whether two adapters adapt the same layers from the same A.
fn share_a(one: &Adapter, other: &Adapter) -> bool {
    std::ptr::eq(one, other)
        || one.rank == other.rank
            && one.layers.len() == other.layers.len()
            && one.layers.iter().zip(&other.layers).all(|((n, l), (m, k))| n == m && l.same_shape(k) && l.a == k.a)
}
