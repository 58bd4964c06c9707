//! The vocabulary of a tokenizer, for search over prompts.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::ModelWrapper;
use tokenizers::{Decoder, Tokenizer as Inner};

use super::Tokenizer;

/// A blank, as byte-pair vocabularies write it.
const BLANK: &str = "\u{120}";
/// What a piece of a word is tried in front of. Rare letters first: they seldom merge with what is before them.
const AFTER: [&str; 16] = ["q", "z", "x", "j", "k", "v", "a", "e", "s", "n", "!", ".", "-", "'", "#", "\u{e9}"];

/// A token that can be typed in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The text that it is read from, without blanks.
    pub text: String,
    /// Whether the token ends a word, so that its text alone is read as this token. Other tokens are read where more of the same word
    /// follows.
    pub ends_word: bool,
}

/// How a vocabulary writes a token.
enum Written<'a> {
    /// As the text that it is.
    Plain(&'a str),
    /// The bytes of a word's last piece, each as a character.
    Last(&'a str),
    /// The same of another piece.
    Piece(&'a str),
}

impl Tokenizer {
    /// Returns the number of tokens that a prompt may have: [`length`](Self::length) without the begin token, where there is one, and the end token.
    pub fn room(&self) -> usize {
        self.length - 1 - usize::from(self.begin.is_some())
    }

    /// Returns every token that can be typed in a prompt, by ascending id. Begin, end, pad and unknown tokens are left out, and so are
    /// tokens that no text is read as: capital letters, parts of a character, pieces that merges always join to a longer one.
    ///
    /// The texts of tokens in a row need not be read as the same tokens: two pieces may be a third together. Who changes tokens keeps
    /// those rows for which [`encode`](Self::encode) of [`decode`](Self::decode) returns the same ids.
    ///
    /// Each token is read once, when the list is first asked for: Stable Diffusion's 49 408 take about a second.
    pub fn vocabulary(&self) -> &[Token] {
        self.vocabulary.get_or_init(|| self.typeable())
    }

    fn typeable(&self) -> Vec<Token> {
        let tokens: BTreeMap<u32, String> =
            self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        let tokens: Vec<_> = tokens.into_iter().collect();
        tokens.into_par_iter().filter_map(|(id, token)| self.typed(id, &token)).collect()
    }

    /// Returns the text of the tokens between begin and end, with a blank after each word. Ids that are not in the vocabulary have no
    /// text.
    ///
    /// Of what [`encode`](Self::encode) returns it is the text in normal form, which has the same ids. Of other ids it need not be (see
    /// [`vocabulary`](Self::vocabulary)).
    pub fn decode(&self, ids: &[u32]) -> String {
        let (mut text, mut pieces) = (String::new(), Vec::new());
        for id in self.between(ids) {
            let Some(token) = self.inner.id_to_token(*id) else { continue };
            match self.written(*id, &token) {
                Written::Plain(word) => {
                    text += &joined(std::mem::take(&mut pieces));
                    text += word;
                    text.push(' ');
                }
                Written::Last(piece) => pieces.extend([piece.to_owned(), BLANK.to_owned()]),
                Written::Piece(piece) => pieces.push(piece.to_owned()),
            }
        }
        text += &joined(pieces);
        text.trim().to_owned()
    }

    /// Returns the ids of a row between begin and end token.
    pub fn between<'a>(&self, ids: &'a [u32]) -> &'a [u32] {
        let ids = self.begin.and_then(|begin| ids.strip_prefix(&[begin])).unwrap_or(ids);
        ids.split(|id| *id == self.end).next().unwrap_or_default()
    }

    /// Returns the row of the tokens of a prompt, [`length`](Self::length) ids with begin, end and pad tokens; `None` where they are
    /// more than there is [`room`](Self::room) for.
    pub fn row(&self, tokens: &[u32]) -> Option<Vec<u32>> {
        if tokens.len() > self.room() {
            return None;
        }
        let mut ids = Vec::from_iter(self.begin);
        ids.extend(tokens);
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        Some(ids)
    }

    /// Returns whether no part of a text is read as the unknown token: always so with byte-pair vocabularies, such as those of Stable
    /// Diffusion and of `emoji-32`, unless the text spells that token out. See [`has_words`](Self::has_words) for whether words are
    /// whole.
    pub fn knows(&self, text: &str) -> bool {
        let read = self.ids_of(text);
        read.is_some_and(|ids| !self.unknown.is_some_and(|unknown| ids.contains(&unknown)))
    }

    /// Returns whether every word of a text is a token of its own, none spelt in pieces or unknown. A small model such as `emoji-32`
    /// has seen no other words.
    pub fn has_words(&self, text: &str) -> bool {
        let ends_word = |id: &u32| {
            let token = self.inner.id_to_token(*id);
            token.is_some_and(|token| !matches!(self.written(*id, &token), Written::Piece(_)))
        };
        self.knows(text) && self.ids_of(text).is_some_and(|ids| ids.iter().all(ends_word))
    }

    /// Returns whether another tokenizer has the same tokens with the same ids. They may pad texts otherwise.
    pub fn has_vocabulary_of(&self, other: &Self) -> bool {
        self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// Returns the ids of a text without begin and end.
    fn ids_of(&self, text: &str) -> Option<Vec<u32>> {
        self.inner.encode_fast(text, false).ok().map(|encoding| encoding.get_ids().to_vec())
    }

    /// Returns how a token is written.
    fn written<'a>(&self, id: u32, token: &'a str) -> Written<'a> {
        let is_added = self.inner.get_added_vocabulary().simple_id_to_token(id).is_some();
        match self.inner.get_model() {
            ModelWrapper::BPE(model) if !is_added => {
                let suffix = model.end_of_word_suffix.as_deref().filter(|suffix| !suffix.is_empty());
                let stem = suffix.and_then(|suffix| token.strip_suffix(suffix));
                stem.map_or(Written::Piece(token), Written::Last)
            }
            _ => Written::Plain(token),
        }
    }

    /// Returns a token as it is typed; `None` where it cannot be.
    fn typed(&self, id: u32, token: &str) -> Option<Token> {
        let added = self.inner.get_added_vocabulary();
        let special = [self.begin, Some(self.end), Some(self.pad), self.unknown];
        if special.contains(&Some(id)) || added.is_special_token(token) {
            return None;
        }
        let (text, ends_word) = match self.written(id, token) {
            Written::Plain(word) => (word.to_owned(), true),
            Written::Last(piece) => (joined(vec![piece.to_owned()]), true),
            Written::Piece(piece) => (joined(vec![piece.to_owned()]), false),
        };
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER) {
            return None;
        }
        let can_be_typed = if ends_word {
            self.ids_of(&text)? == [id]
        } else {
            let begins = |ids: Vec<u32>| ids.len() > 1 && ids.first() == Some(&id);
            AFTER.iter().any(|next| self.ids_of(&format!("{text}{next}")).is_some_and(begins))
        };
        can_be_typed.then_some(Token { id, text, ends_word })
    }
}

/// Returns the token that a vocabulary has for what it does not know.
pub(super) fn unknown(inner: &Inner) -> Option<&str> {
    match inner.get_model() {
        ModelWrapper::BPE(model) => model.unk_token.as_deref(),
        ModelWrapper::WordLevel(model) => Some(&model.unk_token),
        ModelWrapper::WordPiece(model) => Some(&model.unk_token),
        ModelWrapper::Unigram(_) => None,
    }
}

/// Returns the text of pieces of byte-pair vocabularies, which write each byte as a character of its own.
fn joined(pieces: Vec<String>) -> String {
    ByteLevel::default().decode_chain(pieces).map(|texts| texts.concat()).unwrap_or_default()
}
