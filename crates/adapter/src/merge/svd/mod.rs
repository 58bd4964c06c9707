//! Back to a rank by singular values: the nearest matrix of that rank in the Frobenius norm (Eckart & Young, 1936).
//!
//! With the right singular vectors v_i of ΔW the nearest matrix is Σ (ΔW·v_i)·v_iᵀ over the largest: A has the v_i as rows, B
//! their images as columns, as in peft. In double precision, so that at full rank only the result is rounded.

mod basis;
mod dense;

use rayon::prelude::*;

use basis::{Basis, combine, dot, left_vectors};

use super::{Merge, MergeError, Parts};
use crate::{Adapter, AdapterLayer};

/// Returns the mean of ΔW at the wanted rank.
///
/// ΔW is never formed: with [λ_1·B_1 … λ_K·B_K] = Q_b·R_b and [A_1; …; A_K]ᵀ = Q_a·R_a its right singular vectors are Q_a times
/// the left ones of the small matrix R_a·R_bᵀ.
pub(super) fn of_mean(parts: &Parts<'_>, merge: &Merge) -> Adapter {
    let rank = wanted_rank(parts, merge);
    if let [only] = &parts.parts[..]
        && only.adapter.rank == rank
        && merge.clamp.is_none()
    {
        return only.adapter.clone();
    }
    let adapter = layers(parts, rank, |_, name, _| {
        let (mut a, mut b): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        for part in &parts.parts {
            let Some(layer) = part.adapter.layers.get(name) else { continue };
            let (rank, factor) = (part.adapter.rank, part.share * part.scale());
            a.extend(layer.a.chunks_exact(layer.d_in).map(|row| row.iter().copied().map(f64::from).collect()));
            let column = |r: usize| layer.b.chunks_exact(rank).map(|row| factor * f64::from(row[r])).collect();
            b.extend((0..rank).map(column));
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
    });
    clamped(adapter, merge.clamp)
}

/// Combines the ΔW_k of every layer by a rule, with weights λ_k, and brings the result back to the wanted rank.
///
/// - `combine`: takes the tensors, their weights, and a number that differs for every layer
pub(super) fn of_deltas(
    parts: &Parts<'_>,
    merge: &Merge,
    combine: impl Fn(&[&[f32]], &[f32], u64) -> Vec<f32> + Sync,
) -> Result<Adapter, MergeError> {
    parts.not_negative()?;
    let rank = wanted_rank(parts, merge);
    let adapter = layers(parts, rank, |place, name, d_in| {
        let bending = || parts.parts.iter().filter_map(|part| Some((part, part.adapter.layers.get(name)?)));
        let deltas: Vec<Vec<f32>> =
            bending().map(|(part, layer)| delta(layer, part.adapter.rank, part.scale())).collect();
        let deltas: Vec<&[f32]> = deltas.iter().map(Vec::as_slice).collect();
        let weights: Vec<f32> = bending().map(|(part, _)| part.share as f32).collect();
        dense::largest(&combine(&deltas, &weights, place), d_in, rank)
    });
    Ok(clamped(adapter, merge.clamp))
}

/// A right singular vector v of ΔW, and ΔW·v.
struct Pair {
    right: Vec<f64>,
    image: Vec<f64>,
}

fn wanted_rank(parts: &Parts<'_>, merge: &Merge) -> usize {
    let largest = parts.parts.iter().map(|part| part.adapter.rank).max();
    merge.rank.or(largest).unwrap_or(1)
}

/// Makes every layer of its largest singular pairs; where there are fewer than `rank`, zeros fill up.
///
/// - `decompose`: takes a layer's place, name and input width
fn layers(parts: &Parts<'_>, rank: usize, decompose: impl Fn(u64, &str, usize) -> Vec<Pair> + Sync) -> Adapter {
    let names: Vec<(&&str, &[usize; 2])> = parts.widths.iter().collect();
    let layer = |(place, (name, [d_in, d_out])): (usize, (&&str, &[usize; 2]))| {
        let pairs = decompose(place as u64, name, *d_in);
        let (mut a, mut b) = (vec![0.0f32; rank * d_in], vec![0.0f32; d_out * rank]);
        for (r, Pair { right, image }) in pairs.iter().enumerate() {
            a[r * d_in..(r + 1) * d_in].iter_mut().zip(right).for_each(|(a, value)| *a = *value as f32);
            b.chunks_exact_mut(rank).zip(image).for_each(|(row, value)| row[r] = *value as f32);
        }
        ((*name).to_owned(), AdapterLayer { d_in: *d_in, d_out: *d_out, a, b })
    };
    let layers = names.into_par_iter().enumerate().map(layer).collect();
    Adapter { rank, alpha: rank as f32, precision: parts.precision(), layers }
}

/// Returns ΔW of a layer, `[d_out, d_in]`.
fn delta(layer: &AdapterLayer, rank: usize, scale: f64) -> Vec<f32> {
    let mut delta = vec![0.0f32; layer.d_in * layer.d_out];
    for (row, b) in delta.chunks_exact_mut(layer.d_in).zip(layer.b.chunks_exact(rank)) {
        for (b, a) in b.iter().zip(layer.a.chunks_exact(layer.d_in)) {
            let factor = (scale * f64::from(*b)) as f32;
            row.iter_mut().zip(a).for_each(|(sum, a)| *sum += factor * a);
        }
    }
    delta
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
