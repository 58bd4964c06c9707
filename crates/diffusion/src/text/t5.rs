//! T5's encoder, version 1.1: `T5EncoderModel` of transformers (Raffel et al., 1910.10683; gated feed-forward layers: Shazeer, 2002.05202).

mod config;

use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};
use moa_adapter::{Init, Linear, Parameters, ParametersError};
use moa_device::{as_type, gelu_tanh, indices_from_host, rms_norm};

pub use config::T5Config;

use crate::nn::{Embedding, join_heads, split_heads};

/// Root mean square normalisation, in f32: no mean is taken away, and nothing added.
#[derive(Clone, Debug)]
struct Norm {
    weight: Tensor<1>,
    epsilon: f64,
}

impl Norm {
    fn load(p: &Parameters, config: &T5Config) -> Result<Self, ParametersError> {
        let weight = p.in_type(FloatDType::F32).get("weight", [config.d_model], Init::Ones)?;
        Ok(Self { weight, epsilon: config.layer_norm_epsilon })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, tokens, width] = x.dims();
        rms_norm(x.reshape([rows, tokens, 1, width]), &self.weight, self.epsilon).reshape([rows, tokens, width])
    }
}

/// Self-attention without scaling and a gated feed-forward layer, each behind a norm.
#[derive(Clone, Debug)]
struct Block {
    heads: usize,
    attention_norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    feed_norm: Norm,
    wi_0: Linear,
    wi_1: Linear,
    wo: Linear,
}

impl Block {
    fn load(p: &Parameters, config: &T5Config) -> Result<Self, ParametersError> {
        let (width, inner, wide) = (config.d_model, config.num_heads * config.d_kv, config.d_ff);
        let (attention, feed) = (p.at("layer.0"), p.at("layer.1"));
        let linear = |p: &Parameters, name: &str, d_in, d_out| Linear::load(&p.at(name), d_in, d_out, false);
        // The last product of the feed-forward layer overflows halves, so that transformers keeps it in f32, too.
        let last = if p.kept() == FloatDType::F16 { feed.in_type(FloatDType::F32) } else { feed.clone() };
        Ok(Self {
            heads: config.num_heads,
            attention_norm: Norm::load(&attention.at("layer_norm"), config)?,
            q: linear(&attention, "SelfAttention.q", width, inner)?,
            k: linear(&attention, "SelfAttention.k", width, inner)?,
            v: linear(&attention, "SelfAttention.v", width, inner)?,
            o: linear(&attention, "SelfAttention.o", inner, width)?,
            feed_norm: Norm::load(&feed.at("layer_norm"), config)?,
            wi_0: linear(&feed, "DenseReluDense.wi_0", width, wide)?,
            wi_1: linear(&feed, "DenseReluDense.wi_1", width, wide)?,
            wo: linear(&last, "DenseReluDense.wo", wide, width)?,
        })
    }

    /// Transforms `[rows, tokens, width]`, in f32, with the positions' part of the scores, `[1, heads, tokens, tokens]`, in f32.
    fn forward(&self, x: Tensor<3>, positions: &Tensor<4>, kept: FloatDType) -> Tensor<3> {
        let y = as_type(self.attention_norm.forward(x.clone()), kept);
        let head = |linear: &Linear| split_heads(linear.forward(y.clone(), None), self.heads);
        let scores = as_type(head(&self.q).matmul(head(&self.k).transpose()), FloatDType::F32) + positions.clone();
        let mixed = as_type(softmax(scores, 3), kept).matmul(head(&self.v));
        let x = x + as_type(self.o.forward(join_heads(mixed), None), FloatDType::F32);
        let y = as_type(self.feed_norm.forward(x.clone()), kept);
        let y = gelu_tanh(self.wi_0.forward(y.clone(), None)) * self.wi_1.forward(y, None);
        let y = self.wo.forward(as_type(y, self.wo.weight().dtype().into()), None);
        x + as_type(y, FloatDType::F32)
    }
}

/// The encoder. Its products are computed in the type of number that its weights have; the sum that runs through the layers, the norms
/// and the attention's shares are f32.
#[derive(Clone, Debug)]
pub struct T5Encoder {
    config: T5Config,
    kept: FloatDType,
    tokens: Embedding,
    /// What each head adds to scores at a distance, `[buckets, heads]`.
    distances: Embedding,
    blocks: Vec<Block>,
    final_norm: Norm,
}

impl T5Encoder {
    /// Takes the parameters that the config implies; those of a decoder are passed over. The config must be one that
    /// [`T5Config::check`] accepts.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &T5Config, p: &Parameters) -> Result<Self, ParametersError> {
        let encoder = p.at("encoder");
        let table = if p.has("shared.weight") { p.at("shared") } else { encoder.at("embed_tokens") };
        let distances = encoder.at("block.0.layer.0.SelfAttention.relative_attention_bias");
        let distances = distances.in_type(FloatDType::F32);
        let blocks =
            (0..config.num_layers).map(|index| Block::load(&encoder.at(format_args!("block.{index}")), config));
        Ok(Self {
            kept: p.kept(),
            tokens: Embedding::load(&table, config.vocab_size, config.d_model)?,
            distances: Embedding::load(&distances, config.relative_attention_num_buckets, config.num_heads)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            final_norm: Norm::load(&encoder.at("final_layer_norm"), config)?,
            config: config.clone(),
        })
    }

    /// Returns the config.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Returns the embeddings of all tokens, `[vocab_size, d_model]`.
    pub fn table(&self) -> Tensor<2> {
        self.tokens.table()
    }

    /// Returns the embeddings of tokens, `[rows, tokens, d_model]`, of rows of equally many ids.
    pub fn embed(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        self.tokens.look_up(ids)
    }

    /// Returns the states of every token after the final norm, `[rows, tokens, d_model]`. Every token attends to all, pad tokens
    /// included, as in diffusers' pipelines.
    pub fn forward(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        self.forward_embedded(self.embed(ids))
    }

    /// Returns the states of every token, as [`T5Encoder::forward`] does, from the tokens' embeddings, to which gradients flow.
    ///
    /// # Shapes
    /// - `embedded`: as [`T5Encoder::embed`] returns them, `[rows, tokens, d_model]`
    /// - returns the same shape, in the type of number of the weights
    pub fn forward_embedded(&self, embedded: Tensor<3>) -> Tensor<3> {
        let positions = self.positions(embedded.dims()[1]);
        let x = as_type(embedded, FloatDType::F32);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, &positions, self.kept));
        as_type(self.final_norm.forward(x), self.kept)
    }

    /// Returns what positions add to the scores of so many tokens, `[1, heads, tokens, tokens]`: keys along the last dimension.
    fn positions(&self, tokens: usize) -> Tensor<4> {
        let bucket = |query: usize, key: usize| self.config.bucket(key as i64 - query as i64) as i64;
        let buckets = (0..tokens).flat_map(|query| (0..tokens).map(move |key| bucket(query, key))).collect();
        let table = self.distances.table();
        let buckets = indices_from_host(buckets, &table.device().without_autodiff());
        let heads = self.config.num_heads;
        table.select(0, buckets).reshape([tokens, tokens, heads]).permute([2, 0, 1]).unsqueeze()
    }
}
