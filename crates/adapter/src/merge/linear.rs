//! Plain averaging of the factors, and the frame of every method that works on A and B each for itself.

use rayon::prelude::*;

use super::{MergeError, Parts};
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
/// - `combine`: takes the tensors, their weights, and a number that differs for every factor of every layer
pub(super) fn factorwise(
    parts: &Parts<'_>,
    combine: impl Fn(&[&[f32]], &[f32], u64) -> Vec<f32> + Sync,
) -> Result<Adapter, MergeError> {
    parts.not_negative()?;
    let rank = parts.parts[0].adapter.rank;
    if let Some(index) = parts.parts.iter().position(|part| part.adapter.rank != rank) {
        return Err(MergeError::Rank { index, found: parts.parts[index].adapter.rank, wanted: rank });
    }
    let names: Vec<(&&str, &[usize; 2])> = parts.widths.iter().collect();
    let layers = names
        .into_par_iter()
        .enumerate()
        .map(|(place, (name, [d_in, d_out]))| {
            let bending = || parts.parts.iter().filter_map(|part| Some((part, part.adapter.layers.get(*name)?)));
            let weights: Vec<f32> = bending().map(|(part, _)| (part.share * part.scale()).sqrt() as f32).collect();
            let a: Vec<&[f32]> = bending().map(|(_, layer)| &layer.a[..]).collect();
            let b: Vec<&[f32]> = bending().map(|(_, layer)| &layer.b[..]).collect();
            let place = 2 * place as u64;
            let layer = AdapterLayer {
                d_in: *d_in,
                d_out: *d_out,
                a: combine(&a, &weights, place),
                b: combine(&b, &weights, place + 1),
            };
            ((*name).to_owned(), layer)
        })
        .collect();
    Ok(Adapter { rank, alpha: rank as f32, precision: parts.precision(), layers })
}
