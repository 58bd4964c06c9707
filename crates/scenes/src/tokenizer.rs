//! The embedded model's tokenizer files: CLIP's byte-pair format, every word of the grammar a single token.

/// Token → id: 512 byte symbols, the merges' results, `<|startoftext|>`, `<|endoftext|>`.
pub const VOCAB_JSON: &str = include_str!("../assets/tokenizer/vocab.json");
/// The merges in order of priority.
pub const MERGES_TXT: &str = include_str!("../assets/tokenizer/merges.txt");
/// The same in the form of Hugging Face's `tokenizers`.
pub const TOKENIZER_JSON: &str = include_str!("../assets/tokenizer/tokenizer.json");
/// The names of the special tokens.
pub const SPECIAL_TOKENS_MAP_JSON: &str = include_str!("../assets/tokenizer/special_tokens_map.json");
/// The class and settings that transformers reads.
pub const TOKENIZER_CONFIG_JSON: &str = include_str!("../assets/tokenizer/tokenizer_config.json");

/// Every file of the `tokenizer/` directory: name and content.
pub const FILES: [(&str, &str); 5] = [
    ("vocab.json", VOCAB_JSON),
    ("merges.txt", MERGES_TXT),
    ("tokenizer.json", TOKENIZER_JSON),
    ("special_tokens_map.json", SPECIAL_TOKENS_MAP_JSON),
    ("tokenizer_config.json", TOKENIZER_CONFIG_JSON),
];

/// The longest text in tokens, start and end included; longer ones are cut.
pub const MODEL_MAX_LENGTH: usize = 24;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::grammar_words;

    fn vocabulary() -> HashMap<String, usize> {
        serde_json::from_str(VOCAB_JSON).expect("vocab.json is a map from token to id")
    }

    #[test]
    fn every_word_of_the_grammar_is_a_token() {
        let vocabulary = vocabulary();
        for word in grammar_words() {
            assert!(vocabulary.contains_key(&format!("{word}</w>")), "{word}");
        }
    }

    #[test]
    fn the_vocabulary_has_clips_order() {
        let vocabulary = vocabulary();
        let mut ids: Vec<_> = vocabulary.values().copied().collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..vocabulary.len()));
        assert_eq!(vocabulary["<|startoftext|>"], vocabulary.len() - 2);
        assert_eq!(vocabulary["<|endoftext|>"], vocabulary.len() - 1);
        let merges: Vec<_> = MERGES_TXT.lines().skip(1).filter(|line| !line.is_empty()).collect();
        assert_eq!(vocabulary.len(), 512 + merges.len() + 2);
        for (place, merge) in merges.into_iter().enumerate() {
            assert_eq!(vocabulary[&merge.replace(' ', "")], 512 + place, "{merge}");
        }
    }
}
