//! Joint attention: image and text attend to both at once, each with projections of its own.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};

use super::Sd3Config;
use super::norm::RmsNorm;

use crate::gradient::attention;
use crate::nn::{join_heads, split_heads};

/// Queries, keys and values, each `[rows, heads, tokens, head width]`.
type Heads = [Tensor<4>; 3];

/// The projections of one stream of tokens into heads, with the norms of queries and keys.
#[derive(Clone, Debug)]
struct Projections {
    heads: usize,
    linears: [Linear; 3],
    norms: Option<[RmsNorm; 2]>,
}

impl Projections {
    /// Takes the three projections of these names, and where the config asks for them the two norms.
    fn load(
        p: &Parameters,
        config: &Sd3Config,
        [q, k, v]: [&str; 3],
        [norm_q, norm_k]: [&str; 2],
    ) -> Result<Self, ParametersError> {
        let width = config.width();
        let linear = |name: &str| Linear::load(&p.at(name), width, width, true);
        let norm = |name: &str| RmsNorm::load(&p.at(name), config.attention_head_dim);
        let norms = if config.qk_norm.is_some() { Some([norm(norm_q)?, norm(norm_k)?]) } else { None };
        Ok(Self { heads: config.num_attention_heads, linears: [linear(q)?, linear(k)?, linear(v)?], norms })
    }

    fn forward(&self, x: &Tensor<3>, bank: Option<&AdapterBank>) -> Heads {
        let [q, k, v] = self.linears.each_ref().map(|linear| split_heads(linear.forward(x.clone(), bank), self.heads));
        match &self.norms {
            Some([norm_q, norm_k]) => [norm_q.forward(q), norm_k.forward(k), v],
            None => [q, k, v],
        }
    }
}

fn attend([q, k, v]: Heads) -> Tensor<3> {
    join_heads(attention(q, k, v))
}

/// Attention of the image to itself: diffusers' `Attention` of one stream.
#[derive(Clone, Debug)]
pub(super) struct SelfAttention {
    picture: Projections,
    to_out: Linear,
}

impl SelfAttention {
    pub(super) fn load(p: &Parameters, config: &Sd3Config) -> Result<Self, ParametersError> {
        let width = config.width();
        Ok(Self {
            picture: Projections::load(p, config, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"])?,
            to_out: Linear::load(&p.at("to_out.0"), width, width, true)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<3> {
        self.to_out.forward(attend(self.picture.forward(x, bank)), bank)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.extend(self.picture.linears.iter().chain([&self.to_out]).map(Linear::shape));
    }
}

/// Attention of both streams to both: diffusers' `Attention` under a `JointAttnProcessor2_0`.
#[derive(Clone, Debug)]
pub(super) struct JointAttention {
    own: SelfAttention,
    text: Projections,
    /// Absent from the last block, where the text has done its part.
    to_add_out: Option<Linear>,
}

impl JointAttention {
    /// Takes the parameters; the text comes out again unless the block is the last.
    pub(super) fn load(p: &Parameters, config: &Sd3Config, last: bool) -> Result<Self, ParametersError> {
        let width = config.width();
        let names = (["add_q_proj", "add_k_proj", "add_v_proj"], ["norm_added_q", "norm_added_k"]);
        Ok(Self {
            own: SelfAttention::load(p, config)?,
            text: Projections::load(p, config, names.0, names.1)?,
            to_add_out: (!last).then(|| Linear::load(&p.at("to_add_out"), width, width, true)).transpose()?,
        })
    }

    /// Attends, image first.
    ///
    /// # Shapes
    /// - `picture`: `[rows, patches, width]`, `text`: `[rows, tokens, width]`
    /// - returns both shapes, the text's unless the block is the last
    pub(super) fn forward(
        &self,
        picture: &Tensor<3>,
        text: &Tensor<3>,
        bank: Option<&AdapterBank>,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let (patches, tokens) = (picture.dims()[1], text.dims()[1]);
        let [pq, pk, pv] = self.own.picture.forward(picture, bank);
        let [tq, tk, tv] = self.text.forward(text, bank);
        let both = |picture, text| Tensor::cat(vec![picture, text], 2);
        let mixed = attend([both(pq, tq), both(pk, tk), both(pv, tv)]);
        let picture = self.own.to_out.forward(mixed.clone().narrow(1, 0, patches), bank);
        let text = self.to_add_out.as_ref().map(|linear| linear.forward(mixed.narrow(1, patches, tokens), bank));
        (picture, text)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        self.own.linears(out);
        out.extend(self.text.linears.iter().chain(&self.to_add_out).map(Linear::shape));
    }
}
