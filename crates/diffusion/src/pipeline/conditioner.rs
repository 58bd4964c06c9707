//! From prompts to what a denoiser is conditioned on.

use std::ops::Range;

use burn::tensor::Tensor;

use super::family::ClipStates;
use super::prompts::PromptTokens;
use crate::tokenizer::Tokenizer;
use crate::transformer::widened;
use crate::{AddedConditions, ConfigError, T5Encoder, TextContext, TextEncoder};

/// Values in the states of prompts that are encoded at once: 64 MiB, and several times as much on the way.
const VALUES: usize = 1 << 24;

/// A text encoder and the tokenizer of its vocabulary.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) tokenizer: Tokenizer,
    pub(super) encoder: Encoder,
    /// Whether its tokens are those of the first reader, with the same ids.
    pub(super) shares: bool,
}

/// A text encoder, and what is read from it.
#[derive(Clone)]
pub(super) enum Encoder {
    Clip { encoder: Box<TextEncoder>, states: ClipStates, pooled: bool },
    T5(Box<T5Encoder>),
}

impl Encoder {
    /// Returns the tokens of its table.
    pub(super) fn vocab_size(&self) -> usize {
        match self {
            Self::Clip { encoder, .. } => encoder.config().vocab_size,
            Self::T5(encoder) => encoder.config().vocab_size,
        }
    }

    /// Returns the width of its embeddings.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Clip { encoder, .. } => encoder.config().hidden_size,
            Self::T5(encoder) => encoder.config().d_model,
        }
    }

    /// Returns the embeddings of all tokens, `[vocabulary, width]`.
    pub(super) fn table(&self) -> Tensor<2> {
        match self {
            Self::Clip { encoder, .. } => encoder.table(),
            Self::T5(encoder) => encoder.table(),
        }
    }

    /// Returns the embeddings of tokens, `[rows, tokens, width]`.
    pub(super) fn embed(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        match self {
            Self::Clip { encoder, .. } => encoder.embed(ids),
            Self::T5(encoder) => encoder.embed(ids),
        }
    }
}

impl Reader {
    pub(super) fn new(tokenizer: Tokenizer, encoder: Encoder) -> Self {
        Self { tokenizer, encoder, shares: true }
    }

    /// Returns how many prompts are encoded at once.
    fn batch(&self) -> usize {
        let tokens = match &self.encoder {
            Encoder::Clip { encoder, .. } => encoder.config().max_position_embeddings,
            Encoder::T5(_) => self.tokenizer.length(),
        };
        (VALUES / (tokens * self.encoder.width())).max(1)
    }
}

/// How a pipeline reads prompts: the states of CLIP's encoders side by side, T5's tokens after them, pooled vectors side by side.
#[derive(Clone)]
pub(super) struct Conditioner {
    readers: Vec<Reader>,
    /// Numbers that are embedded beside every prompt (see [`AddedConditions::time_ids`]).
    numbers: Vec<f32>,
    /// Whether zeros stand for no prompt.
    zeros: bool,
}

impl Conditioner {
    /// Joins text encoders, of which there is one at least.
    pub(super) fn new(mut readers: Vec<Reader>, numbers: Vec<f32>, zeros: bool) -> Self {
        if let Some((first, others)) = readers.split_first_mut() {
            for other in others {
                let as_long = other.encoder.vocab_size() == first.encoder.vocab_size();
                other.shares = as_long && other.tokenizer.has_vocabulary_of(&first.tokenizer);
            }
        }
        Self { readers, numbers, zeros }
    }

    /// Returns a conditioner of one encoder's states after its final norm.
    pub(super) fn of_one(tokenizer: Tokenizer, encoder: TextEncoder) -> Self {
        let encoder = Encoder::Clip { encoder: Box::new(encoder), states: ClipStates::Last, pooled: false };
        Self::new(vec![Reader::new(tokenizer, encoder)], Vec::new(), false)
    }

    /// Returns the encoders with their tokenizers, in order.
    pub(super) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    /// Returns how many bytes the states of a prompt's tokens take.
    pub(super) fn context_bytes(&self) -> u64 {
        let (mut beside, mut after) = ([0, 0], [0, 0]);
        for Reader { tokenizer, encoder, .. } in &self.readers {
            match encoder {
                Encoder::Clip { states: ClipStates::None, .. } => {}
                Encoder::Clip { .. } => beside = [tokenizer.length(), beside[1] + encoder.width()],
                Encoder::T5(_) => after = [tokenizer.length(), encoder.width()],
            }
        }
        let values = beside[0] * beside[1].max(after[1]) + after[0] * after[1];
        let size = self.readers.first().map_or(0, |reader| reader.encoder.table().dtype().size());
        (values * size) as u64
    }

    /// Returns the contexts of prompts.
    pub(super) fn encode(&self, prompts: &[impl AsRef<str>]) -> Result<TextContext, ConfigError> {
        Ok(self.encode_tokens(&self.tokens(prompts)?))
    }

    /// Returns the tokens of prompts.
    pub(super) fn tokens(&self, prompts: &[impl AsRef<str>]) -> Result<PromptTokens, ConfigError> {
        let ids = self.readers().iter().map(|reader| reader.tokenizer.encode(prompts));
        Ok(PromptTokens::new(ids.collect::<Result<_, _>>()?))
    }

    /// Returns the contexts of tokens that every encoder has in its table.
    pub(super) fn encode_tokens(&self, tokens: &PromptTokens) -> TextContext {
        self.encode_with(tokens, |encoder, rows| self.readers()[encoder].encoder.embed(&tokens.ids(encoder)[rows]))
    }

    /// Returns the contexts of embeddings that stand for tokens, one tensor of the right shape for each encoder.
    pub(super) fn encode_embedded(&self, tokens: &PromptTokens, embedded: &[Tensor<3>]) -> TextContext {
        self.encode_with(tokens, |encoder, rows| embedded[encoder].clone().narrow(0, rows.start, rows.len()))
    }

    /// Returns the contexts of rows whose embeddings `embed` returns for an encoder.
    fn encode_with(&self, tokens: &PromptTokens, embed: impl Fn(usize, Range<usize>) -> Tensor<3>) -> TextContext {
        let (rows, batch) = (tokens.rows(), self.readers().iter().map(Reader::batch).min().unwrap_or(1));
        let encode = |rows: Range<usize>| self.encode_batch(tokens, &rows, |encoder| embed(encoder, rows.clone()));
        if rows <= batch {
            return encode(0..rows);
        }
        let parts = (0..rows).step_by(batch).map(|start| encode(start..(start + batch).min(rows))).collect();
        TextContext::cat(parts).unwrap_or_else(|| unreachable!("there are more prompts than a batch holds"))
    }

    fn encode_batch(
        &self,
        tokens: &PromptTokens,
        rows: &Range<usize>,
        embedded: impl Fn(usize) -> Tensor<3>,
    ) -> TextContext {
        let (mut beside, mut after, mut pooled) = (Vec::new(), None, Vec::new());
        for (index, reader) in self.readers.iter().enumerate() {
            match &reader.encoder {
                Encoder::Clip { encoder, states: ClipStates::Last, pooled: false } => {
                    beside.push(encoder.forward_embedded(embedded(index)));
                }
                Encoder::Clip { encoder, states, pooled: is_pooled } => {
                    let own = encoder.states_embedded(embedded(index));
                    if *is_pooled {
                        pooled.push(encoder.pool_and_project(own.last.clone(), &tokens.ids(index)[rows.clone()]));
                    }
                    match states {
                        ClipStates::None => {}
                        ClipStates::Last => beside.push(own.last),
                        ClipStates::Penultimate => beside.push(own.penultimate),
                    }
                }
                Encoder::T5(encoder) => after = Some(encoder.forward_embedded(embedded(index))),
            }
        }
        let states = match (joined(beside, 2), after) {
            (Some(beside), Some(after)) => {
                let width = after.dims()[2];
                Tensor::cat(vec![widened(beside, width), after], 1)
            }
            (beside, after) => beside.or(after).unwrap_or_else(|| unreachable!("an encoder's states are read")),
        };
        let added = joined(pooled, 1).map(|pooled| AddedConditions { pooled, time_ids: self.numbers.clone() });
        TextContext { states, added, guidance: None }
    }

    /// Returns what stands for no prompt.
    pub(super) fn unconditional(&self) -> Result<TextContext, ConfigError> {
        let empty = self.encode(&[""])?;
        Ok(if self.zeros { empty.zeros_like() } else { empty })
    }
}

/// Joins tensors along a dimension; nothing of none.
fn joined<const D: usize>(mut parts: Vec<Tensor<D>>, dimension: usize) -> Option<Tensor<D>> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Tensor::cat(parts, dimension)),
    }
}
