//! `med_config.json`: BLIP's text encoder, with transformers' names of a BERT.

use std::path::Path;

use moa_diffusion::text::{Activation, TowerConfig};
use serde_json::Value;

use super::super::json::read_object;
use crate::RewardError;

/// Layers and widths of larger models are damaged files.
const LARGEST: u64 = 1 << 20;

/// The text encoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TextConfig {
    pub(super) vocab_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) layer_norm_eps: f64,
    /// Of the image encoder; nothing where they are 64 wide.
    pub(super) vision_heads: Option<usize>,
}

impl TextConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// Names the field whose value is impossible, or is not BLIP's.
    pub(super) fn read(path: &Path) -> Result<Self, RewardError> {
        if !path.is_file() {
            let folder = path.parent().unwrap_or(path);
            let problem = "it has no med_config.json: name the folder of ImageReward, such as hf:THUDM/ImageReward, with \
                           ImageReward.pt and med_config.json in it";
            return Err(RewardError::file(folder, problem));
        }
        let found = read_object(path)?;
        let wrong = |field: &str, wanted: &str| {
            RewardError::file(path, format!("`{field}` is {}: moa needs {wanted}", found[field]))
        };
        let refuse = |field: &str, wanted: &str| Err(wrong(field, wanted));
        for (field, plain) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("model_type", "bert")]
        {
            if !found[field].is_null() && found[field] != plain {
                return refuse(field, plain);
            }
        }
        if found["add_cross_attention"] == false {
            return refuse("add_cross_attention", "true: texts look at the image");
        }
        let number = |field: &str, default: u64| {
            let value = if found[field].is_null() { Some(default) } else { found[field].as_u64() };
            let value = value.filter(|value| (1..=LARGEST).contains(value));
            value.map(|value| value as usize).ok_or_else(|| wrong(field, "a whole number from 1"))
        };
        let config = Self {
            vocab_size: number("vocab_size", 30524)?,
            max_position_embeddings: number("max_position_embeddings", 512)?,
            hidden_size: number("hidden_size", 768)?,
            intermediate_size: number("intermediate_size", 3072)?,
            num_hidden_layers: number("num_hidden_layers", 12)?,
            num_attention_heads: number("num_attention_heads", 12)?,
            layer_norm_eps: match &found["layer_norm_eps"] {
                Value::Null => 1e-12,
                value => value.as_f64().unwrap_or(f64::NAN),
            },
            vision_heads: if found["vision_heads"].is_null() { None } else { Some(number("vision_heads", 1)?) },
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return refuse("num_attention_heads", "a divisor of hidden_size");
        }
        if config.max_position_embeddings < super::LONGEST {
            return refuse("max_position_embeddings", "at least 35, as texts have so many tokens");
        }
        if !(config.layer_norm_eps > 0.0 && config.layer_norm_eps < 1.0) {
            return refuse("layer_norm_eps", "a small positive number");
        }
        Ok(config)
    }

    /// Returns the transformer of an image encoder with sizes that its tensors tell.
    ///
    /// # Errors
    /// Says that no number of heads fits.
    pub(super) fn vision(&self, width: usize, inner: usize, layers: usize) -> Result<TowerConfig, String> {
        let heads = self.vision_heads.unwrap_or((width / 64).max(1));
        if !width.is_multiple_of(heads) {
            return Err(format!("its image encoder is {width} wide, which {heads} heads do not divide"));
        }
        Ok(TowerConfig {
            hidden_size: width,
            intermediate_size: inner,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-6,
        })
    }
}
