//! The spatial transformer: self-attention, cross-attention to the text, feed-forward.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{add, geglu};

use super::UnetConfig;
use crate::gradient::attention;
use crate::nn::{Conv2d, GroupNorm, LayerNorm, join_heads, split_heads};

#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) to_q: Linear,
    pub(super) to_k: Linear,
    pub(super) to_v: Linear,
    pub(super) to_out: Linear,
}

impl Attention {
    fn load(p: &Parameters, width: usize, d_context: usize, heads: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            heads,
            to_q: Linear::load(&p.at("to_q"), width, width, false)?,
            to_k: Linear::load(&p.at("to_k"), d_context, width, false)?,
            to_v: Linear::load(&p.at("to_v"), d_context, width, false)?,
            to_out: Linear::load(&p.at("to_out.0"), width, width, true)?,
        })
    }

    fn forward(&self, x: Tensor<3>, context: Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<3> {
        let q = split_heads(self.to_q.forward(x, bank), self.heads);
        let k = split_heads(self.to_k.forward(context.clone(), bank), self.heads);
        let v = split_heads(self.to_v.forward(context, bank), self.heads);
        self.to_out.forward(join_heads(attention(q, k, v)), bank)
    }

    fn linears(&self, out: &mut Vec<LayerShape>) {
        out.extend([&self.to_q, &self.to_k, &self.to_v, &self.to_out].map(Linear::shape));
    }
}

/// diffusers' `BasicTransformerBlock`.
#[derive(Clone, Debug)]
pub(super) struct TransformerBlock {
    pub(super) norm1: LayerNorm,
    pub(super) attn1: Attention,
    pub(super) norm2: LayerNorm,
    pub(super) attn2: Attention,
    pub(super) norm3: LayerNorm,
    pub(super) ff_in: Linear,
    pub(super) ff_out: Linear,
}

impl TransformerBlock {
    fn load(p: &Parameters, width: usize, d_context: usize, heads: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            norm1: LayerNorm::load(&p.at("norm1"), width, 1e-5)?,
            attn1: Attention::load(&p.at("attn1"), width, width, heads)?,
            norm2: LayerNorm::load(&p.at("norm2"), width, 1e-5)?,
            attn2: Attention::load(&p.at("attn2"), width, d_context, heads)?,
            norm3: LayerNorm::load(&p.at("norm3"), width, 1e-5)?,
            ff_in: Linear::load(&p.at("ff.net.0.proj"), width, 8 * width, true)?,
            ff_out: Linear::load(&p.at("ff.net.2"), 4 * width, width, true)?,
        })
    }

    /// Applies the block to tokens, `[rows, positions, width]`.
    pub(super) fn forward(&self, x: Tensor<3>, context: Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<3> {
        let y = self.norm1.forward(x.clone());
        let x = add(x, self.attn1.forward(y.clone(), y, bank));
        let x = add(x.clone(), self.attn2.forward(self.norm2.forward(x), context, bank));
        let gated = geglu(self.ff_in.forward(self.norm3.forward(x.clone()), bank));
        add(x, self.ff_out.forward(gated, bank))
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        self.attn1.linears(out);
        self.attn2.linears(out);
        out.extend([&self.ff_in, &self.ff_out].map(Linear::shape));
    }
}

#[derive(Clone, Debug)]
pub(super) enum Projection {
    Linear(Linear),
    Conv(Conv2d),
}

impl Projection {
    fn load(p: &Parameters, width: usize, linear: bool) -> Result<Self, ParametersError> {
        Ok(if linear {
            Self::Linear(Linear::load(p, width, width, true)?)
        } else {
            Self::Conv(Conv2d::load(p, [width, width], 1, 1)?)
        })
    }
}

/// diffusers' `Transformer2DModel` over a feature map.
#[derive(Clone, Debug)]
pub(super) struct SpatialTransformer {
    pub(super) norm: GroupNorm,
    pub(super) proj_in: Projection,
    pub(super) blocks: Vec<TransformerBlock>,
    pub(super) proj_out: Projection,
}

impl SpatialTransformer {
    /// Takes the parameters of the transformer of block `block`, `width` channels wide.
    pub(super) fn load(p: &Parameters, config: &UnetConfig, block: usize) -> Result<Self, ParametersError> {
        let width = config.block_out_channels[block];
        let heads = config.attention_head_dim.of(block);
        let linear = config.use_linear_projection;
        Ok(Self {
            norm: GroupNorm::load(&p.at("norm"), width, config.norm_num_groups, 1e-6)?,
            proj_in: Projection::load(&p.at("proj_in"), width, linear)?,
            blocks: (0..config.transformer_layers_per_block.of(block))
                .map(|i| {
                    let p = p.at(format_args!("transformer_blocks.{i}"));
                    TransformerBlock::load(&p, width, config.cross_attention_dim, heads)
                })
                .collect::<Result<_, _>>()?,
            proj_out: Projection::load(&p.at("proj_out"), width, linear)?,
        })
    }

    /// Applies the transformer.
    ///
    /// # Shapes
    /// - `x`: `[rows, channels, height, width]`; `context`: `[rows, tokens, cross_attention_dim]`
    /// - returns the shape of `x`
    pub(super) fn forward(&self, x: Tensor<4>, context: &Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<4> {
        let mut tokens = self.enter(x.clone(), bank);
        for block in &self.blocks {
            tokens = block.forward(tokens, context.clone(), bank);
        }
        let [_, _, height, width] = x.dims();
        add(x, self.leave(tokens, [height, width], bank))
    }

    /// Returns the tokens that the blocks work on, `[rows, height · width, channels]`.
    pub(super) fn enter(&self, x: Tensor<4>, bank: Option<&AdapterBank>) -> Tensor<3> {
        let [rows, channels, height, width] = x.dims();
        let to_tokens = |map: Tensor<4>| map.reshape([rows, channels, height * width]).swap_dims(1, 2);
        let map = self.norm.forward(x);
        match &self.proj_in {
            Projection::Linear(linear) => linear.forward(to_tokens(map), bank),
            Projection::Conv(conv) => to_tokens(conv.forward(map)),
        }
    }

    /// Returns the map that the blocks made of the tokens, `[rows, channels, height, width]`: what is added to the one that came in.
    pub(super) fn leave(
        &self,
        tokens: Tensor<3>,
        [height, width]: [usize; 2],
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let [rows, _, channels] = tokens.dims();
        let to_map = |tokens: Tensor<3>| tokens.swap_dims(1, 2).reshape([rows, channels, height, width]);
        match &self.proj_out {
            Projection::Linear(linear) => to_map(linear.forward(tokens, bank)),
            Projection::Conv(conv) => conv.forward(to_map(tokens)),
        }
    }

    /// Adds the layers that tokens enter and leave by.
    pub(super) fn linears_of_ends(&self, out: &mut Vec<LayerShape>) {
        for projection in [&self.proj_in, &self.proj_out] {
            if let Projection::Linear(linear) = projection {
                out.push(linear.shape());
            }
        }
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        self.linears_of_ends(out);
        for block in &self.blocks {
            block.linears(out);
        }
    }
}
