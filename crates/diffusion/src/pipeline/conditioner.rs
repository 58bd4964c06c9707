//! From prompts to what a denoiser is conditioned on.

use burn::tensor::Tensor;

use crate::tokenizer::Tokenizer;
use crate::unet::ADDED_NUMBERS;
use crate::{AddedConditions, ConfigError, TextContext, TextEncoder};

/// Values in the states of prompts that are encoded at once: 64 MiB, and several times as much on the way.
const VALUES: usize = 1 << 24;

/// A text encoder and the tokenizer of its vocabulary.
#[derive(Clone)]
pub(super) struct Reader {
    tokenizer: Tokenizer,
    encoder: TextEncoder,
}

impl Reader {
    pub(super) fn new(tokenizer: Tokenizer, encoder: TextEncoder) -> Self {
        Self { tokenizer, encoder }
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
    /// Returns the contexts of prompts.
    pub(super) fn encode(&self, prompts: &[impl AsRef<str>]) -> Result<TextContext, ConfigError> {
        let batch = match self {
            Self::One(reader) => reader.batch(),
            Self::Two { readers, .. } | Self::Pooled(readers) => readers[0].batch().min(readers[1].batch()),
        };
        if prompts.len() <= batch {
            return self.encode_batch(prompts);
        }
        let parts = prompts.chunks(batch).map(|prompts| self.encode_batch(prompts)).collect::<Result<_, _>>()?;
        Ok(TextContext::cat(parts).unwrap_or_else(|| unreachable!("there are more prompts than a batch holds")))
    }

    fn encode_batch(&self, prompts: &[impl AsRef<str>]) -> Result<TextContext, ConfigError> {
        match self {
            Self::One(reader) => Ok(reader.encoder.forward(&reader.tokenizer.encode(prompts)?).into()),
            Self::Two { readers, sizes, .. } => {
                let [first, second] = &**readers;
                let own = first.encoder.states(&first.tokenizer.encode(prompts)?).penultimate;
                let ids = second.tokenizer.encode(prompts)?;
                let other = second.encoder.states(&ids);
                let pooled = second.encoder.pool_and_project(other.last, &ids);
                let states = Tensor::cat(vec![own, other.penultimate], 2);
                Ok(TextContext { states, added: Some(AddedConditions { pooled, time_ids: sizes.to_vec() }) })
            }
            Self::Pooled(readers) => {
                let (mut states, mut pooled) = (Vec::new(), Vec::new());
                for Reader { tokenizer, encoder } in &**readers {
                    let ids = tokenizer.encode(prompts)?;
                    let own = encoder.states(&ids);
                    pooled.push(encoder.pool_and_project(own.last, &ids));
                    states.push(own.penultimate);
                }
                let added = AddedConditions { pooled: Tensor::cat(pooled, 1), time_ids: Vec::new() };
                Ok(TextContext { states: Tensor::cat(states, 2), added: Some(added) })
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
