//! The embedding of the time, and of conditions that are added to it.

use burn::tensor::{Device, FloatDType, Tensor};
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{as_type, silu};

use super::UnetConfig;
use crate::context::AddedConditions;
use crate::gradient::{Pass, layers_of};
use crate::nn::Waves;

/// diffusers' `TimestepEmbedding`: two linear layers with SiLU between them.
#[derive(Clone, Debug)]
pub(super) struct TimeEmbedding {
    pub(super) linear_1: Linear,
    pub(super) linear_2: Linear,
}

impl TimeEmbedding {
    /// Takes the layers' parameters.
    pub(super) fn load(p: &Parameters, d_in: usize, width: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            linear_1: Linear::load(&p.at("linear_1"), d_in, width, true)?,
            linear_2: Linear::load(&p.at("linear_2"), width, width, true)?,
        })
    }

    fn forward(&self, x: Tensor<2>, bank: Option<&AdapterBank>) -> Tensor<2> {
        self.linear_2.forward(silu(self.linear_1.forward(x, bank)), bank)
    }

    /// Embeds sines and cosines of every row, `[rows, d_in]`; returns `[rows, time_width]`.
    pub(super) fn embed(&self, pass: &Pass<'_>, waves: Tensor<2>) -> Tensor<2> {
        let layers = || layers_of(|out| self.linears(out));
        let own = self.clone();
        pass.block(waves, layers, move |waves, _, bank| own.forward(waves, bank))
    }

    /// Returns the pooled text of every row beside the numbers that go with it, `[rows, d_in]`.
    pub(super) fn of_added(&self, config: &UnetConfig, added: &AddedConditions, device: &Device) -> Tensor<2> {
        let [rows, _] = added.pooled.dims();
        let width = config.added_widths().map_or(0, |widths| widths.number);
        let numbers = waves(config, width).on(&added.time_ids, device, self.kept());
        let numbers = numbers.reshape([1, width * added.time_ids.len()]).expand([rows, width * added.time_ids.len()]);
        let pooled = as_type(added.pooled.clone(), self.kept());
        Tensor::cat(vec![pooled, numbers], 1)
    }

    /// Returns the type of number that the layers compute in.
    fn kept(&self) -> FloatDType {
        self.linear_1.weight().dtype().into()
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.extend([self.linear_1.shape(), self.linear_2.shape()]);
    }
}

/// The unit that strengths of guidance are embedded in.
const GUIDANCE_UNIT: f32 = 1000.0;

/// What the embedding of the strength of guidance adds to the time's sines and cosines (Meng et al., 2210.03142; Luo et al., 2310.04378):
/// diffusers' `TimestepEmbedding` with a `cond_proj`, and its pipelines' `get_guidance_scale_embedding`.
#[derive(Clone, Debug)]
pub(super) struct GuidanceEmbedding {
    pub(super) projection: Linear,
}

impl GuidanceEmbedding {
    /// Takes the layer's parameters, for a number of sines and cosines of the strength and one of those of the time.
    pub(super) fn load(p: &Parameters, waves: usize, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { projection: Linear::load(&p.at("cond_proj"), waves, width, false)? })
    }

    /// Embeds one strength for all rows; returns `[rows, width]`.
    pub(super) fn embed(&self, pass: &Pass<'_>, strength: f32, rows: usize) -> Tensor<2> {
        let width = self.projection.shape().d_in;
        let (device, kept) =
            (self.projection.weight().device().without_autodiff(), self.projection.weight().dtype().into());
        // The distilled models count from no guidance at all, which is 1 elsewhere.
        let strength = (strength - 1.0) * GUIDANCE_UNIT;
        let waves = Waves { width, shift: 1.0, flip: false }.on(&vec![strength; rows], &device, kept);
        let layers = || vec![self.projection.shape()];
        let projection = self.projection.clone();
        pass.block(waves, layers, move |waves, _, bank| projection.forward(waves, bank))
    }
}

/// Returns how a U-Net embeds numbers, in so many sines and cosines.
pub(super) fn waves(config: &UnetConfig, width: usize) -> Waves {
    Waves { width, shift: config.freq_shift, flip: config.flip_sin_to_cos }
}
