//! `transformer/config.json` of diffusers' `FluxTransformer2DModel`.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

const FILE: &str = "transformer/config.json";
/// More than any model has of anything: products of two such numbers can be computed.
const LARGEST: usize = 1 << 20;

/// The shape of FLUX.1's transformer; field names are diffusers', but for `sample_size`. Fields that diffusers writes and moa does not
/// need are passed over, fields that would change the computation are refused by [`FluxConfig::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FluxConfig {
    /// Height and width of the samples that are drawn, in latent pixels; diffusers' pipeline has 128 where nothing is said, and the
    /// file has no such field: who wants smaller images adds it.
    #[serde(default = "default_sample_size")]
    pub sample_size: usize,
    /// Tokens along each side of a patch of tokens; must be 1, as 2 × 2 latent pixels are a token already.
    #[serde(default = "default_patch_size")]
    pub patch_size: usize,
    /// Values of a token of the image: four times the channels of a sample.
    #[serde(default = "default_channels")]
    pub in_channels: usize,
    /// Values of a token of the prediction; as many as those that come in where absent.
    #[serde(default)]
    pub out_channels: Option<usize>,
    /// Blocks over two streams.
    #[serde(default = "default_layers")]
    pub num_layers: usize,
    /// Blocks over one stream.
    #[serde(default = "default_single_layers")]
    pub num_single_layers: usize,
    /// Width of each attention head.
    #[serde(default = "default_head_width")]
    pub attention_head_dim: usize,
    /// Number of attention heads.
    #[serde(default = "default_heads")]
    pub num_attention_heads: usize,
    /// Width of T5's states.
    #[serde(default = "default_joint_width")]
    pub joint_attention_dim: usize,
    /// Width of CLIP's pooled vector.
    #[serde(default = "default_pooled_width")]
    pub pooled_projection_dim: usize,
    /// Whether the strength of guidance is embedded (dev); otherwise there is none (schnell).
    #[serde(default)]
    pub guidance_embeds: bool,
    /// Values of a head that each axis of positions turns.
    #[serde(default = "default_axes")]
    pub axes_dims_rope: [usize; 3],
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
    1
}
fn default_channels() -> usize {
    64
}
fn default_layers() -> usize {
    19
}
fn default_single_layers() -> usize {
    38
}
fn default_head_width() -> usize {
    128
}
fn default_heads() -> usize {
    24
}
fn default_joint_width() -> usize {
    4096
}
fn default_pooled_width() -> usize {
    768
}
fn default_axes() -> [usize; 3] {
    [16, 56, 56]
}
fn default_class() -> String {
    "FluxTransformer2DModel".into()
}

impl FluxConfig {
    /// The strength of guidance that is embedded where nothing else is said: diffusers' default, and that of the model's card.
    pub const GUIDANCE: f32 = 3.5;

    /// Reads and checks the text of `transformer/config.json`.
    ///
    /// # Errors
    /// Refuses what is no such config, and what [`FluxConfig::check`] does.
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
        if self.class_name != "FluxTransformer2DModel" {
            return refuse("_class_name", &self.class_name, "only \"FluxTransformer2DModel\" is known");
        }
        if self.quantization_config.is_some() {
            return refuse("quantization_config", &"given", "quantised weights are not known, take the full ones");
        }
        for (field, number) in [
            ("sample_size", self.sample_size),
            ("in_channels", self.in_channels),
            ("num_layers", self.num_layers),
            ("num_single_layers", self.num_single_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("attention_head_dim", self.attention_head_dim),
            ("joint_attention_dim", self.joint_attention_dim),
            ("pooled_projection_dim", self.pooled_projection_dim),
        ] {
            if number == 0 || number > LARGEST {
                return refuse(field, &number, "1 to 1048576");
            }
        }
        if self.patch_size != 1 {
            return refuse("patch_size", &self.patch_size, "only 1 is known");
        }
        if !self.in_channels.is_multiple_of(4) {
            return refuse("in_channels", &self.in_channels, "a multiple of 4, as 2 × 2 latent pixels are a token");
        }
        if self.out_channels.is_some_and(|channels| channels != self.in_channels) {
            let wanted = "as many as in_channels: models that also take an image (Fill, Depth, Canny) are not known";
            return refuse("out_channels", &self.out_channels.unwrap_or_default(), wanted);
        }
        if !self.sample_size.is_multiple_of(2) {
            return refuse("sample_size", &self.sample_size, "a multiple of 2, as 2 × 2 latent pixels are a token");
        }
        let axes = self.axes_dims_rope;
        let sum = axes.iter().fold(0, |sum: usize, axis| sum.saturating_add(*axis));
        if axes.iter().any(|axis| !axis.is_multiple_of(2)) || sum != self.attention_head_dim {
            return refuse(
                "axes_dims_rope",
                &format!("{axes:?}"),
                "three even numbers whose sum is attention_head_dim",
            );
        }
        Ok(())
    }

    /// Returns the width of the streams of tokens.
    pub fn width(&self) -> usize {
        self.num_attention_heads * self.attention_head_dim
    }

    /// Returns the channels of samples.
    pub fn channels(&self) -> usize {
        self.in_channels / 4
    }

    /// Returns how many tokens a sample is.
    pub fn image_tokens(&self) -> usize {
        (self.sample_size / 2).pow(2)
    }

    /// Returns how many of T5's tokens texts have: 512 with embedded guidance (dev), 256 without (schnell), as the models were
    /// trained.
    pub fn text_tokens(&self) -> usize {
        if self.guidance_embeds { 512 } else { 256 }
    }
}
