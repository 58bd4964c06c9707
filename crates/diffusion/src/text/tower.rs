//! The transformer of CLIP's towers.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use moa_adapter::{Linear, Parameters, ParametersError};

use super::config::{Activation, TowerConfig};
use crate::nn::{LayerNorm, join_heads, split_heads};

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

/// One layer of a [`Tower`], for engines that compute it themselves: h = x + out(attention(norm(x))), then h + fc2(act(fc1(norm(h)))).
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Attention heads.
    pub heads: usize,
    /// The activation.
    pub activation: Activation,
    /// Before attention, and before the feed-forward layers.
    pub norms: [&'a LayerNorm; 2],
    /// Queries, keys, values and output.
    pub attention: [&'a Linear; 4],
    /// The two feed-forward layers.
    pub feed_forward: [&'a Linear; 2],
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

    /// Returns the layers.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.layers.iter().map(|layer| Block {
            heads: layer.heads,
            activation: layer.activation,
            norms: [&layer.layer_norm1, &layer.layer_norm2],
            attention: [&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.out_proj],
            feed_forward: [&layer.fc1, &layer.fc2],
        })
    }

    /// Returns the number of layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Transforms `[rows, tokens, width]` by one layer, so that a caller can take gradients a layer at a time.
    ///
    /// # Panics
    /// When there is no such layer.
    pub fn layer(&self, index: usize, x: Tensor<3>, causal: bool) -> Tensor<3> {
        self.layers[index].forward(x, causal)
    }

    /// Transforms `[rows, tokens, width]`; returns the states before the last layer and after it.
    pub(super) fn last_two(&self, x: Tensor<3>, causal: bool) -> [Tensor<3>; 2] {
        let Some((last, others)) = self.layers.split_last() else { return [x.clone(), x] };
        let before = others.iter().fold(x, |x, layer| layer.forward(x, causal));
        [before.clone(), last.forward(before, causal)]
    }
}
