//! The exact mean of ΔW by concatenation: [λ_1·B_1 … λ_K·B_K]·[A_1; …; A_K].

use rayon::prelude::*;

use super::Parts;
use crate::{Adapter, AdapterLayer};

/// Returns the adapter whose A and B are those of all parts, side by side; the rank of a layer is the sum of theirs.
pub(super) fn concatenate(parts: &Parts<'_>) -> Adapter {
    let names: Vec<&str> = parts.layer_names().collect();
    let layers = names.par_iter().map(|name| ((*name).to_owned(), layer(&parts.layers(name)))).collect();
    Adapter { differences: parts.sum_of_differences(), ..Adapter::of_layers(parts.precision(), layers) }
}

/// Returns one layer; with a single part of share 1, that one as it is.
pub(crate) fn layer(own: &[(&AdapterLayer, f64)]) -> AdapterLayer {
    let first = own[0].0;
    if let [(only, share)] = own
        && share.to_bits() == 1f64.to_bits()
    {
        return (*only).clone();
    }
    let rank: usize = own.iter().map(|(layer, _)| layer.rank).sum();
    let (mut a, mut b) = (Vec::with_capacity(rank * first.d_in), vec![0.0f32; first.d_out * rank]);
    let mut column = 0;
    for (layer, share) in own {
        a.extend_from_slice(&layer.a);
        let factor = share * layer.scale();
        for (row, values) in b.chunks_exact_mut(rank).zip(layer.b.chunks_exact(layer.rank)) {
            let row = row[column..column + layer.rank].iter_mut();
            row.zip(values).for_each(|(value, b)| *value = (factor * f64::from(*b)) as f32);
        }
        column += layer.rank;
    }
    // α = r, so that the factors stand for themselves.
    AdapterLayer { rank, alpha: rank as f32, a, b, ..first.clone() }
}
