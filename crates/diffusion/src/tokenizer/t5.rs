//! T5's tokenizer: SentencePiece's unigram model, as `tokenizer.json` has it.

use std::path::Path;
use std::sync::Arc;

use tokenizers::Tokenizer as Inner;
use tokenizers::models::ModelWrapper;

use super::Tokenizer;
use super::files::{file_problem, text};
use crate::ConfigError;

const FILE: &str = "tokenizer.json";
const END: &str = "</s>";
const PAD: &str = "<pad>";
const UNKNOWN: &str = "<unk>";

impl Tokenizer {
    /// Opens T5's tokenizer in a folder; texts are cut or padded to `length` tokens.
    ///
    /// # Errors
    /// Names the folder and what is missing, or the file and what is wrong.
    pub fn open_t5(folder: &Path, length: usize) -> Result<Self, ConfigError> {
        let Some(json) = text(folder, FILE)? else {
            return Err(ConfigError::NoT5Tokenizer { folder: folder.to_owned() });
        };
        Self::read_t5(&json, folder, length)
    }

    /// Reads the text of T5's `tokenizer.json`; texts are cut or padded to `length` tokens. `folder` names its place in errors.
    ///
    /// # Errors
    /// Says what the file lacks.
    pub fn read_t5(json: &str, folder: &Path, length: usize) -> Result<Self, ConfigError> {
        let problem = |problem: String| file_problem(&folder.join(FILE), problem);
        let mut inner: Inner =
            json.parse().map_err(|source: tokenizers::Error| problem(format!("it is unreadable: {source}")))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
        let ModelWrapper::Unigram(_) = inner.get_model() else {
            return Err(problem("it is no unigram model: give the tokenizer of a T5 text encoder".into()));
        };
        let id = |token: &str| {
            let missing =
                || problem(format!("the vocabulary lacks {token}: T5's tokenizer ends or pads texts with it"));
            inner.token_to_id(token).ok_or_else(missing)
        };
        let (end, pad) = (id(END)?, id(PAD)?);
        let empty = inner.encode("", true).map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
        if empty.get_ids() != [end] {
            let wanted = format!(
                "it does not put {END} after a text, as T5's tokenizer does: save it with transformers' T5Tokenizer"
            );
            return Err(problem(wanted));
        }
        let unknown = inner.token_to_id(UNKNOWN);
        Ok(Self { inner, length: length.max(1), begin: None, end, pad, unknown, vocabulary: Arc::default() })
    }
}
