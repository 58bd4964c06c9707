//! Back to a rank by singular values: the nearest matrix of that rank in the Frobenius norm (Eckart & Young, 1936).
//!
//! With the right singular vectors v_i of ΔW the nearest matrix is Σ (ΔW·v_i)·v_iᵀ over the largest: A has the v_i as rows, B
//! their images as columns, as in peft. In double precision, so that at full rank only the result is rounded.

mod basis;
mod dense;

use rayon::prelude::*;

use basis::{Basis, combine, dot, left_vectors};

use super::{Combine, Merge, MergeError, Parts, Shape, linear};
use crate::{Adapter, AdapterLayer, Difference};

/// Returns the mean of ΔW at the wanted rank.
///
/// Where all is low-rank, ΔW is never formed: with [λ_1·B_1 … λ_K·B_K] = Q_b·R_b and [A_1; …; A_K]ᵀ = Q_a·R_a its right singular vectors
/// are Q_a times the left ones of the small matrix R_a·R_bᵀ.
pub(super) fn of_mean(parts: &Parts<'_>, merge: &Merge) -> Adapter {
    let names: Vec<&str> = parts.weights().collect();
    let layer = |name: &&str| {
        let own = parts.layers(name);
        let rank = parts.wanted_rank(name, merge);
        if let ([(only, share)], false, None) = (&own[..], parts.has_difference(name), merge.clamp)
            && share.to_bits() == 1f64.to_bits()
            && only.rank == rank
        {
            return ((*name).to_owned(), (*only).clone());
        }
        let shape = parts.shape(name);
        let pairs = if parts.has_difference(name) {
            let delta =
                linear::sum(&parts.deltas(name).iter().map(Vec::as_slice).collect::<Vec<_>>(), &parts.shares(name));
            dense::largest(&delta, shape.columns(), rank)
        } else {
            of_factors(&own, rank)
        };
        ((*name).to_owned(), of_pairs(&pairs, rank, &shape))
    };
    let layers = names.par_iter().map(layer).collect();
    let differences = parts.combined_vectors(&|tensors, weights, _| linear::sum(tensors, weights));
    clamped(Adapter { differences, ..Adapter::of_layers(parts.precision(), layers) }, merge.clamp)
}

/// Returns the pairs of the largest singular values of Σ λ_k·(α_k/r_k)·B_k·A_k.
fn of_factors(own: &[(&AdapterLayer, f64)], rank: usize) -> Vec<Pair> {
    let (mut a, mut b): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    for (layer, share) in own {
        let factor = share * layer.scale();
        a.extend(layer.a.chunks_exact(layer.d_in).map(|row| row.iter().copied().map(f64::from).collect()));
        let column = |r: usize| layer.b.chunks_exact(layer.rank).map(|row| factor * f64::from(row[r])).collect();
        b.extend((0..layer.rank).map(column));
    }
    let (mut down, mut up) = (Basis::default(), Basis::default());
    let r_a: Vec<Vec<f64>> = a.into_iter().map(|row| down.extend(row)).collect();
    let r_b: Vec<Vec<f64>> = b.iter().map(|column| up.extend(column.clone())).collect();
    // Column i of R_a·R_bᵀ; what lies below a triangle's diagonal is not kept, and 0.
    let core = (0..up.vectors.len()).map(|i| {
        let mut column = vec![0.0; down.vectors.len()];
        for (a, b) in r_a.iter().zip(&r_b).filter(|(_, b)| i < b.len()) {
            basis::add(&mut column[..a.len()], b[i], a);
        }
        column
    });
    let pair = |(_, vector): &(f64, Vec<f64>)| {
        let along: Vec<f64> = r_a.iter().map(|a| dot(a, &vector[..a.len()])).collect();
        Pair { right: down.combine(vector), image: combine(&b, &along) }
    };
    left_vectors(core.collect()).iter().take(rank).map(pair).collect()
}

/// Combines the ΔW_k of every layer by a rule, with weights λ_k, and brings the result back to the wanted rank.
pub(super) fn of_deltas(parts: &Parts<'_>, merge: &Merge, combine: &Combine<'_>) -> Result<Adapter, MergeError> {
    parts.not_negative()?;
    let names: Vec<(usize, &str)> = parts.weights().enumerate().collect();
    let layer = |(place, name): &(usize, &str)| {
        let (rank, shape) = (parts.wanted_rank(name, merge), parts.shape(name));
        let delta = combined(parts, name, combine, *place as u64);
        ((*name).to_owned(), of_pairs(&dense::largest(&delta, shape.columns(), rank), rank, &shape))
    };
    let layers = names.par_iter().map(layer).collect();
    let differences = parts.combined_vectors(combine);
    Ok(clamped(Adapter { differences, ..Adapter::of_layers(parts.precision(), layers) }, merge.clamp))
}

/// Combines the ΔW_k of some layers, and adds to an adapter what comes of it: where one of them is a difference the whole of it, else the
/// nearest of the largest rank.
pub(super) fn combine_deltas(
    parts: &Parts<'_>,
    merge: &Merge,
    names: &[(usize, &str)],
    combine: &Combine<'_>,
    adapter: &mut Adapter,
) {
    /// What comes of a layer.
    enum Result {
        Factors(AdapterLayer),
        Difference(Difference),
    }
    let layer = |(place, name): &(usize, &str)| {
        let (rank, shape) = (parts.wanted_rank(name, merge), parts.shape(name));
        let values = combined(parts, name, combine, 2 * *place as u64);
        let result = if parts.has_difference(name) {
            Result::Difference(Difference { shape: shape.dims.clone(), values })
        } else {
            Result::Factors(of_pairs(&dense::largest(&values, shape.columns(), rank), rank, &shape))
        };
        ((*name).to_owned(), result)
    };
    for (name, result) in names.par_iter().map(layer).collect::<Vec<_>>() {
        match result {
            Result::Factors(layer) => drop(adapter.layers.insert(name, layer)),
            Result::Difference(difference) => drop(adapter.differences.insert(format!("{name}.weight"), difference)),
        }
    }
}

fn combined(parts: &Parts<'_>, name: &str, combine: &Combine<'_>, place: u64) -> Vec<f32> {
    let deltas = parts.deltas(name);
    let deltas: Vec<&[f32]> = deltas.iter().map(Vec::as_slice).collect();
    combine(&deltas, &parts.shares(name), place)
}

/// Returns the nearest matrix of a rank to a dense one, and ‖rest‖ / ‖W‖, what is lost of it.
///
/// - `difference`: of a weight, of two dimensions or more
pub(crate) fn nearest(difference: &Difference, rank: usize) -> (AdapterLayer, f64) {
    let shape = Shape { dims: difference.shape.clone() };
    let (columns, rows) = (shape.columns(), shape.rows());
    let rank = rank.min(columns).min(rows);
    let pairs = dense::largest(&difference.values, columns, rank);
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let all = square(&mut difference.values.iter().copied().map(f64::from));
    let kept: f64 = pairs.iter().map(|pair| square(&mut pair.image.iter().copied())).sum();
    let lost = if all > 0.0 { ((all - kept).max(0.0) / all).sqrt() } else { 0.0 };
    (of_pairs(&pairs, rank, &shape), lost)
}

/// A right singular vector v of ΔW, and ΔW·v.
struct Pair {
    right: Vec<f64>,
    image: Vec<f64>,
}

/// Returns a layer of its largest singular pairs; where there are fewer than `rank`, zeros fill up.
fn of_pairs(pairs: &[Pair], rank: usize, shape: &Shape) -> AdapterLayer {
    let (d_in, d_out) = (shape.columns(), shape.rows());
    let (mut a, mut b) = (vec![0.0f32; rank * d_in], vec![0.0f32; d_out * rank]);
    for (r, Pair { right, image }) in pairs.iter().enumerate() {
        a[r * d_in..(r + 1) * d_in].iter_mut().zip(right).for_each(|(a, value)| *a = *value as f32);
        b.chunks_exact_mut(rank).zip(image).for_each(|(row, value)| row[r] = *value as f32);
    }
    AdapterLayer { d_in, d_out, kernel: shape.kernel().to_vec(), rank, alpha: rank as f32, a, b }
}

/// Returns the adapter with the entries of every layer's factors clamped to ± their joint quantile.
fn clamped(mut adapter: Adapter, quantile: Option<f64>) -> Adapter {
    let Some(quantile) = quantile else { return adapter };
    adapter.layers.par_iter_mut().for_each(|(_, layer)| {
        let mut values: Vec<f32> = layer.a.iter().chain(&layer.b).copied().collect();
        values.sort_unstable_by(f32::total_cmp);
        // Between two entries the quantile is interpolated, as in torch.quantile.
        let place = quantile * (values.len() - 1) as f64;
        let (below, share) = (place.floor() as usize, place.fract() as f32);
        let above = (below + 1).min(values.len() - 1);
        let limit = (values[below] + share * (values[above] - values[below])).abs();
        layer.a.iter_mut().chain(&mut layer.b).for_each(|value| *value = value.clamp(-limit, limit));
    });
    adapter
}
