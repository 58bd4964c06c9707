//! A text-to-image diffusion pipeline in the diffusers directory layout: tokenizer, text encoder, denoiser, schedule,
//! and a sampler whose steps have log-probabilities.

use std::path::PathBuf;

mod backbone;
pub mod codec;
mod compute;
mod context;
mod denoiser;
mod gradient;
pub mod hub;
mod nn;
pub mod pipeline;
pub mod sampler;
pub mod schedule;
pub mod single_file;
pub mod text;
pub mod tokenizer;
pub mod transformer;
pub mod unet;
pub mod vae;

pub use backbone::Backbone;
pub use codec::{Codec, PixelCodec};
pub use compute::Compute;
pub use context::{AddedConditions, TextContext};
pub use denoiser::{Blend, Denoiser};
pub use nn::{Conv2d, Embedding, GroupNorm, LayerNorm};
pub use pipeline::{
    Adapted, BaseParameters, Pipeline, PipelineError, PipelineFiles, PromptTokens, TokensError, one_hot_gradient,
};
pub use sampler::Conditions;
pub use schedule::{NoiseLevel, ScheduleConfig, StepRule};
pub use text::{T5Config, T5Encoder, TextConfig, TextEncoder};
pub use tokenizer::{Token, Tokenizer, TokenizerFiles};
pub use transformer::{FluxConfig, FluxTransformer, Sd3Config, Sd3Transformer};
pub use unet::{Unet, UnetConfig};
pub use vae::{Vae, VaeConfig};

/// Why a config of a pipeline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is no JSON of the expected form.
    #[error("{file} is unreadable: {source}: fetch or write it again")]
    Json {
        /// The file.
        file: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The tokenizer is unreadable, or cannot take a text.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A folder holds no tokenizer.
    #[error(
        "{} holds no CLIP tokenizer: {missing} is missing; copy the tokenizer's files there from the model's repository, or \
         from another pipeline with the same text encoder",
        folder.display()
    )]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
        /// The file or files that it lacks.
        missing: &'static str,
    },
    /// A folder holds no tokenizer of T5.
    #[error(
        "{} holds no tokenizer.json: T5's tokenizer is read from it; where there is only spiece.model, load it with transformers' \
         T5Tokenizer, and save_pretrained writes it",
        folder.display()
    )]
    NoT5Tokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A tokenizer's file is unreadable, or is of another tokenizer.
    #[error("{}: {problem}", file.display())]
    TokenizerFile {
        /// The file.
        file: PathBuf,
        /// What is wrong and what is known.
        problem: String,
    },
    /// The tokenizer knows tokens that the text encoder does not.
    #[error(
        "the tokenizer has the token `{token}` with id {id}, and the text encoder's `vocab_size` is {vocab_size}: they belong \
         to different models; use the tokenizer that came with the text encoder"
    )]
    Vocabulary {
        /// The token with the largest id.
        token: String,
        /// Its id.
        id: u32,
        /// Tokens in the text encoder's table.
        vocab_size: usize,
    },
    /// A field has a value that moa does not know.
    #[error("{file}: `{field}` is {value}: {wanted}")]
    Field {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is known.
        wanted: &'static str,
    },
}
