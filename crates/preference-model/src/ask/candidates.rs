//! The pairs that may be asked.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;

use moa_core::NoiseKey;

/// Two images of one prompt that may be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Candidate {
    /// The prompt's number.
    pub prompt: usize,
    /// The image to show first, by its place in the pool.
    pub first: usize,
    /// The other image.
    pub second: usize,
}

impl Candidate {
    /// Returns the images' places, the lower one first.
    pub fn key(&self) -> (usize, usize) {
        (self.first.min(self.second), self.first.max(self.second))
    }
}

/// Returns at most `limit` pairs of images that have the same prompt, without those that were asked; a random part where there are
/// more. Which image comes first is random.
///
/// - `prompts`: each image's prompt, in the order of the pool
/// - `asked`: pairs to leave out, in either order
pub fn candidates(
    prompts: &[usize],
    asked: &HashSet<(usize, usize), impl BuildHasher>,
    limit: usize,
    key: NoiseKey,
) -> Vec<Candidate> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (image, prompt) in prompts.iter().enumerate() {
        groups.entry(*prompt).or_default().push(image);
    }
    let count = |group: &Vec<usize>| group.len() * (group.len() - 1) / 2;
    let total: usize = groups.values().map(count).sum();
    let is_new = |a: usize, b: usize| !asked.contains(&(a, b)) && !asked.contains(&(b, a));
    let side = key.named("side");
    let candidate = |prompt: usize, a: usize, b: usize, at: usize| {
        let (first, second) = if side.bits(at as u64) & 1 == 0 { (a, b) } else { (b, a) };
        Candidate { prompt, first, second }
    };
    let pair_at = |mut at: usize| {
        for (prompt, group) in &groups {
            if at < count(group) {
                let mut first = 0;
                while at >= group.len() - 1 - first {
                    at -= group.len() - 1 - first;
                    first += 1;
                }
                return (*prompt, group[first], group[first + 1 + at]);
            }
            at -= count(group);
        }
        unreachable!("the position is below the number of pairs")
    };
    let mut found = Vec::new();
    if total <= limit.saturating_mul(4) {
        let mut all = Vec::with_capacity(total);
        for (prompt, group) in &groups {
            for (i, a) in group.iter().enumerate() {
                all.extend(group[i + 1..].iter().filter(|b| is_new(*a, **b)).map(|b| (*prompt, *a, *b)));
            }
        }
        shuffle(&mut all, key.named("pairs"));
        all.truncate(limit);
        found.extend(all.iter().enumerate().map(|(at, (prompt, a, b))| candidate(*prompt, *a, *b, at)));
    } else {
        let (draw, mut seen) = (key.named("pairs"), HashSet::new());
        for index in 0..limit as u64 * 8 {
            let at = draw.below(index, total);
            let (prompt, a, b) = pair_at(at);
            if seen.insert(at) && is_new(a, b) {
                found.push(candidate(prompt, a, b, at));
                if found.len() == limit {
                    break;
                }
            }
        }
    }
    found
}

/// Puts values in a random order.
pub(crate) fn shuffle<T>(values: &mut [T], key: NoiseKey) {
    for last in (1..values.len()).rev() {
        values.swap(last, key.below(last as u64, last + 1));
    }
}
