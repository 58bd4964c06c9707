//! Plain averaging of the factors, and the frame of every method that works on A and B each for itself.

use rayon::prelude::*;

use super::{Combine, Merge, MergeError, Parts, svd};
use crate::{Adapter, AdapterLayer};

/// Returns Σ w_k·t_k, entry by entry.
pub(super) fn sum(tensors: &[&[f32]], weights: &[f32]) -> Vec<f32> {
    let mut total = vec![0.0f32; tensors.first().map_or(0, |tensor| tensor.len())];
    for (tensor, weight) in tensors.iter().zip(weights) {
        total.iter_mut().zip(*tensor).for_each(|(total, value)| *total += weight * value);
    }
    total
}

/// Combines the A of all adapters, and the B, each with weights √(λ_k·α_k/r_k), as peft does.
///
/// The product of two sums is not the sum of the products: besides λ_k·ΔW_k there are cross terms √(λ_j·λ_k)·B_j·A_k, so
/// that even equal adapters come out too large (by K for K adapters with equal shares).
///
/// Layers whose factors don't have the same rank in all adapters, and those with a difference in one, are combined as ΔW: brought back to
/// the largest rank, or left as the differences that they are.
pub(super) fn factorwise(parts: &Parts<'_>, merge: &Merge, combine: &Combine<'_>) -> Result<Adapter, MergeError> {
    parts.not_negative()?;
    let all: Vec<&str> = parts.weights().collect();
    let (by_factors, others): (Vec<_>, Vec<_>) =
        all.into_iter().enumerate().partition(|(_, name)| parts.has_equal_factors(name));
    let layer = |(place, name): &(usize, &str)| {
        let own = parts.layers(name);
        let (first, _) = own[0];
        let weights: Vec<f32> = own.iter().map(|(layer, share)| (share * layer.scale()).sqrt() as f32).collect();
        let a: Vec<&[f32]> = own.iter().map(|(layer, _)| &layer.a[..]).collect();
        let b: Vec<&[f32]> = own.iter().map(|(layer, _)| &layer.b[..]).collect();
        let place = 2 * *place as u64;
        let (a, b) = (combine(&a, &weights, place), combine(&b, &weights, place + 1));
        ((*name).to_owned(), AdapterLayer { alpha: first.rank as f32, a, b, ..first.clone() })
    };
    let mut adapter = Adapter::of_layers(parts.precision(), by_factors.par_iter().map(layer).collect());
    svd::combine_deltas(parts, merge, &others, combine, &mut adapter);
    adapter.differences.extend(parts.combined_vectors(combine));
    Ok(adapter)
}
