//! `unet/config.json` of diffusers' `UNet2DConditionModel`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusals::refuse_unknown;
use crate::ConfigError;

pub(super) const FILE: &str = "unet/config.json";

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
    /// Height and width of the sample, in latent pixels. Default: 64, Stable Diffusion 1's, or 128 where conditions are added, as in
    /// Stable Diffusion XL. In a file it may be a list of both, if they are alike.
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
    #[serde(default = "default_layers")]
    pub layers_per_block: usize,
    /// Width of the text states.
    #[serde(default = "default_context")]
    pub cross_attention_dim: usize,
    /// Number of attention heads (diffusers' field name is historical).
    #[serde(default = "default_heads")]
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
    /// Conditions added to the time embedding: nothing, or Stable Diffusion XL's `text_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addition_embed_type: Option<String>,
    /// Width of the embedding of each added number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addition_time_embed_dim: Option<usize>,
    /// Width of all added conditions together: the pooled text and the embedded numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_class_embeddings_input_dim: Option<usize>,
    /// Sines and cosines that the strength of guidance is embedded in, of latent consistency models that take it as an input. Default:
    /// `None`, guidance is classifier-free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_cond_proj_dim: Option<usize>,
    /// Scale and shift of residual blocks by time; only `default` is known.
    #[serde(default = "default_time_scale_shift")]
    pub resnet_time_scale_shift: String,
    /// diffusers' class name.
    #[serde(rename = "_class_name", default = "default_class")]
    pub class_name: String,
}

/// More resolutions than any U-Net has: an image's side is halved at each.
const MOST_BLOCKS: usize = 16;

/// The widths of the conditions that are added to the time embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedWidths {
    /// Width of the pooled text.
    pub pooled: usize,
    /// Width of the embedding of one number.
    pub number: usize,
}

/// Numbers that Stable Diffusion XL adds: heights and widths of original and target, top and left of the crop.
pub const ADDED_NUMBERS: usize = 6;

fn default_layers() -> usize {
    2
}
fn default_context() -> usize {
    1280
}
fn default_heads() -> PerBlock {
    PerBlock::All(8)
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

/// Samples of configs that name no size, as the pipelines of diffusers take it: of Stable Diffusion 1, and of XL.
const SAMPLE_SIZES: [usize; 2] = [64, 128];

/// Puts one number where a config has no size of samples, or a list; and the size that is meant where a config older than version 0.9 of
/// diffusers has its constructor's, which `StableDiffusionPipeline` corrects, too.
fn put_sample_size(config: &mut Value) -> Result<(), ConfigError> {
    let is_xl = config.get("addition_embed_type").is_some_and(|kind| !kind.is_null());
    let default = SAMPLE_SIZES[usize::from(is_xl)];
    let size = match config.get("sample_size") {
        None | Some(Value::Null) => default.into(),
        Some(Value::Array(sides)) if sides.len() == 2 && sides[0] == sides[1] => sides[0].clone(),
        Some(found @ Value::Array(_)) => {
            let wanted = "images are square: give one number, or two that are alike";
            let (file, field) = (FILE, "sample_size");
            return Err(ConfigError::Field { file, field, value: found.to_string(), wanted });
        }
        Some(size) if is_old(config) && size.as_u64().is_some_and(|size| size < SAMPLE_SIZES[0] as u64) => {
            SAMPLE_SIZES[0].into()
        }
        Some(size) => size.clone(),
    };
    if let Some(fields) = config.as_object_mut() {
        fields.insert("sample_size".into(), size);
    }
    Ok(())
}

/// Returns whether a config was written by a version of diffusers before 0.9.
fn is_old(config: &Value) -> bool {
    let version = config.get("_diffusers_version").and_then(Value::as_str).unwrap_or_default();
    let mut parts = version.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(0)), Some(Ok(minor))) if minor < 9)
}

impl UnetConfig {
    /// The strength of guidance that is embedded where nothing else is said: that of diffusers' `LatentConsistencyModelPipeline`.
    pub const GUIDANCE: f32 = 8.5;

    /// Reads and checks `unet/config.json`.
    ///
    /// # Errors
    /// Refuses what is no such config, and what [`UnetConfig::check`] does; fields besides those of this type that change
    /// the computation are refused by name.
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Json { file: FILE, source };
        let mut value: serde_json::Value = serde_json::from_slice(json).map_err(unreadable)?;
        refuse_unknown(&value)?;
        put_sample_size(&mut value)?;
        let config: Self = serde_json::from_value(value).map_err(unreadable)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field: &'static str, value: String, wanted: &'static str| {
            Err(ConfigError::Field { file: FILE, field, value, wanted })
        };
        let blocks = self.block_out_channels.len();
        if blocks > MOST_BLOCKS {
            return refuse("block_out_channels", format!("a list of {blocks}"), "at most 16 entries");
        }
        if blocks == 0 || self.down_block_types.len() != blocks || self.up_block_types.len() != blocks {
            let value = format!("{:?}", self.block_out_channels);
            return refuse("block_out_channels", value, "one entry for each down and up block");
        }
        let groups = self.norm_num_groups;
        if let Some(channels) = self.block_out_channels.iter().find(|c| **c == 0 || groups == 0 || *c % groups != 0) {
            return refuse("block_out_channels", channels.to_string(), "a multiple of norm_num_groups");
        }
        if !self.block_out_channels[0].is_multiple_of(2) {
            let value = self.block_out_channels[0].to_string();
            return refuse("block_out_channels", value, "an even first entry: half of it are sines, half cosines");
        }
        if let Some(width) = self.time_cond_proj_dim.filter(|width| *width < 4 || !width.is_multiple_of(2)) {
            let wanted = "an even number of at least 4: half of it are sines, half cosines";
            return refuse("time_cond_proj_dim", width.to_string(), wanted);
        }
        if self.layers_per_block == 0 {
            return refuse("layers_per_block", "0".into(), "at least 1");
        }
        for (field, numbers) in [
            ("attention_head_dim", &self.attention_head_dim),
            ("transformer_layers_per_block", &self.transformer_layers_per_block),
        ] {
            if let PerBlock::Each(each) = numbers
                && each.len() != blocks
            {
                return refuse(field, format!("{each:?}"), "one number, or one for each block");
            }
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
        if self.act_fn != "silu" && self.act_fn != "swish" {
            return refuse("act_fn", self.act_fn.clone(), "only \"silu\" is known");
        }
        if let Some(kind) = &self.class_embed_type {
            return refuse("class_embed_type", kind.clone(), "class embeddings are not known");
        }
        if let Some(kind) = self.addition_embed_type.as_ref().filter(|kind| *kind != "text_time") {
            return refuse("addition_embed_type", kind.clone(), "only \"text_time\", Stable Diffusion XL's, is known");
        }
        if self.addition_embed_type.is_some() && self.added_widths().is_none() {
            let value = self.projection_class_embeddings_input_dim.map_or("absent".into(), |width| width.to_string());
            let wanted =
                "the width of the pooled text and 6 · addition_time_embed_dim, which must be given too, and even";
            return refuse("projection_class_embeddings_input_dim", value, wanted);
        }
        if self.resnet_time_scale_shift != "default" {
            let value = self.resnet_time_scale_shift.clone();
            return refuse("resnet_time_scale_shift", value, "only \"default\" is known");
        }
        Ok(())
    }

    /// Returns the width of the time embedding.
    pub fn time_width(&self) -> usize {
        4 * self.block_out_channels[0]
    }

    /// Returns the widths of added conditions; `None` where nothing is added.
    pub fn added_widths(&self) -> Option<AddedWidths> {
        self.addition_embed_type.as_ref()?;
        let number = self.addition_time_embed_dim.filter(|width| *width > 0 && width.is_multiple_of(2))?;
        let pooled = self.projection_class_embeddings_input_dim?.checked_sub(number.checked_mul(ADDED_NUMBERS)?)?;
        (pooled > 0).then_some(AddedWidths { pooled, number })
    }
}
