//! Decided pairs, asked again.

use std::collections::HashSet;

use moa_core::NoiseKey;

use super::Candidate;
use super::candidates::shuffle;
use crate::judgements::Judgements;

/// Returns pairs to ask the same rater again, with their sides swapped: how often a rater agrees with themselves bounds what any model
/// can predict. Of `count` questions the share `share` is repeated, rounded; pairs that the rater was already asked twice are left
/// out.
///
/// - `rater`: the rater's number in the judgements
pub fn repeats(judgements: &Judgements, rater: usize, count: usize, share: f64, key: NoiseKey) -> Vec<Candidate> {
    let (mut once, mut twice) = (HashSet::new(), HashSet::new());
    let mut pairs: Vec<Candidate> = Vec::new();
    for entry in judgements.comparisons.iter().filter(|entry| entry.rater == rater) {
        let swapped = Candidate { prompt: entry.prompt, first: entry.second, second: entry.first };
        let pair = (entry.prompt, swapped.key());
        if once.insert(pair) {
            pairs.push(swapped);
        } else {
            twice.insert(pair);
        }
    }
    pairs.retain(|pair| !twice.contains(&(pair.prompt, pair.key())));
    shuffle(&mut pairs, key.named("repeats"));
    pairs.truncate((share.clamp(0.0, 1.0) * count as f64).round() as usize);
    pairs
}
