//! Which words of the prompt a reward reads: each word is left out once.

use std::collections::BTreeMap;

use moa_analysis::explanation::{PromptWords, WordEffect, Words};

use crate::{ExplainError, Images, Lens};

/// Words of a prompt that are left out, from the first one on.
const MOST_WORDS: usize = 40;
/// Words that are named.
const NAMED: usize = 12;
/// Prompts that are shown word by word.
const EXAMPLES: usize = 8;
/// Scores that differ by less than this share of their deviation do not differ.
const NOTHING: f64 = 1e-6;

/// Returns by how much scores change without each word of their prompts.
///
/// A prompt that the reward cannot read without a word leaves that word without an effect.
pub(crate) fn words(lens: &Lens<'_>, set: &Images, places: &[usize], deviation: f64) -> Result<Words, ExplainError> {
    let mut effects: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut examples = Vec::new();
    let mut reads = false;
    for place in places {
        let prompt = &set.prompts()[*place];
        let all: Vec<&str> = prompt.split_whitespace().collect();
        let image = std::slice::from_ref(&set.images()[*place]);
        let score = lens.score_variants(set, *place, image)?[0];
        let mut shown = Vec::new();
        for left_out in 0..all.len().min(MOST_WORDS) {
            let rest: Vec<&str> =
                all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, word)| *word).collect();
            let rest = rest.join(" ");
            let effect = if lens.reads(&rest) {
                let without = lens.score_variants_of(set, *place, image, &rest)?[0];
                Some((score - without) / deviation)
            } else {
                None
            };
            reads |= effect.is_none_or(|effect| effect.abs() > NOTHING);
            if let Some(effect) = effect {
                let word = all[left_out].trim_matches(|c: char| c.is_ascii_punctuation()).to_lowercase();
                effects.entry(word).or_default().push(effect);
            }
            shown.push((all[left_out].to_owned(), effect));
        }
        if examples.len() < EXAMPLES {
            examples.push(PromptWords { words: shown });
        }
    }
    if !reads {
        return Ok(Words { reads, words: Vec::new(), examples: Vec::new() });
    }
    let mean = |(word, effects): (String, Vec<f64>)| WordEffect {
        word,
        effect: effects.iter().sum::<f64>() / effects.len() as f64,
        prompts: effects.len(),
    };
    let mut words: Vec<WordEffect> = effects.into_iter().filter(|(word, _)| !word.is_empty()).map(mean).collect();
    words.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    words.truncate(NAMED);
    Ok(Words { reads, words, examples })
}

/// Returns how many scores it takes.
pub(crate) fn cost(set: &Images, places: &[usize]) -> usize {
    places.iter().map(|place| 1 + set.prompts()[*place].split_whitespace().count().min(MOST_WORDS)).sum()
}
