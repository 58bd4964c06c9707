//! BLIP's text encoder (Li et al., 2201.12086): a BERT whose layers look at an image between attention and feed-forward.

use burn::tensor::activation::gelu;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Int, Tensor};
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_device::indices_from_host;
use moa_diffusion::{Embedding, LayerNorm};

use super::config::TextConfig;

/// Attention with the sum and the norm behind it.
struct Attention {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
}

impl Attention {
    /// Takes `self.*` and `output.*`; keys and values come from states of `source` numbers.
    fn load(p: &Parameters, config: &TextConfig, source: usize) -> Result<Self, ParametersError> {
        let width = config.hidden_size;
        let of = p.at("self");
        Ok(Self {
            heads: config.num_attention_heads,
            query: Linear::load(&of.at("query"), width, width, true)?,
            key: Linear::load(&of.at("key"), source, width, true)?,
            value: Linear::load(&of.at("value"), source, width, true)?,
            output: Linear::load(&p.at("output.dense"), width, width, true)?,
            norm: LayerNorm::load(&p.at("output.LayerNorm"), width, config.layer_norm_eps)?,
        })
    }

    fn forward(&self, x: Tensor<3>, source: Tensor<3>) -> Tensor<3> {
        let head = |projection: &Linear, x: Tensor<3>| {
            let [rows, tokens, width] = x.dims();
            let width = projection.bias().map_or(width, |bias| bias.dims()[0]);
            let x = projection.forward(x, None).reshape([rows, tokens, self.heads, width / self.heads]);
            x.swap_dims(1, 2)
        };
        let (key, value) = (head(&self.key, source.clone()), head(&self.value, source));
        let mixed = attention(head(&self.query, x.clone()), key, value, None, None, AttentionModuleOptions::default());
        let mixed = mixed.swap_dims(1, 2).reshape(x.dims());
        self.norm.forward(self.output.forward(mixed, None) + x)
    }
}

struct Layer {
    itself: Attention,
    image: Attention,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
}

impl Layer {
    fn load(p: &Parameters, config: &TextConfig, image: usize) -> Result<Self, ParametersError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Ok(Self {
            itself: Attention::load(&p.at("attention"), config, width)?,
            image: Attention::load(&p.at("crossattention"), config, image)?,
            inner: Linear::load(&p.at("intermediate.dense"), width, inner, true)?,
            outer: Linear::load(&p.at("output.dense"), inner, width, true)?,
            norm: LayerNorm::load(&p.at("output.LayerNorm"), width, config.layer_norm_eps)?,
        })
    }

    fn forward(&self, x: Tensor<3>, image: Tensor<3>) -> Tensor<3> {
        let x = self.itself.forward(x.clone(), x);
        let x = self.image.forward(x, image);
        let y = self.outer.forward(gelu(self.inner.forward(x.clone(), None)), None);
        self.norm.forward(y + x)
    }
}

/// The text encoder.
pub(super) struct Texts {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Texts {
    /// Takes the parameters below `text_encoder`; images have states of `image` numbers.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub(super) fn load(config: &TextConfig, p: &Parameters, image: usize) -> Result<Self, ParametersError> {
        let (embeddings, width) = (p.at("embeddings"), config.hidden_size);
        let layer = |i| Layer::load(&p.at(format_args!("encoder.layer.{i}")), config, image);
        Ok(Self {
            words: Embedding::load(&embeddings.at("word_embeddings"), config.vocab_size, width)?,
            positions: Embedding::load(&embeddings.at("position_embeddings"), config.max_position_embeddings, width)?,
            norm: LayerNorm::load(&embeddings.at("LayerNorm"), width, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the state of a text's first token beside each image, `[rows, hidden_size]`. Padding, which attention is told to pass
    /// over, is left out.
    ///
    /// # Shapes
    /// - `ids`: the text's tokens
    /// - `images`: `[rows, 1 + patches, …]`, the states of images
    pub(super) fn forward(&self, ids: &[u32], images: &Tensor<3>) -> Tensor<2> {
        let rows = images.dims()[0];
        let device = self.words.table().device().without_autodiff();
        let indices: Tensor<2, Int> =
            indices_from_host(ids.iter().map(|id| i64::from(*id)).collect(), &device).reshape([1, ids.len()]);
        let x = self.words.forward(indices) + self.positions.table().narrow(0, 0, ids.len()).unsqueeze();
        let [_, tokens, width] = x.dims();
        let x = self.norm.forward(x).expand([rows, tokens, width]);
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, images.clone()));
        x.narrow(1, 0, 1).reshape([rows, width])
    }
}
