//! `unet/config.json` of diffusers' `UNet2DConditionModel`.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// A block of one resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockType {
    /// Residual blocks, on the way down.
    DownBlock2D,
    /// Residual blocks with cross-attention, on the way down.
    CrossAttnDownBlock2D,
    /// Residual blocks, on the way up.
    UpBlock2D,
    /// Residual blocks with cross-attention, on the way up.
    CrossAttnUpBlock2D,
}

impl BlockType {
    /// Returns whether the block attends to the text.
    pub fn attends(self) -> bool {
        matches!(self, Self::CrossAttnDownBlock2D | Self::CrossAttnUpBlock2D)
    }
}

/// One number for all blocks, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerBlock {
    /// The same for all.
    All(usize),
    /// One a block.
    Each(Vec<usize>),
}

impl PerBlock {
    /// Returns the number for a block.
    pub fn of(&self, block: usize) -> usize {
        match self {
            Self::All(number) => *number,
            Self::Each(numbers) => numbers.get(block).or(numbers.last()).copied().unwrap_or(1),
        }
    }
}

/// The shape of a U-Net; field names are diffusers'. Fields that diffusers writes and moa does not need are passed over,
/// fields that would change the computation are refused by [`UnetConfig::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnetConfig {
    /// Height and width of the sample, in latent pixels.
    pub sample_size: usize,
    /// Channels of the sample.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Channels of each resolution, finest first.
    pub block_out_channels: Vec<usize>,
    /// Blocks on the way down.
    pub down_block_types: Vec<BlockType>,
    /// Blocks on the way up.
    pub up_block_types: Vec<BlockType>,
    /// Residual blocks of each resolution on the way down (one more on the way up).
    pub layers_per_block: usize,
    /// Width of the text states.
    pub cross_attention_dim: usize,
    /// Number of attention heads (diffusers' field name is historical).
    pub attention_head_dim: PerBlock,
    /// Groups of every group norm.
    #[serde(default = "default_groups")]
    pub norm_num_groups: usize,
    /// Epsilon of the residual blocks' group norms.
    #[serde(default = "default_epsilon")]
    pub norm_eps: f64,
    /// Whether a spatial transformer's projections are linear layers rather than 1×1 convolutions.
    #[serde(default)]
    pub use_linear_projection: bool,
    /// Whether the time embedding begins with cosines.
    #[serde(default = "default_true")]
    pub flip_sin_to_cos: bool,
    /// Shift of the time embedding's frequencies.
    #[serde(default)]
    pub freq_shift: f64,
    /// Transformer blocks of each spatial transformer.
    #[serde(default = "default_depth")]
    pub transformer_layers_per_block: PerBlock,
    /// Activation; only `silu` is known.
    #[serde(default = "default_activation")]
    pub act_fn: String,
    /// Class embedding; must be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_embed_type: Option<String>,
    /// Added conditions (SDXL); must be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addition_embed_type: Option<String>,
    /// Scale and shift of residual blocks by time; only `default` is known.
    #[serde(default = "default_time_scale_shift")]
    pub resnet_time_scale_shift: String,
    /// diffusers' class name.
    #[serde(rename = "_class_name", default = "default_class")]
    pub class_name: String,
}

fn default_groups() -> usize {
    32
}
fn default_epsilon() -> f64 {
    1e-5
}
fn default_true() -> bool {
    true
}
fn default_depth() -> PerBlock {
    PerBlock::All(1)
}
fn default_activation() -> String {
    "silu".into()
}
fn default_time_scale_shift() -> String {
    "default".into()
}
fn default_class() -> String {
    "UNet2DConditionModel".into()
}

impl UnetConfig {
    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field: &'static str, value: String, wanted: &'static str| {
            Err(ConfigError::Field { file: "unet/config.json", field, value, wanted })
        };
        let blocks = self.block_out_channels.len();
        if blocks == 0 || self.down_block_types.len() != blocks || self.up_block_types.len() != blocks {
            let value = format!("{:?}", self.block_out_channels);
            return refuse("block_out_channels", value, "one entry for each down and up block");
        }
        if let Some(channels) = self.block_out_channels.iter().find(|c| **c == 0 || *c % self.norm_num_groups != 0) {
            return refuse("block_out_channels", channels.to_string(), "a multiple of norm_num_groups");
        }
        for (block, channels) in self.block_out_channels.iter().enumerate() {
            let heads = self.attention_head_dim.of(block);
            if heads == 0 || channels % heads != 0 {
                return refuse("attention_head_dim", heads.to_string(), "a divisor of the block's channels");
            }
        }
        if self.sample_size == 0 || !self.sample_size.is_multiple_of(1 << (blocks - 1)) {
            return refuse("sample_size", self.sample_size.to_string(), "divisible by 2 once for each further block");
        }
        if self.act_fn != "silu" {
            return refuse("act_fn", self.act_fn.clone(), "only \"silu\" is known");
        }
        if let Some(kind) = &self.class_embed_type {
            return refuse("class_embed_type", kind.clone(), "class embeddings are not known: leave it out");
        }
        if let Some(kind) = &self.addition_embed_type {
            return refuse("addition_embed_type", kind.clone(), "added conditions are not known: leave it out");
        }
        if self.resnet_time_scale_shift != "default" {
            return refuse(
                "resnet_time_scale_shift",
                self.resnet_time_scale_shift.clone(),
                "only \"default\" is known",
            );
        }
        Ok(())
    }

    /// Returns the width of the time embedding.
    pub fn time_width(&self) -> usize {
        4 * self.block_out_channels[0]
    }
}
