//! A pipeline: tokenizer, text encoder, denoiser and schedule under one roof.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use moa_adapter::{AdapterBank, LayerShape, Parameters, ParametersError};

use crate::codec::PixelCodec;
use crate::schedule::ScheduleConfig;
use crate::tokenizer::Tokenizer;
use crate::{ConfigError, TextConfig, TextEncoder, Unet, UnetConfig};

/// Why a pipeline cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A file that the layout asks for is missing.
    #[error("the pipeline has no `{0}`")]
    MissingFile(&'static str),
    /// A config is unreadable or asks for something unknown.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Weights are unreadable or do not fit their config.
    #[error("{file}: {source}")]
    Weights {
        /// The file.
        file: &'static str,
        /// What is wrong.
        source: ParametersError,
    },
}

/// A text-to-image pipeline on a device.
#[derive(Clone)]
pub struct Pipeline {
    tokenizer: Tokenizer,
    text_encoder: TextEncoder,
    unet: Unet,
    schedule: ScheduleConfig,
    codec: PixelCodec,
    device: Device,
}

/// The files of a pipeline, by their path inside its folder.
pub type PipelineFiles<'a> = BTreeMap<&'a str, &'a [u8]>;

impl Pipeline {
    /// Opens a pipeline from the files of its folder (diffusers' layout, pixels instead of a VAE).
    ///
    /// # Errors
    /// Names the file, and the field or tensor.
    pub fn open(files: &PipelineFiles<'_>, device: &Device) -> Result<Self, PipelineError> {
        let text_config: TextConfig = json(files, "text_encoder/config.json")?;
        text_config.check()?;
        let unet_config: UnetConfig = json(files, "unet/config.json")?;
        unet_config.check()?;
        let tokenizer = std::str::from_utf8(file(files, "tokenizer/tokenizer.json")?)
            .map_err(|error| ConfigError::Tokenizer(error.to_string()))?;
        let schedule: ScheduleConfig = json(files, "scheduler/scheduler_config.json")?;
        if let ScheduleConfig::Ddim(ddim) = &schedule {
            ddim.check()?;
        }
        let text_encoder = weights(files, "text_encoder/model.safetensors", device, |parameters| {
            TextEncoder::load(&text_config, parameters)
        })?;
        let unet = weights(files, "unet/diffusion_pytorch_model.safetensors", device, |parameters| {
            Unet::load(&unet_config, parameters)
        })?;
        Ok(Self {
            tokenizer: Tokenizer::read(tokenizer, text_config.max_position_embeddings)?,
            text_encoder,
            unet,
            schedule,
            codec: PixelCodec { factor: 2 },
            device: device.clone(),
        })
    }

    /// Puts a pipeline together from its parts, e.g. while it is being trained.
    pub fn assemble(
        tokenizer: Tokenizer,
        text_encoder: TextEncoder,
        unet: Unet,
        schedule: ScheduleConfig,
        device: &Device,
    ) -> Self {
        Self { tokenizer, text_encoder, unet, schedule, codec: PixelCodec { factor: 2 }, device: device.clone() }
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the schedule.
    pub fn schedule(&self) -> &ScheduleConfig {
        &self.schedule
    }

    /// Returns every layer that adapters can bend.
    pub fn adaptable(&self) -> Vec<LayerShape> {
        self.unet.linears()
    }

    /// Returns the shape of one sample in the denoiser's space, `[channels, size, size]`.
    pub fn latent_shape(&self) -> [usize; 3] {
        let config = self.unet.config();
        [config.in_channels, config.sample_size, config.sample_size]
    }

    /// Returns the number of dimensions of one sample.
    pub fn latent_dims(&self) -> usize {
        self.latent_shape().iter().product()
    }

    /// Returns the text states of prompts, `[prompts, tokens, width]`.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn encode_prompts(&self, prompts: &[impl AsRef<str>]) -> Result<Tensor<3>, ConfigError> {
        Ok(self.text_encoder.forward(&self.tokenizer.encode(prompts)?))
    }

    /// Predicts noise or velocity; see [`Unet::forward`].
    pub fn denoise(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &Tensor<3>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        self.unet.forward(x, timesteps, context, bank)
    }

    /// Returns the pictures of finished samples, `[rows, 3, height, width]` in `[0, 1]`.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.codec.decode(latents)
    }
}

fn file<'a>(files: &PipelineFiles<'a>, name: &'static str) -> Result<&'a [u8], PipelineError> {
    files.get(name).copied().ok_or(PipelineError::MissingFile(name))
}

fn json<T: serde::de::DeserializeOwned>(files: &PipelineFiles<'_>, name: &'static str) -> Result<T, PipelineError> {
    let config = serde_json::from_slice(file(files, name)?);
    Ok(config.map_err(|source| ConfigError::Json { file: name, source })?)
}

fn weights<T>(
    files: &PipelineFiles<'_>,
    name: &'static str,
    device: &Device,
    load: impl FnOnce(&Parameters) -> Result<T, ParametersError>,
) -> Result<T, PipelineError> {
    let bytes = file(files, name)?;
    let loaded = Parameters::read(bytes, device).and_then(|parameters| load(&parameters));
    loaded.map_err(|source| PipelineError::Weights { file: name, source })
}
