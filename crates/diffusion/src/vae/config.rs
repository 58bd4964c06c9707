//! `vae/config.json` of diffusers' `AutoencoderKL` and `AutoencoderTiny`.

use serde::Deserialize;

use crate::ConfigError;

const FILE: &str = "vae/config.json";

/// The shape of a variational autoencoder, as diffusers writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum VaeConfig {
    /// The autoencoder that latent diffusion models were trained with.
    Kl(KlConfig),
    /// A small network distilled from it (TAESD).
    Tiny(TinyConfig),
}

/// The shape of an `AutoencoderKL` (Rombach et al., 2112.10752, section 3.1); field names are diffusers'. Fields that
/// moa does not need are passed over: `sample_size`, and `force_upcast`, since nothing is decoded in f16.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct KlConfig {
    /// Channels of images; only 3 is known.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Channels of decoded images; only 3 is known.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// Channels of each resolution, finest first.
    pub block_out_channels: Vec<usize>,
    /// Blocks on the way down; only `DownEncoderBlock2D` is known.
    pub down_block_types: Vec<String>,
    /// Blocks on the way up; only `UpDecoderBlock2D` is known.
    pub up_block_types: Vec<String>,
    /// Residual blocks of each resolution in the encoder (one more in the decoder).
    #[serde(default = "one")]
    pub layers_per_block: usize,
    /// Channels of latents.
    #[serde(default = "four")]
    pub latent_channels: usize,
    /// Groups of every group norm.
    #[serde(default = "thirty_two")]
    pub norm_num_groups: usize,
    /// What latents are multiplied with for the denoiser: the inverse of their standard deviation.
    #[serde(default = "default_scale")]
    pub scaling_factor: f32,
    /// What is subtracted from latents before that.
    #[serde(default)]
    pub shift_factor: Option<f32>,
    /// A mean for each latent channel; must be absent.
    #[serde(default)]
    pub latents_mean: Option<Vec<f32>>,
    /// A standard deviation for each latent channel; must be absent.
    #[serde(default)]
    pub latents_std: Option<Vec<f32>>,
    /// Whether a 1×1 convolution follows the encoder.
    #[serde(default = "yes")]
    pub use_quant_conv: bool,
    /// Whether a 1×1 convolution precedes the decoder.
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
    /// Whether positions attend to each other at the coarsest resolution.
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
    /// Activation; only `silu` is known.
    #[serde(default = "silu")]
    pub act_fn: String,
}

/// The shape of an `AutoencoderTiny`; field names are diffusers'. `latent_magnitude` and `latent_shift` concern latents
/// stored as bytes, and are passed over.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TinyConfig {
    /// Channels of images; only 3 is known.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Channels of decoded images; only 3 is known.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// Channels of each stage of the encoder, finest first.
    pub encoder_block_out_channels: Vec<usize>,
    /// Channels of each stage of the decoder, coarsest first.
    pub decoder_block_out_channels: Vec<usize>,
    /// Blocks of each stage of the encoder.
    pub num_encoder_blocks: Vec<usize>,
    /// Blocks of each stage of the decoder.
    pub num_decoder_blocks: Vec<usize>,
    /// Channels of latents.
    #[serde(default = "four")]
    pub latent_channels: usize,
    /// What latents are multiplied with for the denoiser.
    #[serde(default = "unit")]
    pub scaling_factor: f32,
    /// What is subtracted from latents before that.
    #[serde(default)]
    pub shift_factor: Option<f32>,
    /// Growth of height and width between stages; only 2 is known.
    #[serde(default = "two")]
    pub upsampling_scaling_factor: usize,
    /// How images grow; only `nearest` is known.
    #[serde(default = "nearest")]
    pub upsample_fn: String,
    /// Activation; only `relu` is known.
    #[serde(default = "relu")]
    pub act_fn: String,
}

fn one() -> usize {
    1
}
fn two() -> usize {
    2
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn thirty_two() -> usize {
    32
}
fn default_scale() -> f32 {
    0.18215
}
fn unit() -> f32 {
    1.0
}
fn yes() -> bool {
    true
}
fn silu() -> String {
    "silu".into()
}
fn relu() -> String {
    "relu".into()
}
fn nearest() -> String {
    "nearest".into()
}

/// The field that says which autoencoder a config is of.
#[derive(Deserialize)]
struct Class {
    #[serde(rename = "_class_name")]
    name: String,
}

impl VaeConfig {
    /// Reads and checks the text of `vae/config.json`.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn read(text: &[u8]) -> Result<Self, ConfigError> {
        let json = |source| ConfigError::Json { file: FILE, source };
        let Class { name } = serde_json::from_slice(text).map_err(json)?;
        let config = match name.as_str() {
            "AutoencoderKL" => Self::Kl(serde_json::from_slice(text).map_err(json)?),
            "AutoencoderTiny" => Self::Tiny(serde_json::from_slice(text).map_err(json)?),
            _ => return Err(refuse("_class_name", &name, "AutoencoderKL and AutoencoderTiny are known")),
        };
        match &config {
            Self::Kl(kl) => kl.check()?,
            Self::Tiny(tiny) => tiny.check()?,
        }
        Ok(config)
    }

    /// Returns channels of latents, scale and shift.
    pub(super) fn latents(&self) -> (usize, f32, f32) {
        match self {
            Self::Kl(kl) => (kl.latent_channels, kl.scaling_factor, kl.shift_factor.unwrap_or(0.0)),
            Self::Tiny(tiny) => (tiny.latent_channels, tiny.scaling_factor, tiny.shift_factor.unwrap_or(0.0)),
        }
    }

    /// Returns how many pixels along a side one latent pixel stands for.
    pub fn factor(&self) -> usize {
        let stages = match self {
            Self::Kl(kl) => kl.block_out_channels.len(),
            Self::Tiny(tiny) => tiny.num_decoder_blocks.len(),
        };
        1 << (stages - 1)
    }
}

impl KlConfig {
    fn check(&self) -> Result<(), ConfigError> {
        check_numbers(self.in_channels, self.out_channels, self.latent_channels, self.scaling_factor)?;
        let blocks = self.block_out_channels.len();
        for (field, types, known, wanted) in [
            ("down_block_types", &self.down_block_types, "DownEncoderBlock2D", "only \"DownEncoderBlock2D\" is known"),
            ("up_block_types", &self.up_block_types, "UpDecoderBlock2D", "only \"UpDecoderBlock2D\" is known"),
        ] {
            if let Some(other) = types.iter().find(|kind| *kind != known) {
                return Err(refuse(field, other, wanted));
            }
            if types.len() != blocks {
                return Err(refuse(field, &types.len(), "one entry for each of block_out_channels"));
            }
        }
        if blocks == 0 || blocks > 16 {
            return Err(refuse("block_out_channels", &blocks, "1 to 16 entries"));
        }
        if self.norm_num_groups == 0 {
            return Err(refuse("norm_num_groups", &0, "at least 1"));
        }
        let uneven = |channels: &&usize| **channels == 0 || !channels.is_multiple_of(self.norm_num_groups);
        if let Some(channels) = self.block_out_channels.iter().find(uneven) {
            return Err(refuse("block_out_channels", channels, "a multiple of norm_num_groups"));
        }
        if self.act_fn != "silu" {
            return Err(refuse("act_fn", &self.act_fn, "only \"silu\" is known"));
        }
        for (field, values) in [("latents_mean", &self.latents_mean), ("latents_std", &self.latents_std)] {
            if values.is_some() {
                return Err(refuse(field, &"given", "latents with statistics for each channel are not known"));
            }
        }
        Ok(())
    }
}

impl TinyConfig {
    fn check(&self) -> Result<(), ConfigError> {
        check_numbers(self.in_channels, self.out_channels, self.latent_channels, self.scaling_factor)?;
        for (field, channels, blocks) in [
            ("encoder_block_out_channels", &self.encoder_block_out_channels, &self.num_encoder_blocks),
            ("decoder_block_out_channels", &self.decoder_block_out_channels, &self.num_decoder_blocks),
        ] {
            if channels.is_empty() || channels.len() > 16 || channels.len() != blocks.len() {
                return Err(refuse(field, &channels.len(), "one entry for each stage, 1 to 16"));
            }
            if channels.iter().any(|other| *other != channels[0]) {
                return Err(refuse(field, &format!("{channels:?}"), "the same for all stages"));
            }
        }
        if self.num_encoder_blocks.len() != self.num_decoder_blocks.len() {
            let stages = self.num_decoder_blocks.len();
            return Err(refuse("num_decoder_blocks", &stages, "as many stages as num_encoder_blocks"));
        }
        if self.upsampling_scaling_factor != 2 {
            return Err(refuse("upsampling_scaling_factor", &self.upsampling_scaling_factor, "only 2 is known"));
        }
        if self.upsample_fn != "nearest" {
            return Err(refuse("upsample_fn", &self.upsample_fn, "only \"nearest\" is known"));
        }
        if self.act_fn != "relu" {
            return Err(refuse("act_fn", &self.act_fn, "only \"relu\" is known"));
        }
        Ok(())
    }
}

fn check_numbers(d_in: usize, d_out: usize, latent: usize, scale: f32) -> Result<(), ConfigError> {
    for (field, channels) in [("in_channels", d_in), ("out_channels", d_out)] {
        if channels != 3 {
            return Err(refuse(field, &channels, "images have 3 channels"));
        }
    }
    if latent == 0 {
        return Err(refuse("latent_channels", &latent, "at least 1"));
    }
    if !(scale.is_finite() && scale > 0.0) {
        return Err(refuse("scaling_factor", &scale, "a number above 0"));
    }
    Ok(())
}

fn refuse(field: &'static str, value: &impl ToString, wanted: &'static str) -> ConfigError {
    ConfigError::Field { file: FILE, field, value: value.to_string(), wanted }
}
