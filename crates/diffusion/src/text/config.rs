//! `text_encoder/config.json` of transformers' `CLIPTextModel` and `CLIPTextModelWithProjection`.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// A transformer's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x·σ(1.702·x), CLIP's own.
    QuickGelu,
    /// The exact GELU.
    Gelu,
}

/// The width, depth and heads of a CLIP tower; field names are transformers'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TowerConfig {
    /// Width of the states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Activation.
    pub hidden_act: Activation,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
}

/// `text_encoder/config.json`: a tower with its vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Words in the vocabulary.
    pub vocab_size: usize,
    /// Longest text, in tokens.
    pub max_position_embeddings: usize,
    /// Token that ends a text.
    #[serde(default = "default_end")]
    pub eos_token_id: i64,
    /// Width of the states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Activation.
    #[serde(default = "default_activation")]
    pub hidden_act: Activation,
    /// Epsilon of the layer norms.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    /// Width of the joint space, where a projection follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_dim: Option<usize>,
    /// transformers' model type.
    #[serde(default = "default_model_type")]
    pub model_type: String,
}

fn default_end() -> i64 {
    2
}
fn default_activation() -> Activation {
    Activation::QuickGelu
}
fn default_epsilon() -> f64 {
    1e-5
}
fn default_model_type() -> String {
    "clip_text_model".into()
}

impl TextConfig {
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

    /// Returns the width of the projection, 512 where the config does not say (transformers' default).
    pub fn projected_width(&self) -> usize {
        self.projection_dim.unwrap_or(512)
    }

    /// Reads and checks a config; `file` names it in messages.
    ///
    /// # Errors
    /// Refuses what is no such config, and what [`TextConfig::check`] does.
    pub fn read(json: &[u8], file: &'static str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_slice(json).map_err(|source| ConfigError::Json { file, source })?;
        config.check_as(file)?;
        Ok(config)
    }

    /// Refuses impossible values.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_as("text_encoder/config.json")
    }

    fn check_as(&self, file: &'static str) -> Result<(), ConfigError> {
        if self.num_hidden_layers == 0 {
            return Err(ConfigError::Field {
                file,
                field: "num_hidden_layers",
                value: "0".into(),
                wanted: "at least 1",
            });
        }
        if self.hidden_size == 0 {
            return Err(ConfigError::Field { file, field: "hidden_size", value: "0".into(), wanted: "at least 1" });
        }
        if self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let value = self.num_attention_heads.to_string();
            return Err(ConfigError::Field {
                file,
                field: "num_attention_heads",
                value,
                wanted: "a divisor of hidden_size",
            });
        }
        if self.vocab_size < 2 {
            let value = self.vocab_size.to_string();
            return Err(ConfigError::Field { file, field: "vocab_size", value, wanted: "at least 2" });
        }
        Ok(())
    }
}
