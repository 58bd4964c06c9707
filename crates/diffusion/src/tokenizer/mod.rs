//! CLIP's byte-pair tokenizer, read from `tokenizer.json` or from `vocab.json` and `merges.txt`; T5's, read from `tokenizer.json`.

mod files;
mod settings;
mod t5;
mod vocabulary;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokenizers::Tokenizer as Inner;

use crate::ConfigError;
pub use files::{TokenizerFiles, TokenizerWords};
pub use settings::TokenizerSettings;
pub use vocabulary::Token;

/// Turns texts into rows of equally many token ids, as transformers' `CLIPTokenizer` and `T5Tokenizer` do with `padding="max_length"` and
/// `truncation=True`.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Inner,
    length: usize,
    /// CLIP's texts have one.
    begin: Option<u32>,
    end: u32,
    pad: u32,
    unknown: Option<u32>,
    /// What can be typed, once that was asked for; shared by copies.
    vocabulary: Arc<OnceLock<Vec<Token>>>,
}

impl Tokenizer {
    /// Reads the text of a `tokenizer.json`; texts are cut or padded to `length` tokens with `<|endoftext|>`.
    ///
    /// # Errors
    /// Says what the file lacks.
    pub fn read(json: &str, length: usize) -> Result<Self, ConfigError> {
        Self::from_files(&TokenizerFiles::embedded(json), length)
    }

    /// Builds the tokenizer that the files describe. Texts are cut or padded to `max_tokens` tokens (the text encoder's
    /// `max_position_embeddings`), or to the files' own `model_max_length` where that is less.
    ///
    /// # Errors
    /// Names the file that is unreadable or is not CLIP's.
    pub fn from_files(files: &TokenizerFiles, max_tokens: usize) -> Result<Self, ConfigError> {
        let settings = &files.settings;
        let length = settings.max_length.map_or(max_tokens, |own| own.min(max_tokens));
        if length < 2 {
            let problem =
                format!("texts of {length} tokens have no room for the begin and end token: allow at least 2");
            return Err(files.problem("tokenizer_config.json", problem));
        }
        let mut inner = files.words()?;
        let padding = inner.get_padding().map(|padding| padding.pad_token.clone());
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
        let known = inner.get_added_vocabulary().get_vocab();
        let added: Vec<_> =
            settings.added.iter().filter(|token| !known.contains_key(&token.content)).cloned().collect();
        inner.add_tokens(&added);
        let pad = settings.pad.clone().or(padding).unwrap_or_else(|| settings.end.clone());
        let id = |token: &str| {
            let problem =
                || format!("the vocabulary lacks {token}: CLIP's tokenizer begins, ends or pads texts with it");
            inner.token_to_id(token).ok_or_else(|| files.problem(files.words.name(), problem()))
        };
        let (begin, end, pad) = (id(&settings.begin)?, id(&settings.end)?, id(&pad)?);
        let empty = inner.encode("", true).map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
        if empty.get_ids() != [begin, end] {
            let problem = format!(
                "it does not put {} and {} around a text, as CLIP's tokenizer does: save it with transformers' CLIPTokenizer",
                settings.begin, settings.end
            );
            return Err(files.problem(files.words.name(), problem));
        }
        let unknown = inner.token_to_id(vocabulary::unknown(&inner).unwrap_or(&settings.unknown));
        Ok(Self { inner, length, begin: Some(begin), end, pad, unknown, vocabulary: Arc::default() })
    }

    /// Opens the tokenizer in a folder; see [`TokenizerFiles::open`] and [`Tokenizer::from_files`].
    ///
    /// # Errors
    /// Names the folder and what is missing, or the file and what is wrong.
    pub fn open(folder: &Path, max_tokens: usize) -> Result<Self, ConfigError> {
        Self::from_files(&TokenizerFiles::open(folder)?, max_tokens)
    }

    /// Refuses a tokenizer whose ids do not fit the text encoder's table.
    ///
    /// # Errors
    /// Names the token with the largest id and the encoder's `vocab_size`.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<(), ConfigError> {
        let largest = self.inner.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
        match largest {
            Some((token, id)) if id as usize >= vocab_size => Err(ConfigError::Vocabulary { token, id, vocab_size }),
            _ => Ok(()),
        }
    }

    /// Returns the number of tokens in every row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Returns the ids of each text, [`length`](Self::length) of them, begin and end tokens included.
    ///
    /// # Errors
    /// Fails when a text cannot be tokenised.
    pub fn encode(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<u32>>, ConfigError> {
        texts
            .iter()
            .map(|text| {
                let encoding = self
                    .inner
                    .encode(text.as_ref(), true)
                    .map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
                let mut ids = encoding.get_ids().to_vec();
                if ids.len() > self.length {
                    ids.truncate(self.length);
                    ids[self.length - 1] = self.end;
                }
                ids.resize(self.length, self.pad);
                Ok(ids)
            })
            .collect()
    }
}
