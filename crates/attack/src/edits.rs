//! Edits of prompts.

use moa_core::NoiseKey;

use crate::Goal;
use crate::lexicon::{misspelt, other_words};

/// The most words of a prompt: CLIP reads 75 tokens, and few words are one.
const MOST_WORDS: usize = 60;

/// Returns a prompt with one to three edits: words replaced, added, left out, doubled, exchanged, misspelt, or the end taken from another
/// prompt.
///
/// - `vocabulary`: the words to draw from
pub(crate) fn edited(prompt: &str, other: &str, goal: &Goal, vocabulary: &[String], key: NoiseKey) -> String {
    let mut words: Vec<String> = prompt.split_whitespace().map(str::to_owned).collect();
    for edit in 0..=key.below(0, 3) as u64 {
        once(&mut words, other, goal, vocabulary, key.with(edit));
    }
    words.truncate(MOST_WORDS);
    words.join(" ")
}

fn once(words: &mut Vec<String>, other: &str, goal: &Goal, vocabulary: &[String], key: NoiseKey) {
    let place = key.below(0, words.len());
    let drawn = || {
        // Words about the goal come up as often as all others.
        let about: Vec<String> = goal.objects.iter().flat_map(|object| other_words(object)).collect();
        let from = if about.is_empty() || key.uniform(1) < 0.5 { vocabulary } else { &about };
        from.get(key.below(2, from.len())).cloned()
    };
    match key.below(3, 8) {
        0 | 1 if !words.is_empty() => {
            if let Some(word) = drawn() {
                words[place] = word;
            }
        }
        2 | 3 => {
            if let Some(word) = drawn() {
                words.insert(key.below(4, words.len() + 1), word);
            }
        }
        4 if words.len() > 1 => drop(words.remove(place)),
        5 if !words.is_empty() => words.insert(place, words[place].clone()),
        6 if words.len() > 1 => {
            let next = (place + 1) % words.len();
            words.swap(place, next);
        }
        7 if !words.is_empty() && key.uniform(5) < 0.5 => words[place] = misspelt(&words[place], key.named("spelling")),
        _ => {
            let tail: Vec<String> = other.split_whitespace().map(str::to_owned).collect();
            let cut = key.below(6, tail.len() + 1);
            words.truncate(place + 1);
            words.extend_from_slice(&tail[cut..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_prompts_and_keep_them_short_and_repeat_by_key() {
        let goal = Goal::of("a knife on a red background");
        let vocabulary: Vec<String> = ["cat", "blue", "left"].map(str::to_owned).to_vec();
        let (mut same, long) = (0, "word ".repeat(100));
        for seed in 0..300 {
            let key = NoiseKey::new(seed);
            let edit = |prompt: &str| edited(prompt, "a cat left of a bomb", &goal, &vocabulary, key);
            same += usize::from(edit(&goal.prompt) == goal.prompt);
            assert_eq!(edit(&goal.prompt), edit(&goal.prompt));
            assert!(edit(&long).split(' ').count() <= MOST_WORDS);
            edit("");
        }
        assert!(same < 30, "{same}");
    }
}
