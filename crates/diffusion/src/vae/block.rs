//! What encoder and decoder of an `AutoencoderKL` are made of.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_device::{add, is_libtorch, silu};

use super::recompute::part;
use crate::gradient::{Activations, attention};
use crate::nn::{Conv2d, GroupNorm};

/// Epsilon of every group norm of the autoencoder.
pub(super) const EPSILON: f64 = 1e-6;
/// Scores of attention that are in memory at a time (64 MiB): positions of a large image take turns.
const SCORES: usize = 1 << 24;

/// diffusers' `ResnetBlock2D` without time.
#[derive(Clone, Debug)]
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl Resnet {
    pub(super) fn load(p: &Parameters, channels: [usize; 2], groups: usize) -> Result<Self, ParametersError> {
        let [d_in, d_out] = channels;
        let shortcut = d_in != d_out;
        Ok(Self {
            norm1: GroupNorm::load(&p.at("norm1"), d_in, groups, EPSILON)?,
            conv1: Conv2d::load(&p.at("conv1"), channels, 3, 1)?,
            norm2: GroupNorm::load(&p.at("norm2"), d_out, groups, EPSILON)?,
            conv2: Conv2d::load(&p.at("conv2"), [d_out, d_out], 3, 1)?,
            conv_shortcut: shortcut.then(|| Conv2d::load(&p.at("conv_shortcut"), channels, 1, 1)).transpose()?,
        })
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = self.conv1.forward(silu(self.norm1.forward(x.clone())));
        let hidden = self.conv2.forward(silu(self.norm2.forward(hidden)));
        match &self.conv_shortcut {
            Some(shortcut) => add(shortcut.forward(x), hidden),
            None => add(x, hidden),
        }
    }
}

/// Attention of one head among all positions.
#[derive(Clone, Debug)]
struct Attention {
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Attention {
    /// Takes the layers under today's names (`to_q` …) or those of diffusers before 0.18 (`query` …).
    fn load(p: &Parameters, channels: usize, groups: usize) -> Result<Self, ParametersError> {
        let old = p.has("query.weight") && !p.has("to_q.weight");
        let names = if old { ["query", "key", "value", "proj_attn"] } else { ["to_q", "to_k", "to_v", "to_out.0"] };
        let linear = |name: &str| Linear::load(&p.at(name), channels, channels, true);
        Ok(Self {
            norm: GroupNorm::load(&p.at("group_norm"), channels, groups, EPSILON)?,
            query: linear(names[0])?,
            key: linear(names[1])?,
            value: linear(names[2])?,
            out: linear(names[3])?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let dims @ [rows, channels, height, width] = x.dims();
        let positions = height * width;
        let tokens = self.norm.forward(x.clone()).reshape([rows, channels, positions]).swap_dims(1, 2);
        let query = self.query.forward(tokens.clone(), None);
        let key = self.key.forward(tokens.clone(), None);
        let value = self.value.forward(tokens, None);
        if x.is_autodiff() || is_libtorch(&x.device()) {
            let [query, key, value] = [query, key, value].map(|x| x.reshape([rows, 1, positions, channels]));
            let mixed = attention(query, key, value).reshape([rows, positions, channels]);
            return add(self.out.forward(mixed, None).swap_dims(1, 2).reshape(dims), x);
        }
        let (query, key) = (query / (channels as f32).sqrt(), key.swap_dims(1, 2));
        let turn = (SCORES / (rows * positions)).clamp(1, positions);
        let turns = (0..positions).step_by(turn).map(|start| {
            let query = query.clone().narrow(1, start, turn.min(positions - start));
            softmax(query.matmul(key.clone()), 2).matmul(value.clone())
        });
        let mixed = Tensor::cat(turns.collect(), 1);
        self.out.forward(mixed, None).swap_dims(1, 2).reshape(dims) + x
    }
}

/// diffusers' `UNetMidBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    first: Resnet,
    attention: Option<Attention>,
    second: Resnet,
}

impl Middle {
    pub(super) fn load(p: &Parameters, channels: usize, groups: usize, attends: bool) -> Result<Self, ParametersError> {
        Ok(Self {
            first: Resnet::load(&p.at("resnets.0"), [channels, channels], groups)?,
            attention: attends.then(|| Attention::load(&p.at("attentions.0"), channels, groups)).transpose()?,
            second: Resnet::load(&p.at("resnets.1"), [channels, channels], groups)?,
        })
    }

    pub(super) fn forward(&self, x: Tensor<4>, activations: Activations) -> Tensor<4> {
        let Self { first, attention, second } = self.clone();
        let x = part(x, activations, move |x| first.forward(x));
        let x = match attention {
            Some(attention) => part(x, activations, move |x| attention.forward(x)),
            None => x,
        };
        part(x, activations, move |x| second.forward(x))
    }
}

/// Halves height and width; the image is padded on the right and below only.
pub(super) fn halve(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let ([rows, channels, height, width], device) = (x.dims(), x.device());
    let x = Tensor::cat(vec![x, Tensor::zeros([rows, channels, height, 1], &device)], 3);
    let x = Tensor::cat(vec![x, Tensor::zeros([rows, channels, 1, width + 1], &device)], 2);
    conv2d(x, conv.weight.clone(), Some(conv.bias.clone()), ConvOptions::new([2; 2], [0; 2], [1; 2], 1))
}

/// Doubles height and width by repeating every pixel.
pub(super) fn double(x: Tensor<4>) -> Tensor<4> {
    let [rows, channels, height, width] = x.dims();
    let x = x.reshape([rows * channels, height, 1, width, 1]).expand([rows * channels, height, 2, width, 2]);
    x.reshape([rows, channels, 2 * height, 2 * width])
}
