//! BERT's tokenizer: word pieces of lower-case texts (Devlin et al., 1810.04805).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokenizers::{AddedToken, Tokenizer};

use crate::RewardError;

/// The files that may hold it, the first that is there.
const FILES: [&str; 2] = ["tokenizer.json", "vocab.txt"];
/// What BLIP adds to the vocabulary.
const ADDED: [&str; 2] = ["[DEC]", "[ENC]"];

/// Turns texts into token ids, as BLIP's `BertTokenizer` does, but for padding.
pub(super) struct Words {
    inner: Tokenizer,
    longest: usize,
    end: u32,
}

/// Returns the file that holds a folder's tokenizer.
///
/// # Errors
/// Says that there is none.
pub(super) fn file(folder: &Path) -> Result<PathBuf, RewardError> {
    let found = FILES.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        let problem = "it has no vocab.txt (or tokenizer.json) of BERT: download it, or name a folder that has it as \
                       `tokenizer`, such as hf:google-bert/bert-base-uncased";
        RewardError::file(folder, problem)
    })
}

impl Words {
    /// Opens the tokenizer in a folder; texts are cut to `longest` tokens, and tokens are below `vocabulary`.
    ///
    /// # Errors
    /// Says that there is none, or that it is not BERT's.
    pub(super) fn open(folder: &Path, longest: usize, vocabulary: usize) -> Result<Self, RewardError> {
        let path = file(folder)?;
        let refuse = |problem: String| RewardError::file(&path, problem);
        let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let read = if path.ends_with("vocab.txt") { of_list(&text) } else { text.parse().map_err(|e| format!("{e}")) };
        let mut inner: Tokenizer = read.map_err(|problem| refuse(format!("it is unreadable: {problem}")))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| refuse(error.to_string()))?;
        let id = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| refuse(format!("it lacks {token}: give BERT's, bert-base-uncased")))
        };
        let (begin, end) = (id("[CLS]")?, id("[SEP]")?);
        let added = ADDED.map(|token| AddedToken::from(token, true));
        inner.add_special_tokens(&added);
        let encode = |text: &str| inner.encode(text, true).map(|found| found.get_ids().to_vec());
        if encode("").ok() != Some(vec![begin, end]) {
            return Err(refuse("it does not put [CLS] and [SEP] around a text: give BERT's, bert-base-uncased".into()));
        }
        let largest = inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).max();
        if let Some((id, token)) = largest.filter(|(id, _)| *id as usize >= vocabulary) {
            return Err(refuse(format!(
                "its token {token} has the id {id}, and the model knows {vocabulary} tokens: tokenizer and model do not belong \
                 together; name the folder of bert-base-uncased as `tokenizer`"
            )));
        }
        Ok(Self { inner, longest, end })
    }

    /// Returns a text's tokens, begin and end among them.
    ///
    /// # Errors
    /// Fails when a text cannot be tokenised.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut ids = self.inner.encode(text, true).map_err(|error| error.to_string())?.get_ids().to_vec();
        if ids.len() > self.longest {
            ids.truncate(self.longest);
            ids[self.longest - 1] = self.end;
        }
        Ok(ids)
    }
}

/// Builds the tokenizer that transformers' `BertTokenizer` builds around a list of tokens, one per line.
fn of_list(text: &str) -> Result<Tokenizer, String> {
    let vocabulary: BTreeMap<&str, usize> =
        text.lines().enumerate().map(|(id, token)| (token.trim_end(), id)).collect();
    let id = |token: &str| vocabulary.get(token).copied().ok_or_else(|| format!("it lacks {token}"));
    let (begin, end) = (("[CLS]", id("[CLS]")?), ("[SEP]", id("[SEP]")?));
    id("[UNK]")?;
    let special = |id: usize, content: &str| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true })
    };
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter();
    let specials: Vec<_> = specials.filter_map(|token| Some(special(*vocabulary.get(token)?, token))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": specials,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": end, "cls": begin },
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    serde_json::from_value(tokenizer).map_err(|error| error.to_string())
}
