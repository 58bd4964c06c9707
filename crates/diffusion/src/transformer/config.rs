//! `transformer/config.json` of diffusers' `SD3Transformer2DModel`.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

const FILE: &str = "transformer/config.json";
/// More than any model has of anything: products of two such numbers can be computed.
const LARGEST: usize = 1 << 20;

/// The shape of Stable Diffusion 3's transformer; field names are diffusers'. Fields that diffusers writes and moa does not
/// need are passed over, fields that would change the computation are refused by [`Sd3Config::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sd3Config {
    /// Height and width of the sample, in latent pixels.
    #[serde(default = "default_sample_size")]
    pub sample_size: usize,
    /// Latent pixels along each side of a patch; a patch is a token.
    #[serde(default = "default_patch_size")]
    pub patch_size: usize,
    /// Channels of the sample.
    #[serde(default = "default_channels")]
    pub in_channels: usize,
    /// Channels of the prediction; as many as the sample's where absent.
    #[serde(default)]
    pub out_channels: Option<usize>,
    /// Blocks.
    #[serde(default = "default_layers")]
    pub num_layers: usize,
    /// Width of each attention head.
    #[serde(default = "default_head_width")]
    pub attention_head_dim: usize,
    /// Number of attention heads.
    #[serde(default = "default_heads")]
    pub num_attention_heads: usize,
    /// Width of the text states.
    #[serde(default = "default_joint_width")]
    pub joint_attention_dim: usize,
    /// Width of the text states inside; heads times their width.
    #[serde(default = "default_caption_width")]
    pub caption_projection_dim: usize,
    /// Width of the pooled text.
    #[serde(default = "default_pooled_width")]
    pub pooled_projection_dim: usize,
    /// Patches along each side of the table of positions, from whose middle smaller samples take theirs.
    #[serde(default = "default_positions")]
    pub pos_embed_max_size: Option<usize>,
    /// Blocks in which the image attends to itself once more (Stable Diffusion 3.5 medium).
    #[serde(default)]
    pub dual_attention_layers: Vec<usize>,
    /// Normalisation of queries and keys within each head; only `rms_norm` is known (Stable Diffusion 3.5), none where absent.
    #[serde(default)]
    pub qk_norm: Option<String>,
    /// Quantisation of the weights; must be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization_config: Option<serde_json::Value>,
    /// diffusers' class name.
    #[serde(rename = "_class_name", default = "default_class")]
    pub class_name: String,
}

fn default_sample_size() -> usize {
    128
}
fn default_patch_size() -> usize {
    2
}
fn default_channels() -> usize {
    16
}
fn default_layers() -> usize {
    18
}
fn default_head_width() -> usize {
    64
}
fn default_heads() -> usize {
    18
}
fn default_joint_width() -> usize {
    4096
}
fn default_caption_width() -> usize {
    1152
}
fn default_pooled_width() -> usize {
    2048
}
#[expect(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
fn default_positions() -> Option<usize> {
    Some(96)
}
fn default_class() -> String {
    "SD3Transformer2DModel".into()
}

impl Sd3Config {
    /// Reads and checks the text of `transformer/config.json`.
    ///
    /// # Errors
    /// Refuses what is no such config, and what [`Sd3Config::check`] does.
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_slice(json).map_err(|source| ConfigError::Json { file: FILE, source })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field: &'static str, value: &dyn ToString, wanted: &'static str| {
            Err(ConfigError::Field { file: FILE, field, value: value.to_string(), wanted })
        };
        if self.class_name != "SD3Transformer2DModel" {
            return refuse("_class_name", &self.class_name, "only \"SD3Transformer2DModel\" is known");
        }
        if self.quantization_config.is_some() {
            return refuse("quantization_config", &"given", "quantised weights are not known, take the full ones");
        }
        for (field, number) in [
            ("sample_size", self.sample_size),
            ("patch_size", self.patch_size),
            ("in_channels", self.in_channels),
            ("num_layers", self.num_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("attention_head_dim", self.attention_head_dim),
            ("joint_attention_dim", self.joint_attention_dim),
            ("pooled_projection_dim", self.pooled_projection_dim),
        ] {
            if number == 0 || number > LARGEST {
                return refuse(field, &number, "1 to 1048576");
            }
        }
        if self.out_channels() != self.in_channels {
            let wanted = "as many as in_channels, as the sample's velocity is predicted";
            return refuse("out_channels", &self.out_channels(), wanted);
        }
        if self.caption_projection_dim != self.width() {
            let wanted = "num_attention_heads · attention_head_dim, as both streams have one width";
            return refuse("caption_projection_dim", &self.caption_projection_dim, wanted);
        }
        if let Some(other) = self.qk_norm.as_ref().filter(|norm| *norm != "rms_norm") {
            return refuse("qk_norm", other, "only \"rms_norm\" is known, or null");
        }
        if !self.sample_size.is_multiple_of(self.patch_size) {
            return refuse("sample_size", &self.sample_size, "a multiple of patch_size");
        }
        let Some(positions) = self.pos_embed_max_size else {
            return refuse(
                "pos_embed_max_size",
                &"null",
                "a number, as positions are cropped from a table of this size",
            );
        };
        if self.sample_size / self.patch_size > positions || positions > LARGEST {
            return refuse("pos_embed_max_size", &positions, "sample_size / patch_size to 1048576");
        }
        if let Some(block) = self.dual_attention_layers.iter().find(|block| **block >= self.num_layers) {
            return refuse("dual_attention_layers", block, "blocks below num_layers");
        }
        Ok(())
    }

    /// Returns the width of both streams of tokens.
    pub fn width(&self) -> usize {
        self.num_attention_heads * self.attention_head_dim
    }

    /// Returns the channels of the prediction.
    pub fn out_channels(&self) -> usize {
        self.out_channels.unwrap_or(self.in_channels)
    }

    /// Returns how many patches along each side the table of positions has.
    pub fn positions(&self) -> usize {
        self.pos_embed_max_size.unwrap_or(self.sample_size / self.patch_size.max(1))
    }
}
