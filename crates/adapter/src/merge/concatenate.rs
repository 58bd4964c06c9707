//! The exact mean of ΔW by concatenation: [A_1 … A_K]·[λ_1·B_1; …; λ_K·B_K].

use rayon::prelude::*;

use super::Parts;
use crate::{Adapter, AdapterLayer};

/// Returns the adapter whose A and B are those of all parts, side by side; its rank is the sum of theirs.
///
/// An adapter on its own is returned as it is.
pub(super) fn concatenate(parts: &Parts<'_>) -> Adapter {
    if let [only] = &parts.parts[..] {
        return only.adapter.clone();
    }
    let rank: usize = parts.parts.iter().map(|part| part.adapter.rank).sum();
    let layers = parts
        .widths
        .par_iter()
        .map(|(name, [d_in, d_out])| {
            let (mut a, mut b) = (vec![0.0f32; d_in * rank], vec![0.0f32; rank * d_out]);
            let mut first = 0;
            for part in &parts.parts {
                let own = part.adapter.rank;
                // Where an adapter does not bend the layer, its part stays 0.
                if let Some(layer) = part.adapter.layers.get(*name) {
                    for (row, values) in a.chunks_exact_mut(rank).zip(layer.a.chunks_exact(own)) {
                        row[first..first + own].copy_from_slice(values);
                    }
                    let factor = part.share * part.scale();
                    let rows = &mut b[first * d_out..(first + own) * d_out];
                    rows.iter_mut().zip(&layer.b).for_each(|(value, b)| *value = (factor * f64::from(*b)) as f32);
                }
                first += own;
            }
            ((*name).to_owned(), AdapterLayer { d_in: *d_in, d_out: *d_out, a, b })
        })
        .collect();
    // α = r, so that the factors stand for themselves.
    Adapter { rank, alpha: rank as f32, layers }
}
