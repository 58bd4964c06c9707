//! `config.json` and `preprocessor_config.json` of a CLIP, with transformers' field names.

use burn::tensor::{Device, Tensor};
use moa_device::from_host;
use moa_diffusion::TextConfig;
use moa_diffusion::text::{Activation, TowerConfig};
use serde::{Deserialize, Serialize};

use crate::RewardError;

/// The image tower: a vision transformer (Dosovitskiy et al., 2010.11929).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisionConfig {
    /// Height and width of an image, in pixels.
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of an image. Default: 3.
    #[serde(default = "default_channels")]
    pub num_channels: usize,
    /// Width of the states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Activation. Default: `quick_gelu`.
    #[serde(default = "default_activation")]
    pub hidden_act: Activation,
    /// Epsilon of the layer norms. Default: 1e-5.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    /// transformers' model type.
    #[serde(default = "vision_type")]
    pub model_type: String,
}

impl VisionConfig {
    /// Returns the tower's part.
    pub fn tower(&self) -> TowerConfig {
        TowerConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }

    /// Returns the number of patches along a side.
    pub fn patches(&self) -> usize {
        self.image_size / self.patch_size
    }
}

/// `config.json` of a `CLIPModel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipConfig {
    /// The text tower.
    pub text_config: TextConfig,
    /// The image tower.
    pub vision_config: VisionConfig,
    /// Width of the joint space.
    pub projection_dim: usize,
    /// Logarithm of the factor on cosines before training. Default: 2.6592, which is ln(1/0.07).
    #[serde(default = "default_logit_scale")]
    pub logit_scale_init_value: f32,
    /// transformers' model type.
    #[serde(default = "clip_type")]
    pub model_type: String,
}

fn default_channels() -> usize {
    3
}
fn default_activation() -> Activation {
    Activation::QuickGelu
}
fn default_epsilon() -> f64 {
    1e-5
}
fn default_logit_scale() -> f32 {
    2.6592
}
fn vision_type() -> String {
    "clip_vision_model".into()
}
fn clip_type() -> String {
    "clip".into()
}

impl ClipConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, and impossible values.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let config: Self =
            serde_json::from_str(json).map_err(|source| RewardError::Json { file: "CLIP's config.json", source })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses impossible values.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), RewardError> {
        let refuse = |field, value: usize, wanted| {
            Err(RewardError::Field { file: "CLIP's config.json", field, value: value.to_string(), wanted })
        };
        self.text_config.check()?;
        let vision = &self.vision_config;
        if vision.patch_size == 0 || !vision.image_size.is_multiple_of(vision.patch_size) {
            return refuse("vision_config.patch_size", vision.patch_size, "a divisor of image_size");
        }
        if vision.num_attention_heads == 0 || !vision.hidden_size.is_multiple_of(vision.num_attention_heads) {
            let heads = vision.num_attention_heads;
            return refuse("vision_config.num_attention_heads", heads, "a divisor of hidden_size");
        }
        if vision.num_channels != 3 {
            return refuse("vision_config.num_channels", vision.num_channels, "3: images are RGB");
        }
        if self.projection_dim == 0 {
            return refuse("projection_dim", 0, "at least 1");
        }
        Ok(())
    }
}

/// The part of `preprocessor_config.json` that matters here: how pixels in [0, 1] become the tower's input,
/// `(x − mean) / deviation` per channel. Images come at the tower's size and are not resized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    /// Mean of red, green and blue.
    pub image_mean: [f32; 3],
    /// Standard deviation of red, green and blue.
    pub image_std: [f32; 3],
}

impl Default for Preprocessor {
    /// Returns the one that maps [0, 1] to [−1, 1], which emoji-32's CLIPs use.
    fn default() -> Self {
        Self { image_mean: [0.5; 3], image_std: [0.5; 3] }
    }
}

impl Preprocessor {
    /// Reads `preprocessor_config.json`.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, and deviations that are not positive.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let file = "preprocessor_config.json";
        let found: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file, source })?;
        if found.image_std.iter().any(|deviation| *deviation <= 0.0 || !deviation.is_finite()) {
            let value = format!("{:?}", found.image_std);
            return Err(RewardError::Field { file, field: "image_std", value, wanted: "three positive numbers" });
        }
        Ok(found)
    }

    /// Returns (x − mean) / deviation of each channel of `[rows, 3, height, width]`.
    pub fn normalise(&self, pixels: Tensor<4>) -> Tensor<4> {
        let mean = of_channels(self.image_mean, &pixels.device());
        self.scaled(pixels - mean)
    }

    /// Returns x / deviation of each channel of `[rows, 3, height, width]`: what turns the gradient of normalised pixels into that of
    /// the pixels.
    pub(crate) fn scaled(&self, x: Tensor<4>) -> Tensor<4> {
        let factor = of_channels(self.image_std.map(f32::recip), &x.device());
        x * factor
    }

    /// Returns `preprocessor_config.json` for images of `size` × `size` pixels, as transformers reads it.
    pub fn to_json(&self, size: usize) -> String {
        let json = serde_json::json!({
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": false,
            "do_center_crop": false,
            "do_convert_rgb": true,
            "do_rescale": true,
            "rescale_factor": 1.0 / 255.0,
            "do_normalize": true,
            "size": { "height": size, "width": size },
            "image_mean": self.image_mean,
            "image_std": self.image_std,
        });
        format!("{json:#}\n")
    }
}

/// Returns a value per channel, `[1, 3, 1, 1]`.
fn of_channels(values: [f32; 3], device: &Device) -> Tensor<4> {
    from_host(values.to_vec(), [1, 3, 1, 1], &device.clone().without_autodiff())
}
