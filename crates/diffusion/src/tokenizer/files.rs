//! The files of a tokenizer's folder, and the byte-pair tokenizer that they describe.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokenizers::Tokenizer as Inner;

use super::settings::TokenizerSettings;
use crate::ConfigError;

/// How CLIP cuts normalised text into words. The first two alternatives keep special tokens whole.
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// Marks a token that ends a word.
const END_OF_WORD: &str = "</w>";

/// What a folder like `tokenizer/` holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFiles {
    /// The folder, for errors.
    pub folder: PathBuf,
    /// Vocabulary and merges.
    pub words: TokenizerWords,
    /// Special tokens and the longest text.
    pub settings: TokenizerSettings,
}

/// Vocabulary and merges in either of transformers' forms, as text.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerWords {
    /// `tokenizer.json`: everything in one file.
    Json(String),
    /// `vocab.json` and `merges.txt`, the form of Stable Diffusion's pipelines.
    Merges {
        /// `vocab.json`: a map from tokens to ids.
        vocab: String,
        /// `merges.txt`: a pair of tokens in each line, the most frequent first.
        merges: String,
    },
}

impl TokenizerWords {
    /// Returns the name of the file that holds the vocabulary.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Json(_) => "tokenizer.json",
            Self::Merges { .. } => "vocab.json",
        }
    }
}

impl TokenizerFiles {
    /// Reads a tokenizer's folder: `tokenizer.json`, or else `vocab.json` and `merges.txt`; and beside them, where they are
    /// there, `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
    ///
    /// # Errors
    /// Names the folder and what it lacks, or the file and why it is unreadable.
    pub fn open(folder: &Path) -> Result<Self, ConfigError> {
        let words = match (text(folder, "tokenizer.json")?, text(folder, "vocab.json")?, text(folder, "merges.txt")?) {
            (Some(json), ..) => TokenizerWords::Json(json),
            (None, Some(vocab), Some(merges)) => TokenizerWords::Merges { vocab, merges },
            (None, vocab, merges) => {
                let missing = match (vocab, merges) {
                    (Some(_), None) => "merges.txt",
                    (None, Some(_)) => "vocab.json",
                    _ => "tokenizer.json (or vocab.json and merges.txt)",
                };
                return Err(ConfigError::NoTokenizer { folder: folder.to_owned(), missing });
            }
        };
        let settings = TokenizerSettings::read(folder)?;
        Ok(Self { folder: folder.to_owned(), words, settings })
    }

    /// Takes the text of a `tokenizer.json` that is not in a folder.
    pub fn embedded(json: &str) -> Self {
        Self {
            folder: "tokenizer".into(),
            words: TokenizerWords::Json(json.to_owned()),
            settings: TokenizerSettings::default(),
        }
    }

    /// Builds the tokenizer, without the added tokens of the settings.
    pub(super) fn words(&self) -> Result<Inner, ConfigError> {
        match &self.words {
            TokenizerWords::Json(text) => {
                let read = text.parse();
                read.map_err(|source: tokenizers::Error| {
                    self.problem("tokenizer.json", format!("it is unreadable: {source}"))
                })
            }
            TokenizerWords::Merges { vocab, merges } => self.clip(vocab, merges),
        }
    }

    /// Builds the tokenizer that transformers' `CLIPTokenizer` builds around a vocabulary and merges: NFC, white space as
    /// one blank, lower case, [`WORDS`], and byte pairs.
    fn clip(&self, vocab: &str, merges: &str) -> Result<Inner, ConfigError> {
        let vocab: BTreeMap<String, u32> = serde_json::from_str(vocab)
            .map_err(|source| self.problem("vocab.json", format!("it is unreadable: {source}")))?;
        let id = |token: &String| {
            let problem = || format!("the vocabulary lacks {token}: CLIP's tokenizer begins or ends texts with it");
            vocab.get(token).copied().ok_or_else(|| self.problem("vocab.json", problem()))
        };
        let TokenizerSettings { begin, end, unknown, .. } = &self.settings;
        let pairs = self.pairs(merges, &vocab)?;
        let (begin, end) = ((begin, id(begin)?), (end, id(end)?));
        let tokenizer = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ]},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            ]},
            "post_processor": {
                "type": "RobertaProcessing", "sep": end, "cls": begin, "trim_offsets": false, "add_prefix_space": false,
            },
            "decoder": null,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": "",
                "end_of_word_suffix": END_OF_WORD, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocab, "merges": pairs,
            },
        });
        serde_json::from_value(tokenizer)
            .map_err(|source| self.problem("vocab.json", format!("it and merges.txt make no tokenizer: {source}")))
    }

    /// Returns the pairs of `merges.txt`; every pair and its union must be tokens.
    fn pairs<'a>(
        &self,
        merges: &'a str,
        vocab: &BTreeMap<String, u32>,
    ) -> Result<Vec<(&'a str, &'a str)>, ConfigError> {
        let lines = merges.lines().enumerate().filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
        lines
            .map(|(index, line)| {
                let problem =
                    |what: String| self.problem("merges.txt", format!("line {} is `{line}`: {what}", index + 1));
                let (first, second) = line
                    .split_once(' ')
                    .filter(|(first, second)| !first.is_empty() && !second.is_empty() && !second.contains(' '))
                    .ok_or_else(|| problem("two tokens with a blank between them are known".into()))?;
                let union = format!("{first}{second}");
                let unknown = [first, second, &union].into_iter().find(|token| !vocab.contains_key(*token));
                let mismatch =
                    |token| problem(format!("vocab.json lacks `{token}`; the two files belong to different models"));
                unknown.map_or(Ok((first, second)), |token| Err(mismatch(token)))
            })
            .collect()
    }

    pub(super) fn problem(&self, name: &str, problem: String) -> ConfigError {
        file_problem(&self.folder.join(name), problem)
    }
}

/// Returns a file's text; nothing where there is no such file.
pub(super) fn text(folder: &Path, name: &str) -> Result<Option<String>, ConfigError> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_problem(&path, format!("it cannot be read: {error}"))),
    }
}

pub(super) fn file_problem(path: &Path, problem: String) -> ConfigError {
    ConfigError::TokenizerFile { file: path.to_owned(), problem }
}
