//! From prompts to what a denoiser is conditioned on.

use std::ops::Range;

use burn::tensor::Tensor;

use super::prompts::PromptTokens;
use crate::tokenizer::Tokenizer;
use crate::unet::ADDED_NUMBERS;
use crate::{AddedConditions, ConfigError, TextContext, TextEncoder};

/// Values in the states of prompts that are encoded at once: 64 MiB, and several times as much on the way.
const VALUES: usize = 1 << 24;

/// A text encoder and the tokenizer of its vocabulary.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) tokenizer: Tokenizer,
    pub(super) encoder: TextEncoder,
    /// Whether its tokens are those of the first reader, with the same ids.
    pub(super) shares: bool,
}

impl Reader {
    pub(super) fn new(tokenizer: Tokenizer, encoder: TextEncoder) -> Self {
        Self { tokenizer, encoder, shares: true }
    }

    /// Returns both readers of a pipeline.
    pub(super) fn pair(first: Self, second: Self) -> Box<[Self; 2]> {
        let size = |reader: &Self| reader.encoder.config().vocab_size;
        let shares = size(&first) == size(&second) && second.tokenizer.has_vocabulary_of(&first.tokenizer);
        Box::new([first, Self { shares, ..second }])
    }

    /// Returns how many prompts are encoded at once.
    fn batch(&self) -> usize {
        let config = self.encoder.config();
        (VALUES / (config.max_position_embeddings * config.hidden_size)).max(1)
    }
}

/// How a family of models reads prompts.
#[derive(Clone)]
pub(super) enum Conditioner {
    /// Stable Diffusion 1 and 2: one encoder's states after its final norm.
    One(Box<Reader>),
    /// Stable Diffusion XL: two encoders' states before their last layers, side by side; the second one's pooled vector, and
    /// sizes in pixels (Podell et al., 2307.01952).
    Two {
        /// `text_encoder` and `text_encoder_2`.
        readers: Box<[Reader; 2]>,
        /// Original size, top left of the crop, target size: the whole image.
        sizes: [f32; ADDED_NUMBERS],
        /// Whether zeros stand for no prompt.
        zeros: bool,
    },
    /// Stable Diffusion 3: two encoders' states before their last layers, side by side, and both pooled vectors (Esser et al.,
    /// 2403.03206, section 4). The transformer puts zeros where its third encoder's states would be.
    Pooled(Box<[Reader; 2]>),
}

impl Conditioner {
    /// Returns the encoders with their tokenizers, in order.
    pub(super) fn readers(&self) -> &[Reader] {
        match self {
            Self::One(reader) => std::slice::from_ref(reader),
            Self::Two { readers, .. } | Self::Pooled(readers) => &readers[..],
        }
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
        let encode = |rows: Range<usize>| {
            let embedded = (0..self.readers().len()).map(|encoder| embed(encoder, rows.clone())).collect();
            self.encode_batch(tokens, rows, embedded)
        };
        if rows <= batch {
            return encode(0..rows);
        }
        let parts = (0..rows).step_by(batch).map(|start| encode(start..(start + batch).min(rows))).collect();
        TextContext::cat(parts).unwrap_or_else(|| unreachable!("there are more prompts than a batch holds"))
    }

    fn encode_batch(&self, tokens: &PromptTokens, rows: Range<usize>, embedded: Vec<Tensor<3>>) -> TextContext {
        let mut embedded = embedded.into_iter();
        let mut next = || embedded.next().unwrap_or_else(|| unreachable!("every encoder has its embeddings"));
        match self {
            Self::One(reader) => reader.encoder.forward_embedded(next()).into(),
            Self::Two { readers, sizes, .. } => {
                let [first, second] = &**readers;
                let own = first.encoder.states_embedded(next()).penultimate;
                let other = second.encoder.states_embedded(next());
                let pooled = second.encoder.pool_and_project(other.last, &tokens.ids(1)[rows]);
                let states = Tensor::cat(vec![own, other.penultimate], 2);
                TextContext { states, added: Some(AddedConditions { pooled, time_ids: sizes.to_vec() }) }
            }
            Self::Pooled(readers) => {
                let (mut states, mut pooled) = (Vec::new(), Vec::new());
                for (index, Reader { encoder, .. }) in readers.iter().enumerate() {
                    let own = encoder.states_embedded(next());
                    pooled.push(encoder.pool_and_project(own.last, &tokens.ids(index)[rows.clone()]));
                    states.push(own.penultimate);
                }
                let added = AddedConditions { pooled: Tensor::cat(pooled, 1), time_ids: Vec::new() };
                TextContext { states: Tensor::cat(states, 2), added: Some(added) }
            }
        }
    }

    /// Returns what stands for no prompt.
    pub(super) fn unconditional(&self) -> Result<TextContext, ConfigError> {
        let empty = self.encode(&[""])?;
        Ok(match self {
            Self::Two { zeros: true, .. } => empty.zeros_like(),
            _ => empty,
        })
    }
}
