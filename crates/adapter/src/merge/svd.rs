//! Back to a rank by singular values: the nearest matrix of that rank in the Frobenius norm (Eckart & Young, 1936).

use faer::Mat;
use rayon::prelude::*;

use super::{Merge, MergeError, Parts};
use crate::{Adapter, AdapterLayer};

/// Returns the mean of ΔW at the wanted rank.
///
/// ΔW is never formed: with A = [A_1 … A_K] = Q_a·R_a and Bᵀ = [λ_k·B_k]ᵀ = Q_b·R_b, the singular values are those of the small
/// matrix R_a·R_bᵀ. In double precision, so that at full rank only the rounding of the result is lost.
pub(super) fn of_mean(parts: &Parts<'_>, merge: &Merge) -> Result<Adapter, MergeError> {
    let rank = wanted_rank(parts, merge);
    layers(parts, rank, |_, name, [d_in, d_out]| {
        let bending: Vec<(f64, usize, &AdapterLayer)> = parts
            .parts
            .iter()
            .filter_map(|part| Some((part.share * part.scale(), part.adapter.rank, part.adapter.layers.get(name)?)))
            .collect();
        // Which adapter, and which of its ranks, a column is.
        let columns: Vec<(usize, usize)> =
            bending.iter().enumerate().flat_map(|(k, (_, rank, _))| (0..*rank).map(move |r| (k, r))).collect();
        let a = Mat::<f64>::from_fn(d_in, columns.len(), |i, column| {
            let (k, r) = columns[column];
            let (_, rank, layer) = bending[k];
            f64::from(layer.a[i * rank + r])
        });
        let b = Mat::<f64>::from_fn(d_out, columns.len(), |j, column| {
            let (k, r) = columns[column];
            let (factor, _, layer) = bending[k];
            factor * f64::from(layer.b[r * d_out + j])
        });
        let (a, b) = (a.qr(), b.qr());
        let core = (a.thin_R() * b.thin_R().transpose()).thin_svd().ok()?;
        let left = a.compute_thin_Q() * core.U();
        let right = b.compute_thin_Q() * core.V();
        let values: Vec<f64> = core.S().column_vector().iter().copied().collect();
        Some(Triple { left, values, right })
    })
    .map(|adapter| clamped(adapter, merge.clamp))
}

/// Combines the ΔW_k of every layer by a rule, with weights λ_k, and brings the result back to the wanted rank.
///
/// - `combine`: takes the tensors, their weights, and a number that differs for every layer
pub(super) fn of_deltas(
    parts: &Parts<'_>,
    merge: &Merge,
    combine: impl Fn(&[&[f32]], &[f32], u64) -> Vec<f32> + Sync,
) -> Result<Adapter, MergeError> {
    let rank = wanted_rank(parts, merge);
    layers(parts, rank, |place, name, [d_in, d_out]| {
        let bending = || parts.parts.iter().filter_map(|part| Some((part, part.adapter.layers.get(name)?)));
        let deltas: Vec<Vec<f32>> =
            bending().map(|(part, layer)| delta(layer, part.adapter.rank, part.scale())).collect();
        let deltas: Vec<&[f32]> = deltas.iter().map(Vec::as_slice).collect();
        let weights: Vec<f32> = bending().map(|(part, _)| part.share as f32).collect();
        let merged = combine(&deltas, &weights, place);
        let merged = Mat::<f64>::from_fn(d_in, d_out, |i, j| f64::from(merged[i * d_out + j]));
        let svd = merged.thin_svd().ok()?;
        let values: Vec<f64> = svd.S().column_vector().iter().copied().collect();
        Some(Triple { left: svd.U().to_owned(), values, right: svd.V().to_owned() })
    })
    .map(|adapter| clamped(adapter, merge.clamp))
}

/// Singular vectors, in columns, and values, largest first.
struct Triple {
    left: Mat<f64>,
    values: Vec<f64>,
    right: Mat<f64>,
}

fn wanted_rank(parts: &Parts<'_>, merge: &Merge) -> usize {
    let largest = parts.parts.iter().map(|part| part.adapter.rank).max();
    merge.rank.or(largest).unwrap_or(1)
}

/// Decomposes every layer and keeps its `rank` largest singular values (fewer where a layer is narrower: zeros fill up).
fn layers(
    parts: &Parts<'_>,
    rank: usize,
    decompose: impl Fn(u64, &str, [usize; 2]) -> Option<Triple> + Sync,
) -> Result<Adapter, MergeError> {
    let names: Vec<(&&str, &[usize; 2])> = parts.widths.iter().collect();
    let layers = names
        .into_par_iter()
        .enumerate()
        .map(|(place, (name, widths))| {
            let [d_in, d_out] = *widths;
            let error = || MergeError::Svd { layer: (*name).to_owned() };
            let Triple { left, values, right } = decompose(place as u64, name, *widths).ok_or_else(error)?;
            let (mut a, mut b) = (vec![0.0f32; d_in * rank], vec![0.0f32; rank * d_out]);
            for (r, value) in values.iter().enumerate().take(rank) {
                for i in 0..d_in {
                    a[i * rank + r] = left[(i, r)] as f32;
                }
                for j in 0..d_out {
                    b[r * d_out + j] = (value * right[(j, r)]) as f32;
                }
            }
            Ok(((*name).to_owned(), AdapterLayer { d_in, d_out, a, b }))
        })
        .collect::<Result<_, MergeError>>()?;
    Ok(Adapter { rank, alpha: rank as f32, layers })
}

/// Returns ΔW of a layer, `[d_in, d_out]`.
fn delta(layer: &AdapterLayer, rank: usize, scale: f64) -> Vec<f32> {
    let mut delta = vec![0.0f32; layer.d_in * layer.d_out];
    for (row, a) in delta.chunks_exact_mut(layer.d_out).zip(layer.a.chunks_exact(rank)) {
        for (a, b) in a.iter().zip(layer.b.chunks_exact(layer.d_out)) {
            let factor = (scale * f64::from(*a)) as f32;
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += factor * b);
        }
    }
    delta
}

/// Returns the adapter with entries of every layer's factors clamped to ± their joint quantile.
fn clamped(mut adapter: Adapter, quantile: Option<f64>) -> Adapter {
    let Some(quantile) = quantile else { return adapter };
    adapter.layers.par_iter_mut().for_each(|(_, layer)| {
        let mut values: Vec<f32> = layer.a.iter().chain(&layer.b).copied().collect();
        values.sort_unstable_by(f32::total_cmp);
        // Between two entries the quantile is interpolated, as in torch.quantile.
        let place = quantile * (values.len() - 1) as f64;
        let (below, share) = (place.floor() as usize, place.fract() as f32);
        let above = (below + 1).min(values.len() - 1);
        let limit = values[below] + share * (values[above] - values[below]);
        let limit = limit.abs();
        layer.a.iter_mut().chain(&mut layer.b).for_each(|value| *value = value.clamp(-limit, limit));
    });
    adapter
}
