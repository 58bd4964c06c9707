//! Residual blocks and changes of resolution.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{add, silu};

use super::UnetConfig;
use crate::nn::{Conv2d, GroupNorm};

/// diffusers' `ResnetBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct ResnetBlock {
    pub(super) norm1: GroupNorm,
    pub(super) conv1: Conv2d,
    pub(super) time_emb_proj: Linear,
    pub(super) norm2: GroupNorm,
    pub(super) conv2: Conv2d,
    pub(super) conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// Takes the block's parameters.
    pub(super) fn load(p: &Parameters, config: &UnetConfig, channels: [usize; 2]) -> Result<Self, ParametersError> {
        let [d_in, d_out] = channels;
        let (groups, epsilon) = (config.norm_num_groups, config.norm_eps);
        Ok(Self {
            norm1: GroupNorm::load(&p.at("norm1"), d_in, groups, epsilon)?,
            conv1: Conv2d::load(&p.at("conv1"), channels, 3, 1)?,
            time_emb_proj: Linear::load(&p.at("time_emb_proj"), config.time_width(), d_out, true)?,
            norm2: GroupNorm::load(&p.at("norm2"), d_out, groups, epsilon)?,
            conv2: Conv2d::load(&p.at("conv2"), [d_out, d_out], 3, 1)?,
            conv_shortcut: (d_in != d_out).then(|| Conv2d::load(&p.at("conv_shortcut"), channels, 1, 1)).transpose()?,
        })
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `x`: `[rows, in, height, width]`; `time`: `[rows, time_width]`, after SiLU
    /// - returns `[rows, out, height, width]`
    pub(super) fn forward(&self, x: Tensor<4>, time: Tensor<2>, bank: Option<&AdapterBank>) -> Tensor<4> {
        let hidden = self.conv1.forward(silu(self.norm1.forward(x.clone())));
        let hidden = hidden + self.time_emb_proj.forward(time, bank).unsqueeze_dims(&[2, 3]);
        let hidden = self.conv2.forward(silu(self.norm2.forward(hidden)));
        match &self.conv_shortcut {
            Some(shortcut) => add(shortcut.forward(x), hidden),
            None => add(x, hidden),
        }
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.push(self.time_emb_proj.shape());
    }
}

/// Doubles height and width by repeating every pixel.
pub(super) fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [rows, channels, height, width] = x.dims();
    x.reshape([rows * channels, height, 1, width, 1]).expand([rows * channels, height, 2, width, 2]).reshape([
        rows,
        channels,
        2 * height,
        2 * width,
    ])
}
