//! Joint attention: image and text attend to both at once, each with projections of its own.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};

use super::norm::RmsNorm;
use super::rotary::Rotary;

use crate::gradient::attention;
use crate::nn::{join_heads, split_heads};

/// Queries, keys and values, each `[rows, heads, tokens, head width]`.
type Heads = [Tensor<4>; 3];

/// The heads of a stream's attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadShape {
    /// How many there are.
    pub(super) count: usize,
    /// Width of each.
    pub(super) width: usize,
    /// Whether queries and keys are normalised.
    pub(super) normalised: bool,
}

impl HeadShape {
    /// Returns the width of the stream.
    pub(super) fn stream(self) -> usize {
        self.count * self.width
    }
}

/// The projections of one stream of tokens into heads, with the norms of queries and keys.
#[derive(Clone, Debug)]
pub(super) struct Projections {
    heads: usize,
    linears: [Linear; 3],
    norms: Option<[RmsNorm; 2]>,
}

impl Projections {
    /// Takes the three projections of these names, and where they are asked for the two norms.
    fn load(
        p: &Parameters,
        heads: HeadShape,
        [q, k, v]: [&str; 3],
        [norm_q, norm_k]: [&str; 2],
    ) -> Result<Self, ParametersError> {
        let width = heads.stream();
        let linear = |name: &str| Linear::load(&p.at(name), width, width, true);
        let norm = |name: &str| RmsNorm::load(&p.at(name), heads.width);
        let norms = if heads.normalised { Some([norm(norm_q)?, norm(norm_k)?]) } else { None };
        Ok(Self { heads: heads.count, linears: [linear(q)?, linear(k)?, linear(v)?], norms })
    }

    /// Takes the projections of a stream on its own.
    pub(super) fn of_image(p: &Parameters, heads: HeadShape) -> Result<Self, ParametersError> {
        Self::load(p, heads, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"])
    }

    /// Returns the layers.
    pub(super) fn linears(&self) -> impl Iterator<Item = LayerShape> {
        self.linears.iter().map(Linear::shape)
    }

    pub(super) fn forward(&self, x: &Tensor<3>, bank: Option<&AdapterBank>) -> Heads {
        let [q, k, v] = self.linears.each_ref().map(|linear| split_heads(linear.forward(x.clone(), bank), self.heads));
        match &self.norms {
            Some([norm_q, norm_k]) => [norm_q.forward(q), norm_k.forward(k), v],
            None => [q, k, v],
        }
    }
}

/// Attends, with queries and keys turned by their positions where there are such.
pub(super) fn attend([q, k, v]: Heads, rotary: Option<&Rotary>) -> Tensor<3> {
    let [q, k] = [q, k].map(|x| match rotary {
        Some(rotary) => rotary.turn(x),
        None => x,
    });
    join_heads(attention(q, k, v))
}

/// Attention of the image to itself: diffusers' `Attention` of one stream.
#[derive(Clone, Debug)]
pub(super) struct SelfAttention {
    picture: Projections,
    to_out: Linear,
}

impl SelfAttention {
    pub(super) fn load(p: &Parameters, heads: HeadShape) -> Result<Self, ParametersError> {
        let width = heads.stream();
        Ok(Self {
            picture: Projections::of_image(p, heads)?,
            to_out: Linear::load(&p.at("to_out.0"), width, width, true)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<3> {
        self.to_out.forward(attend(self.picture.forward(x, bank), None), bank)
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
    pub(super) fn load(p: &Parameters, heads: HeadShape, last: bool) -> Result<Self, ParametersError> {
        let width = heads.stream();
        let names = (["add_q_proj", "add_k_proj", "add_v_proj"], ["norm_added_q", "norm_added_k"]);
        Ok(Self {
            own: SelfAttention::load(p, heads)?,
            text: Projections::load(p, heads, names.0, names.1)?,
            to_add_out: (!last).then(|| Linear::load(&p.at("to_add_out"), width, width, true)).transpose()?,
        })
    }

    /// Attends, image first.
    ///
    /// # Shapes
    /// - `picture`: `[rows, patches, width]`, `text`: `[rows, tokens, width]`
    /// - `rotary`: the positions of both, image first
    /// - returns both shapes, the text's unless the block is the last
    pub(super) fn forward(
        &self,
        picture: &Tensor<3>,
        text: &Tensor<3>,
        rotary: Option<&Rotary>,
        bank: Option<&AdapterBank>,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let (patches, tokens) = (picture.dims()[1], text.dims()[1]);
        let [pq, pk, pv] = self.own.picture.forward(picture, bank);
        let [tq, tk, tv] = self.text.forward(text, bank);
        let both = |picture, text| Tensor::cat(vec![picture, text], 2);
        let mixed = attend([both(pq, tq), both(pk, tk), both(pv, tv)], rotary);
        let picture = self.own.to_out.forward(mixed.clone().narrow(1, 0, patches), bank);
        let text = self.to_add_out.as_ref().map(|linear| linear.forward(mixed.narrow(1, patches, tokens), bank));
        (picture, text)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        self.own.linears(out);
        out.extend(self.text.linears.iter().chain(&self.to_add_out).map(Linear::shape));
    }
}
