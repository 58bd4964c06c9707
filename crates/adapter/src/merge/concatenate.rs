//! The exact mean of ΔW by concatenation: [λ_1·B_1 … λ_K·B_K]·[A_1; …; A_K].

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
            let (mut a, mut b) = (Vec::with_capacity(rank * d_in), vec![0.0f32; d_out * rank]);
            let mut first = 0;
            for part in &parts.parts {
                let own = part.adapter.rank;
                match part.adapter.layers.get(*name) {
                    Some(layer) => {
                        a.extend_from_slice(&layer.a);
                        let factor = part.share * part.scale();
                        for (row, values) in b.chunks_exact_mut(rank).zip(layer.b.chunks_exact(own)) {
                            let row = row[first..first + own].iter_mut();
                            row.zip(values).for_each(|(value, b)| *value = (factor * f64::from(*b)) as f32);
                        }
                    }
                    // If an adapter does not have the layer, its part is 0.
                    None => a.resize(a.len() + own * d_in, 0.0),
                }
                first += own;
            }
            ((*name).to_owned(), AdapterLayer { d_in: *d_in, d_out: *d_out, a, b })
        })
        .collect();
    // α = r, so that the factors stand for themselves.
    Adapter { rank, alpha: rank as f32, precision: parts.precision(), layers }
}
