//! Soups: the weighted mean of adapters (Ramé et al., Rewarded soups, 2306.04488).

use std::collections::BTreeMap;

use crate::{Adapter, AdapterLayer};

/// Why adapters cannot be merged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SoupError {
    /// There is nothing to merge.
    #[error("a soup of no adapters: give at least one")]
    Empty,
    /// A share is negative, infinite or not a number.
    #[error("share {index} of the soup is {value}: shares must be finite and not negative")]
    Share {
        /// The adapter's place in the list, from 0.
        index: usize,
        /// Its share.
        value: f64,
    },
    /// All shares are zero.
    #[error("the shares of the soup sum to 0: give at least one adapter a positive share")]
    ZeroSum,
    /// A layer has other widths in one adapter than in another.
    #[error(
        "layer `{layer}` has shape {found:?} in adapter {index} and {wanted:?} in one before it: they belong to \
         different base models"
    )]
    Shape {
        /// The layer.
        layer: String,
        /// The adapter's place in the list, from 0.
        index: usize,
        /// Its layer's input and output widths.
        found: [usize; 2],
        /// The widths in an adapter before it.
        wanted: [usize; 2],
    },
}

/// An adapter that takes part in a soup, and the factor of its B: λ·α/r over the soup's own scale.
struct Part<'a> {
    adapter: &'a Adapter,
    factor: f64,
}

impl Adapter {
    /// Returns the adapter whose ΔW is Σ λ_k·ΔW_k, for every layer, with the λ divided by their sum.
    ///
    /// Adapters that share A and the layers they adapt merge at their own rank: B is the mean of the B_k. Otherwise the
    /// soup's rank is the sum of the ranks: its A and B are those of the adapters, side by side. Both are exact to the
    /// rounding of one product in single precision. Adapters with share 0 leave no trace, so a soup at a corner *is* that
    /// adapter.
    ///
    /// # Errors
    /// Refuses shares that are negative, not finite or all 0, and adapters of different base models.
    pub fn mean(parts: &[(&Self, f64)]) -> Result<Self, SoupError> {
        if parts.is_empty() {
            return Err(SoupError::Empty);
        }
        if let Some(index) = parts.iter().position(|(_, share)| !share.is_finite() || *share < 0.0) {
            return Err(SoupError::Share { index, value: parts[index].1 });
        }
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        if sum <= 0.0 {
            return Err(SoupError::ZeroSum);
        }
        let widths = widths(parts)?;
        let taking: Vec<(&Self, f64)> =
            parts.iter().filter(|(_, share)| *share > 0.0).map(|(adapter, share)| (*adapter, share / sum)).collect();
        let first = taking[0].0;
        let scale = |adapter: &Self| f64::from(adapter.alpha) / adapter.rank as f64;
        let merged = |alpha: f32, rank: usize| -> Vec<Part<'_>> {
            let own = f64::from(alpha) / rank as f64;
            taking.iter().map(|(adapter, share)| Part { adapter, factor: share * scale(adapter) / own }).collect()
        };
        if taking.iter().all(|(adapter, _)| first.shares_a_with(adapter)) {
            let parts = merged(first.alpha, first.rank);
            let layers = first.layers.keys().map(|name| (name.clone(), mean_layer(&parts, name)));
            return Ok(Self { rank: first.rank, alpha: first.alpha, layers: layers.collect() });
        }
        let rank: usize = taking.iter().map(|(adapter, _)| adapter.rank).sum();
        let alpha = rank as f32;
        let parts = merged(alpha, rank);
        let layers =
            widths.into_iter().map(|(name, widths)| (name.to_owned(), side_by_side(&parts, name, widths, rank)));
        Ok(Self { rank, alpha, layers: layers.collect() })
    }

    /// Returns whether two adapters bend the same layers from the same A.
    fn shares_a_with(&self, other: &Self) -> bool {
        self.rank == other.rank
            && self.layers.len() == other.layers.len()
            && self.layers.iter().zip(&other.layers).all(|((n, l), (m, k))| n == m && l.same_shape(k) && l.a == k.a)
    }
}

/// Returns the widths of every layer that an adapter bends.
fn widths<'a>(parts: &[(&'a Adapter, f64)]) -> Result<BTreeMap<&'a str, [usize; 2]>, SoupError> {
    let mut widths = BTreeMap::new();
    for (index, (adapter, _)) in parts.iter().enumerate() {
        for (name, layer) in &adapter.layers {
            let found = [layer.d_in, layer.d_out];
            let wanted = *widths.entry(name.as_str()).or_insert(found);
            if wanted != found {
                return Err(SoupError::Shape { layer: name.clone(), index, found, wanted });
            }
        }
    }
    Ok(widths)
}

/// Returns the layer with the common A and the mean of all B.
fn mean_layer(parts: &[Part<'_>], name: &str) -> AdapterLayer {
    let first = &parts[0].adapter.layers[name];
    let mut sums = vec![0.0f64; first.b.len()];
    for part in parts {
        let b = &part.adapter.layers[name].b;
        sums.iter_mut().zip(b).for_each(|(sum, value)| *sum += part.factor * f64::from(*value));
    }
    AdapterLayer { b: sums.into_iter().map(|sum| sum as f32).collect(), ..first.clone() }
}

/// Returns the layer whose A's columns and B's rows are those of all parts; zeros for parts that do not bend it.
fn side_by_side(parts: &[Part<'_>], name: &str, [d_in, d_out]: [usize; 2], rank: usize) -> AdapterLayer {
    let (mut a, mut b) = (vec![0.0f32; d_in * rank], vec![0.0f32; rank * d_out]);
    let mut first = 0;
    for Part { adapter, factor } in parts {
        if let Some(layer) = adapter.layers.get(name) {
            for (row, own) in a.chunks_exact_mut(rank).zip(layer.a.chunks_exact(adapter.rank)) {
                row[first..first + adapter.rank].copy_from_slice(own);
            }
            let rows = &mut b[first * d_out..(first + adapter.rank) * d_out];
            rows.iter_mut().zip(&layer.b).for_each(|(value, own)| *value = (factor * f64::from(*own)) as f32);
        }
        first += adapter.rank;
    }
    AdapterLayer { d_in, d_out, a, b }
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    /// Returns an adapter of layers `[5 → 3]` and `[4 → 2]`; `a` and `b` seed its factors.
    fn adapter(rank: usize, alpha: f32, a: u64, b: u64) -> Adapter {
        let layer = |name: &str, d_in: usize, d_out: usize| {
            let values = |seed: u64, count: usize| NoiseKey::new(seed).named(name).normal(count);
            let layer = AdapterLayer { d_in, d_out, a: values(a, d_in * rank), b: values(100 + b, rank * d_out) };
            (name.to_owned(), layer)
        };
        Adapter { rank, alpha, layers: BTreeMap::from([layer("x.to_q", 5, 3), layer("x.to_v", 4, 2)]) }
    }

    /// Returns ΔW of a layer, `[d_in, d_out]`; zeros where the adapter does not bend it.
    fn delta(adapter: &Adapter, name: &str, widths: [usize; 2]) -> Vec<f64> {
        let mut delta = vec![0.0; widths[0] * widths[1]];
        let Some(layer) = adapter.layers.get(name) else { return delta };
        let scale = f64::from(adapter.alpha) / adapter.rank as f64;
        for i in 0..widths[0] {
            for j in 0..widths[1] {
                delta[i * widths[1] + j] = (0..adapter.rank)
                    .map(|r| scale * f64::from(layer.a[i * adapter.rank + r]) * f64::from(layer.b[r * widths[1] + j]))
                    .sum();
            }
        }
        delta
    }

    fn assert_is_mean(soup: &Adapter, parts: &[(&Adapter, f64)]) {
        for (name, widths) in [("x.to_q", [5, 3]), ("x.to_v", [4, 2])] {
            let mut wanted = vec![0.0; widths[0] * widths[1]];
            for (adapter, share) in parts {
                wanted.iter_mut().zip(delta(adapter, name, widths)).for_each(|(sum, value)| *sum += share * value);
            }
            let found = delta(soup, name, widths);
            assert!(wanted.iter().zip(&found).all(|(w, f)| (w - f).abs() < 1e-5), "{name}: {wanted:?} {found:?}");
        }
    }

    #[test]
    fn adapters_that_share_a_merge_exactly_at_their_own_rank() {
        let (x, y, z) = (adapter(2, 2.0, 1, 1), adapter(2, 6.0, 1, 2), adapter(2, 2.0, 1, 3));
        let parts = [(&x, 0.5), (&y, 0.2), (&z, 0.3)];
        let soup = Adapter::mean(&parts).unwrap();
        assert_eq!(soup.rank, 2);
        assert_eq!(soup.layers["x.to_q"].a, x.layers["x.to_q"].a);
        assert_is_mean(&soup, &parts);
    }

    #[test]
    fn adapters_with_an_a_each_merge_exactly_by_concatenation() {
        let (x, mut y) = (adapter(2, 2.0, 1, 1), adapter(3, 1.5, 2, 2));
        assert_is_mean(&Adapter::mean(&[(&x, 0.25), (&y, 0.75)]).unwrap(), &[(&x, 0.25), (&y, 0.75)]);
        y.layers.remove("x.to_q");
        let soup = Adapter::mean(&[(&x, 1.0), (&y, 3.0)]).unwrap();
        assert_eq!(soup.rank, 5);
        assert_is_mean(&soup, &[(&x, 0.25), (&y, 0.75)]);
    }

    #[test]
    fn a_soup_at_a_corner_is_that_adapter() {
        let (x, y) = (adapter(2, 3.0, 1, 1), adapter(2, 3.0, 1, 2));
        assert_eq!(Adapter::mean(&[(&x, 1.0), (&y, 0.0)]).unwrap(), x);
        let other = adapter(4, 1.0, 9, 2);
        assert_eq!(Adapter::mean(&[(&x, 0.0), (&other, 7.0)]).unwrap(), other);
    }

    #[test]
    fn impossible_soups_are_refused() {
        let x = adapter(2, 2.0, 1, 1);
        assert_eq!(Adapter::mean(&[]), Err(SoupError::Empty));
        assert_eq!(Adapter::mean(&[(&x, 0.0)]), Err(SoupError::ZeroSum));
        assert_eq!(Adapter::mean(&[(&x, 1.5), (&x, -0.5)]), Err(SoupError::Share { index: 1, value: -0.5 }));
        let mut other = x.clone();
        other.layers.get_mut("x.to_q").unwrap().d_in = 6;
        let message = Adapter::mean(&[(&x, 0.5), (&other, 0.5)]).unwrap_err().to_string();
        assert!(message.contains("`x.to_q`") && message.contains("adapter 1"), "{message}");
    }
}
