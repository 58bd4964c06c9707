//! A pipeline: text encoders, denoiser, schedule and codec under one roof.

mod changed;
mod conditioner;
mod error;
mod family;
mod file;
mod fit;
mod index;
mod open;
mod parameters;
mod prompts;
mod source;
mod unknown;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use moa_adapter::{AdapterBank, LayerShape};
use moa_core::experiment::{Precision, is_guided};

pub use changed::Adapted;
use changed::Files;
use conditioner::{Conditioner, Reader};
pub use error::PipelineError;
pub use file::tokenizer_beside;
pub use parameters::BaseParameters;
pub use prompts::{PromptTokens, TokensError, one_hot_gradient};
use source::Source;
pub use source::{LAYOUT, OPTIONAL_T5};

use crate::codec::{Codec, PixelCodec};
use crate::schedule::ScheduleConfig;
use crate::tokenizer::Tokenizer;
use crate::{Backbone, Compute, ConfigError, TextContext, TextEncoder, Unet};

/// A text-to-image pipeline on a device.
#[derive(Clone)]
pub struct Pipeline {
    conditioner: Conditioner,
    backbone: Arc<dyn Backbone>,
    schedule: ScheduleConfig,
    codec: Codec,
    /// Whether the denoiser embeds the strength of guidance.
    embeds_guidance: bool,
    compute: Compute,
    /// Where it was read from; nothing of one that was put together.
    files: Option<Arc<Files>>,
}

/// The files of a pipeline, by their path inside its folder.
pub type PipelineFiles<'a> = BTreeMap<&'a str, &'a [u8]>;

impl Pipeline {
    /// Opens a pipeline in diffusers' layout from files in memory. Without a VAE in `model_index.json`, pixels are folded
    /// 2 × 2 into the denoiser's channels.
    ///
    /// # Errors
    /// Names the file, and the field or tensor.
    pub fn open(files: &PipelineFiles<'_>, compute: impl Into<Compute>) -> Result<Self, PipelineError> {
        let pipeline = open::open(&Source::Memory(files), &compute.into())?;
        Ok(Self { files: Some(Arc::new(Files::in_memory(files))), ..pipeline })
    }

    /// Opens a folder in diffusers' layout, as `save_pretrained` writes it: Stable Diffusion 1, 2, XL and 3, latent consistency
    /// models made from them, and FLUX.1. Weights
    /// become what [`Compute::precision`] asks for, whatever precision they are stored in. Stable
    /// Diffusion 3 reads prompts with T5 where the folder has it and [`Compute::t5`] wants it.
    ///
    /// # Errors
    /// Names the folder, the file, and the field or tensor, with a hint.
    pub fn open_folder(folder: &Path, compute: impl Into<Compute>) -> Result<Self, PipelineError> {
        let pipeline = open::open(&Source::Folder(folder), &compute.into()).map_err(|source| source.within(folder))?;
        Ok(Self { files: Some(Arc::new(Files::Folder(folder.to_owned()))), ..pipeline })
    }

    /// Puts a pipeline together from its parts, e.g. while it is being trained: one text encoder, and pixels instead of a
    /// VAE.
    pub fn assemble(
        tokenizer: Tokenizer,
        text_encoder: TextEncoder,
        unet: Unet,
        schedule: ScheduleConfig,
        device: &Device,
    ) -> Self {
        let conditioner = Conditioner::of_one(tokenizer, text_encoder);
        let codec = Codec::Pixels(PixelCodec { factor: 2 });
        Self {
            conditioner,
            backbone: Arc::new(unet),
            schedule,
            codec,
            embeds_guidance: false,
            compute: device.into(),
            files: None,
        }
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.compute.device
    }

    /// Returns the type of number that text encoders and denoiser compute in.
    pub fn precision(&self) -> Precision {
        self.compute.precision
    }

    /// Returns the schedule.
    pub fn schedule(&self) -> &ScheduleConfig {
        &self.schedule
    }

    /// Returns what lies between samples and images.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Returns every layer that can be adapted, by diffusers' key names.
    pub fn adaptable(&self) -> Vec<LayerShape> {
        self.backbone.linears()
    }

    /// Returns about how many bytes a training pass takes for each row; `None` of small networks (see
    /// [`Backbone::training_bytes`]).
    pub fn training_bytes(&self) -> Option<u64> {
        self.backbone.training_bytes()
    }

    /// Returns about how many bytes it takes to decode one image.
    pub fn decoding_bytes(&self) -> u64 {
        let [height, width] = self.picture_size();
        self.codec.decoding_bytes(height, width)
    }

    /// Returns the shape of one sample in the denoiser's space, `[channels, size, size]`.
    pub fn latent_shape(&self) -> [usize; 3] {
        self.backbone.sample_shape()
    }

    /// Returns the number of dimensions of one sample.
    pub fn latent_dims(&self) -> usize {
        self.latent_shape().iter().product()
    }

    /// Returns height and width of images, in pixels.
    pub fn picture_size(&self) -> [usize; 2] {
        let [_, height, width] = self.latent_shape();
        [height * self.codec.factor(), width * self.codec.factor()]
    }

    /// Returns what the denoiser is conditioned on by prompts, one row each.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn encode_prompts(&self, prompts: &[impl AsRef<str>]) -> Result<TextContext, ConfigError> {
        self.conditioner.encode(prompts)
    }

    /// Returns how many bytes the states of a prompt take, of which every context has a row.
    pub fn context_bytes(&self) -> u64 {
        self.conditioner.context_bytes()
    }

    /// Returns the one row that stands for no prompt in classifier-free guidance: the empty prompt's, or zeros where the
    /// pipeline was trained so (`force_zeros_for_empty_prompt`).
    ///
    /// # Errors
    /// Fails when the empty prompt cannot be tokenised.
    pub fn unconditional(&self) -> Result<TextContext, ConfigError> {
        self.conditioner.unconditional()
    }

    /// Returns contexts with a strength of guidance for models that were distilled to take it as an input (FLUX.1 dev, latent consistency
    /// models with `time_cond_proj_dim`); `None` of models whose guidance is classifier-free.
    ///
    /// Where nothing else is said, such a model has [`FluxConfig::GUIDANCE`](crate::FluxConfig::GUIDANCE) or
    /// [`UnetConfig::GUIDANCE`](crate::UnetConfig::GUIDANCE).
    pub fn guided(&self, context: &TextContext, strength: f32) -> Option<TextContext> {
        self.embeds_guidance.then(|| context.with_guidance(strength))
    }

    /// Returns what [`Conditions`](crate::Conditions) need to guide by a scale: nothing where it does not guide ([`is_guided`]).
    ///
    /// # Errors
    /// As [`Pipeline::unconditional`].
    pub fn guidance(&self, scale: f32) -> Result<Option<(TextContext, f32)>, ConfigError> {
        is_guided(scale).then(|| self.unconditional().map(|empty| (empty, scale))).transpose()
    }

    /// Predicts noise or velocity; see [`Backbone::predict`]. Gradients flow to `x`, to the context and to the adapters, whichever of
    /// them autodiff follows.
    pub fn denoise(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        self.backbone.predict(x, timesteps, context, bank)
    }

    /// Returns the images of finished samples, `[rows, 3, height, width]` in `[0, 1]`.
    ///
    /// Gradients flow to samples that autodiff follows. An autoencoder keeps the samples alone, and decodes each once more in the
    /// backward pass, one image (or tile of a large one) at a time on each thread.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.codec.decode(latents)
    }

    /// Returns the samples of images, as the denoiser wants them: of an autoencoder the latents (z − `shift_factor`) ·
    /// `scaling_factor`, with z the mean of the posterior where there is one, which is its mode. No noise is drawn.
    ///
    /// An autoencoder's encoder is read from the pipeline's files at the first call, and kept.
    ///
    /// # Shapes
    /// - `images`: `[rows, 3, height, width]` in `[0, 1]`, sides multiples of the codec's factor
    /// - returns `[rows, channels, height / factor, width / factor]`
    ///
    /// # Errors
    /// Refuses images of another shape, and files without an encoder that fits its config.
    pub fn encode(&self, images: Tensor<4>) -> Result<Tensor<4>, PipelineError> {
        let (dims @ [_, channels, height, width], factor) = (images.dims(), self.codec.factor());
        if channels != 3 || !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            return Err(PipelineError::Images { dims, factor });
        }
        let failed = |source| PipelineError::Weights { file: source::VAE.folder, source };
        self.codec.encode(images).map_err(failed)
    }
}
