//! CLIP's text transformer: `CLIPTextModel` of transformers (Radford et al., 2103.00020).

use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Int, Tensor, TensorData};
use moa_adapter::{Linear, Parameters, ParametersError};
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::nn::{Embedding, LayerNorm, join_heads, split_heads};

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

    /// Refuses impossible values.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        let file = "text_encoder/config.json";
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

#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are transformers'")]
struct Layer {
    heads: usize,
    activation: Activation,
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Layer {
    fn load(p: &Parameters, config: &TowerConfig) -> Result<Self, ParametersError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let projection = |name: &str| Linear::load(&p.at(format_args!("self_attn.{name}")), width, width, true);
        Ok(Self {
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            layer_norm1: LayerNorm::load(&p.at("layer_norm1"), width, config.layer_norm_eps)?,
            q_proj: projection("q_proj")?,
            k_proj: projection("k_proj")?,
            v_proj: projection("v_proj")?,
            out_proj: projection("out_proj")?,
            layer_norm2: LayerNorm::load(&p.at("layer_norm2"), width, config.layer_norm_eps)?,
            fc1: Linear::load(&p.at("mlp.fc1"), width, inner, true)?,
            fc2: Linear::load(&p.at("mlp.fc2"), inner, width, true)?,
        })
    }

    fn forward(&self, x: Tensor<3>, causal: bool) -> Tensor<3> {
        let y = self.layer_norm1.forward(x.clone());
        let head = |projection: &Linear| split_heads(projection.forward(y.clone(), None), self.heads);
        let options = AttentionModuleOptions { is_causal: causal, ..Default::default() };
        let mixed = attention(head(&self.q_proj), head(&self.k_proj), head(&self.v_proj), None, None, options);
        let x = x + self.out_proj.forward(join_heads(mixed), None);
        let y = self.fc1.forward(self.layer_norm2.forward(x.clone()), None);
        let y = match self.activation {
            Activation::QuickGelu => y.clone() * sigmoid(y * 1.702),
            Activation::Gelu => gelu(y),
        };
        x + self.fc2.forward(y, None)
    }
}

/// The pre-norm transformer that both of CLIP's towers are.
#[derive(Clone, Debug)]
pub struct Tower {
    layers: Vec<Layer>,
}

impl Tower {
    /// Takes the parameters below `layers`.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(p: &Parameters, config: &TowerConfig) -> Result<Self, ParametersError> {
        let layers = (0..config.num_hidden_layers).map(|i| Layer::load(&p.at(format_args!("layers.{i}")), config));
        Ok(Self { layers: layers.collect::<Result<_, _>>()? })
    }

    /// Transforms `[rows, tokens, width]`.
    pub fn forward(&self, x: Tensor<3>, causal: bool) -> Tensor<3> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x, causal))
    }
}

/// The text encoder.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    config: TextConfig,
    tokens: Embedding,
    positions: Embedding,
    tower: Tower,
    final_norm: LayerNorm,
}

impl TextEncoder {
    /// Takes the encoder's parameters, with or without transformers' `text_model.` before the names.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &TextConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let p = &if p.has("text_model.final_layer_norm.weight") { p.at("text_model") } else { p.clone() };
        let width = config.hidden_size;
        Ok(Self {
            tokens: Embedding::load(&p.at("embeddings.token_embedding"), config.vocab_size, width)?,
            positions: Embedding::load(&p.at("embeddings.position_embedding"), config.max_position_embeddings, width)?,
            tower: Tower::load(&p.at("encoder"), &config.tower())?,
            final_norm: LayerNorm::load(&p.at("final_layer_norm"), width, config.layer_norm_eps)?,
            config: config.clone(),
        })
    }

    /// Returns the config.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// Returns the states of every token, after the final norm.
    ///
    /// # Shapes
    /// - `ids`: rows of equally many token ids (at most `max_position_embeddings`)
    /// - returns `[rows, tokens, hidden_size]`
    pub fn forward(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        let (rows, tokens) = (ids.len(), ids.first().map_or(0, Vec::len));
        let table = self.tokens.table();
        let flat: Vec<i64> = ids.iter().flatten().map(|id| i64::from(*id)).collect();
        let device = table.device().without_autodiff();
        let indices = Tensor::<2, Int>::from_data(TensorData::new(flat, [rows, tokens]), &device);
        let positions = self.positions.table().narrow(0, 0, tokens).unsqueeze();
        let x = self.tokens.forward(indices) + positions;
        self.final_norm.forward(self.tower.forward(x, true))
    }

    /// Returns the state of each text's end token, `[rows, hidden_size]`.
    pub fn pool(&self, states: Tensor<3>, ids: &[Vec<u32>]) -> Tensor<2> {
        let [rows, tokens, width] = states.dims();
        let ends: Vec<i64> = ids.iter().enumerate().map(|(row, ids)| (row * tokens + self.end(ids)) as i64).collect();
        let device = states.device().without_autodiff();
        let ends = Tensor::<1, Int>::from_data(TensorData::new(ends, [rows]), &device);
        states.reshape([rows * tokens, width]).select(0, ends)
    }

    /// Returns the position of the end token. Configs that say 2 are older than the field's meaning: there the largest
    /// id marks the end.
    fn end(&self, ids: &[u32]) -> usize {
        if self.config.eos_token_id == 2 {
            let largest = ids.iter().max().copied().unwrap_or(0);
            return ids.iter().position(|id| *id == largest).unwrap_or(0);
        }
        ids.iter().position(|id| i64::from(*id) == self.config.eos_token_id).unwrap_or(ids.len().saturating_sub(1))
    }
}
