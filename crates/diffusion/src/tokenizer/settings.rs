//! Special tokens and the longest text, as `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say.
//!
//! transformers reads them so: where `tokenizer_config.json` has `added_tokens_decoder`, it decides alone. Older folders lack
//! that field; there `special_tokens_map.json` comes before `tokenizer_config.json` (Stable Diffusion 2's two files name
//! different pad tokens), and `added_tokens.json` may add tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::files::{file_problem, text};
use crate::ConfigError;

const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";
const BEGIN: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// Classes of transformers that read CLIP's files.
const CLASSES: [&str; 4] = ["CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"];

/// A tokenizer's special tokens and its longest text.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerSettings {
    /// Begins every text.
    pub begin: String,
    /// Ends every text.
    pub end: String,
    /// Stands for what is not in the vocabulary.
    pub unknown: String,
    /// Fills short texts up; where nothing is said, `tokenizer.json` may say it, and otherwise it is the end token.
    pub pad: Option<String>,
    /// Tokens that are found in a text before it is cut into words, in order. The special tokens are among them: a text's
    /// "!" is the token 0 where that is the pad token.
    pub added: Vec<AddedToken>,
    /// Longest text in tokens, begin and end included; `None` where it is not limited.
    pub max_length: Option<usize>,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        let added = [BEGIN, END].map(|token| AddedToken::from(token, true)).into();
        Self { begin: BEGIN.into(), end: END.into(), unknown: END.into(), pad: None, added, max_length: None }
    }
}

impl TokenizerSettings {
    /// Reads the settings of a folder; files that are not there say nothing.
    ///
    /// # Errors
    /// Names the file, and the field whose value is not known.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let config = object(folder, CONFIG)?;
        let of_config = File { folder, name: CONFIG, object: &config };
        of_config.expect("tokenizer_class", &CLASSES, "give the tokenizer of a CLIP text encoder")?;
        of_config.expect("padding_side", &["right"], "CLIP's texts are filled up on the right")?;
        of_config.expect("truncation_side", &["right"], "CLIP's texts are cut on the right")?;
        let mut added = of_config.decoder()?;
        let mut files = vec![of_config];
        let (special, more);
        let is_old = added.is_none();
        if is_old {
            special = object(folder, SPECIAL)?;
            files.insert(0, File { folder, name: SPECIAL, object: &special });
        }
        let find = |field| files.iter().find_map(|file| file.token(field).transpose()).transpose();
        let named = [find("bos_token")?, find("eos_token")?, find("unk_token")?, find("pad_token")?];
        if is_old {
            more = object(folder, ADDED)?;
            let names: BTreeSet<&str> = named.iter().flatten().map(|token| token.content.as_str()).collect();
            added = Some(File { folder, name: ADDED, object: &more }.ids(&names)?);
        }
        let mut added = added.unwrap_or_default();
        let content = |index: usize| named[index].as_ref().map(|token: &AddedToken| token.content.clone());
        let settings = Self {
            begin: content(0).unwrap_or_else(|| BEGIN.into()),
            end: content(1).unwrap_or_else(|| END.into()),
            unknown: content(2).unwrap_or_else(|| END.into()),
            pad: content(3),
            added: Vec::new(),
            max_length: files.iter().rev().find_map(File::max_length),
        };
        let listed: BTreeSet<String> = added.iter().map(|token| token.content.clone()).collect();
        let unnamed = [&settings.begin, &settings.end].map(|token| AddedToken::from(token.as_str(), true));
        let mut specials: Vec<AddedToken> = Vec::new();
        for token in unnamed.into_iter().chain(named.into_iter().flatten()) {
            match specials.iter_mut().find(|known| known.content == token.content) {
                Some(known) => *known = token,
                None => specials.push(token),
            }
        }
        added.extend(specials.into_iter().filter(|token| !listed.contains(&token.content)));
        Ok(Self { added, ..settings })
    }
}

/// A JSON object with where it is from, for errors.
struct File<'a> {
    folder: &'a Path,
    name: &'static str,
    object: &'a Map<String, Value>,
}

impl File<'_> {
    fn problem(&self, field: &str, value: &Value, wanted: &str) -> ConfigError {
        file_problem(&self.folder.join(self.name), format!("`{field}` is {value}: {wanted}"))
    }

    /// Refuses values of a field that are not among those known.
    fn expect(&self, field: &str, known: &[&str], wanted: &str) -> Result<(), ConfigError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(value)) if known.contains(&value.as_str()) => Ok(()),
            Some(value) => Err(self.problem(field, value, wanted)),
        }
    }

    /// Returns a special token that the file names.
    fn token(&self, field: &str) -> Result<Option<AddedToken>, ConfigError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match token(value) {
                Some(token) => Ok(Some(token.special(true))),
                None => Err(self.problem(field, value, "a token, or an object with its `content`, is known")),
            },
        }
    }

    /// Returns the tokens of `added_tokens_decoder`, by id.
    fn decoder(&self) -> Result<Option<Vec<AddedToken>>, ConfigError> {
        let field = "added_tokens_decoder";
        let wanted = "an object from ids to tokens is known";
        let Some(value) = self.object.get(field) else { return Ok(None) };
        let entries = value.as_object().ok_or_else(|| self.problem(field, value, wanted))?;
        let entry = |(id, value): (&String, &Value)| {
            let id: Option<u32> = id.parse().ok();
            id.zip(token(value)).ok_or_else(|| self.problem(field, value, wanted))
        };
        let tokens: BTreeMap<u32, AddedToken> = entries.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Some(tokens.into_values().collect()))
    }

    /// Returns the tokens of `added_tokens.json`, a map from tokens to ids; those among `names` are special.
    fn ids(&self, names: &BTreeSet<&str>) -> Result<Vec<AddedToken>, ConfigError> {
        let entry = |(token, id): (&String, &Value)| {
            let wanted = "an object from tokens to ids is known";
            let number = id.as_u64().ok_or_else(|| self.problem(token, id, wanted))?;
            Ok((number, AddedToken::from(token.as_str(), names.contains(token.as_str()))))
        };
        let tokens: BTreeMap<u64, AddedToken> = self.object.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(tokens.into_values().collect())
    }

    /// Returns `model_max_length`; transformers writes 10³⁰ for "not limited".
    fn max_length(&self) -> Option<usize> {
        self.object.get("model_max_length").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok())
    }
}

/// Returns a token that is given by its content, or by an object with `content`.
fn token(value: &Value) -> Option<AddedToken> {
    let flag = |name: &str, default: bool| value.get(name).and_then(Value::as_bool).unwrap_or(default);
    let content = value.get("content").unwrap_or(value).as_str()?;
    let special = flag("special", value.is_string());
    Some(
        AddedToken::from(content, special)
            .single_word(flag("single_word", false))
            .lstrip(flag("lstrip", false))
            .rstrip(flag("rstrip", false))
            .normalized(flag("normalized", !special)),
    )
}

/// Returns a file's JSON object, an empty one where there is no such file.
fn object(folder: &Path, name: &'static str) -> Result<Map<String, Value>, ConfigError> {
    let Some(text) = text(folder, name)? else { return Ok(Map::new()) };
    serde_json::from_str(&text)
        .map_err(|source| file_problem(&folder.join(name), format!("it is unreadable: {source}")))
}
