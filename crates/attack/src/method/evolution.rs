//! Evolutionary search over prompts (in the manner of SneakyPrompt, 2305.12082, and of genetic attacks on text, 1804.07998).

use moa_core::NoiseKey;

use super::{Access, Attack};
use crate::edits::edited;
use crate::lexicon::paraphrases;
use crate::siege::{mean, shrunk};
use crate::{AttackError, Attempt, Siege};

/// Prompts are edited, the edits that come nearer are kept, and edited in turn. The last quarter of the budget is a race among the best, since
/// the best of many is the luckiest, too.
#[derive(Clone, Copy, Debug)]
pub struct Evolution {
    /// Prompts that are kept from one generation to the next.
    pub kept: usize,
    /// The most edits that each generation tries; fewer where the budget would not do for four generations.
    pub children: usize,
    /// Images of each of them.
    pub images: usize,
}

/// There are at least so many generations, as far as the budget allows.
const GENERATIONS: usize = 4;

impl Default for Evolution {
    fn default() -> Self {
        Self { kept: 6, children: 8, images: 2 }
    }
}

impl Attack for Evolution {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let key = siege.key("evolution");
        let reserve = siege.budget() / 4;
        let mut begin = vec![siege.goal().prompt.clone()];
        begin.extend(paraphrases(siege.goal(), siege.key("paraphrase")));
        begin.retain(|prompt| siege.passes_filter(prompt));
        let affordable = (siege.budget() - reserve) / siege.victim().price().max(1) / self.images.max(1) as u64;
        let children = self.children.min((affordable as usize / GENERATIONS).max(1));
        begin.truncate(children);
        let mut tried: Vec<(String, Vec<f64>)> = Vec::new();
        let mut generation = begin;
        for number in 0u64.. {
            let price = siege.victim().price() * (generation.len() * self.images) as u64;
            if generation.is_empty() || siege.left() < reserve + price {
                break;
            }
            let prompts: Vec<&str> = generation.iter().map(String::as_str).collect();
            let seen = siege.try_prompts(&prompts, self.images)?;
            tried.extend(generation.iter().cloned().zip(seen));
            let all = mean(tried.iter().flat_map(|(_, own)| own).copied());
            // The first of equals, so that nothing depends on the sort.
            tried.sort_by(|a, b| shrunk(&b.1, all).total_cmp(&shrunk(&a.1, all)));
            if let Some((prompt, own)) = tried.first() {
                siege.note(Attempt::Prompt(prompt.clone()), shrunk(own, all));
            }
            let parents: Vec<String> = tried.iter().take(self.kept).map(|(prompt, _)| prompt.clone()).collect();
            generation = children_of(&parents, &tried, children, siege, key.with(number));
        }
        let best: Vec<String> = tried.into_iter().take(2 * self.kept).map(|(prompt, _)| prompt).collect();
        siege.race(&best, siege.left()).map(drop)
    }
}

/// Returns so many edits that were not tried before, as far as they are found.
fn children_of(
    parents: &[String],
    tried: &[(String, Vec<f64>)],
    count: usize,
    siege: &Siege<'_>,
    key: NoiseKey,
) -> Vec<String> {
    let mut children: Vec<String> = Vec::new();
    // Enough attempts to find new ones, and an end where there are none.
    for attempt in 0..8 * count as u64 {
        if parents.is_empty() || children.len() == count {
            break;
        }
        let key = key.with(attempt);
        // Better parents have more children.
        let place = key.below(0, parents.len()).min(key.below(1, parents.len()));
        let other = &parents[key.below(2, parents.len())];
        let child = edited(&parents[place], other, siege.goal(), siege.vocabulary(), key.named("edit"));
        let is_new = !children.contains(&child) && tried.iter().all(|(prompt, _)| *prompt != child);
        if is_new && siege.passes_filter(&child) {
            children.push(child);
        }
    }
    children
}
