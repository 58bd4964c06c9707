//! Where an adapter changes its base most: norms of ΔW by block.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::part::size;
use super::{Component, Contents, Layer, Target};

/// How much the weights of a block change.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The model that it belongs to.
    pub component: Component,
    /// The part of layers' names that they have in common, with a range where many blocks are put together.
    pub name: String,
    /// How many layers of it are adapted.
    pub layers: usize,
    /// The root mean square of the changes of single weights, `√(Σ‖ΔW‖² / number of weights)`, over its adapted layers. It hides how large
    /// the base's weights are, and where within the block the change is.
    pub root_mean_square: f64,
}

/// How many lines a list of numbered blocks has at most.
const LINES: usize = 12;

impl Contents<'_> {
    /// Returns the Frobenius norms of the layers' ΔW (without DoRA's magnitudes, biases and norms), in the order of the layers.
    ///
    /// - `progress`: is told the share of layers that are done
    pub fn norms(&self, progress: &(dyn Fn(f64) + Sync)) -> Vec<f64> {
        let done = AtomicUsize::new(0);
        let norm = |layer: &Layer<'_>| {
            let weights: Vec<_> = layer.parts.iter().filter(|part| part.target == Target::Weight).collect();
            let norm = match weights[..] {
                [part] => part.norm(),
                // Parts of one layer have equal sizes, which reading has checked.
                _ => layer.delta().ok().flatten().map_or(0.0, |delta| {
                    delta.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
                }),
            };
            progress((done.fetch_add(1, Ordering::Relaxed) + 1) as f64 / self.layers.len() as f64);
            norm
        };
        self.layers.par_iter().map(norm).collect()
    }

    /// Returns how much each block changes, in the order of blocks.
    ///
    /// - `norms`: of the layers, from [`Contents::norms`]
    pub fn blocks(&self, norms: &[f64]) -> Vec<Block> {
        /// Sum of squares, weights, layers.
        type Sum = (f64, f64, usize);
        let mut found: BTreeMap<(Component, String), BTreeMap<usize, Sum>> = BTreeMap::new();
        for (layer, norm) in self.layers.iter().zip(norms) {
            let Some(part) = layer.parts.iter().find(|part| part.target == Target::Weight) else { continue };
            let (stem, number) = block_of(layer.canonical.first().unwrap_or(&layer.name));
            let sums = found.entry((layer.component, stem)).or_default();
            let sum = sums.entry(number.map_or(0, |number| number + 1)).or_default();
            *sum = (sum.0 + norm * norm, sum.1 + size(&part.shape()) as f64, sum.2 + 1);
        }
        let mut blocks = Vec::new();
        for ((component, stem), sums) in found {
            let numbers = sums.keys().copied().max().unwrap_or(0);
            let width = numbers.div_ceil(LINES).max(1);
            let mut ranges: BTreeMap<usize, Sum> = BTreeMap::new();
            for (number, (squares, weights, layers)) in sums {
                // 0 has no number; the others are counted from 1.
                let range = ranges.entry(number.div_ceil(width)).or_default();
                *range = (range.0 + squares, range.1 + weights, range.2 + layers);
            }
            for (range, (squares, weights, layers)) in ranges {
                let (first, last) = (range.saturating_sub(1) * width, (range * width).min(numbers).saturating_sub(1));
                let name = match range {
                    0 => stem.clone(),
                    _ if first == last => format!("{stem}.{first}"),
                    _ => format!("{stem}.{first}–{last}"),
                };
                let root_mean_square = if weights > 0.0 { (squares / weights).sqrt() } else { 0.0 };
                blocks.push(Block { component, name, layers, root_mean_square });
            }
        }
        blocks.sort_by_key(|block| (block.component, order(&block.name)));
        blocks
    }
}

/// Returns the block that a layer is in, by its name up to the first number, and that one.
fn block_of(name: &str) -> (String, Option<usize>) {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |part: &str| part.parse::<usize>().ok().filter(|number| *number < 10_000);
    let place = parts.iter().position(|part| number(part).is_some());
    match place {
        // The middle of a U-Net is one block, whatever lists are in it.
        Some(place) if place > 0 && place + 1 < parts.len() && parts[0] != "mid_block" => {
            (parts[..place].join("."), number(parts[place]))
        }
        _ => (parts[0].to_owned(), None),
    }
}

/// Returns where a block is on the way through a U-Net; others are as they were.
fn order(name: &str) -> usize {
    ["conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block", "up_blocks", "conv_norm_out", "conv_out"]
        .iter()
        .position(|start| name.starts_with(start))
        .map_or(8, |place| place + 1)
}
