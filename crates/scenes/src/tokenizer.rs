//! The embedded model's tokenizer files: CLIP's byte-pair format. Each word of captions is a single token; other words are
//! several.

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

/// Tokens in the vocabulary.
pub const VOCABULARY: usize = 771;
/// The id of `<|endoftext|>`, the last token.
pub const END: i64 = VOCABULARY as i64 - 1;
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

    /// Returns the tokens of a word: its bytes, joined by the merges in their order.
    fn pieces(word: &str) -> Vec<String> {
        let (start, last) = word.split_at(word.len() - 1);
        let mut pieces: Vec<String> = start.chars().map(String::from).chain([format!("{last}</w>")]).collect();
        for (left, right) in MERGES_TXT.lines().skip(1).filter_map(|line| line.split_once(' ')) {
            while let Some(place) = pieces.windows(2).position(|pair| pair == [left, right]) {
                pieces.splice(place..place + 2, [format!("{left}{right}")]);
            }
        }
        pieces
    }

    #[test]
    fn every_word_is_one_token_and_other_text_is_spelt() {
        let vocabulary = vocabulary();
        for word in grammar_words() {
            let pieces = pieces(word);
            assert!(pieces.len() == 1 && vocabulary.contains_key(&pieces[0]), "{word}: {pieces:?}");
        }
        let other = pieces("kitten");
        assert!(other.len() > 1 && other.iter().all(|piece| vocabulary.contains_key(piece)), "{other:?}");
        assert_eq!(other.concat(), "kitten</w>");
    }

    #[test]
    fn the_script_knows_every_word_of_the_grammar() {
        let script = include_str!("../assets/train_tokenizer.py");
        let lists =
            script.split_once("COLOURS = ").and_then(|(_, rest)| rest.split_once("def train")).expect("lists").0;
        let listed: Vec<&str> = lists.split(|c: char| !c.is_ascii_lowercase()).collect();
        for word in grammar_words() {
            let known = listed.contains(&word) || crate::Concept::from_name(word).is_some() || word == ",";
            assert!(known, "{word} is in none of the lists of assets/train_tokenizer.py");
        }
    }

    #[test]
    fn the_vocabulary_has_clips_order() {
        let vocabulary = vocabulary();
        let mut ids: Vec<_> = vocabulary.values().copied().collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..vocabulary.len()));
        assert_eq!(vocabulary.len(), VOCABULARY);
        assert_eq!(vocabulary["<|startoftext|>"], vocabulary.len() - 2);
        assert_eq!(vocabulary["<|endoftext|>"], vocabulary.len() - 1);
        let merges: Vec<_> = MERGES_TXT.lines().skip(1).filter(|line| !line.is_empty()).collect();
        assert_eq!(vocabulary.len(), 512 + merges.len() + 2);
        for (place, merge) in merges.into_iter().enumerate() {
            assert_eq!(vocabulary[&merge.replace(' ', "")], 512 + place, "{merge}");
        }
    }
}
