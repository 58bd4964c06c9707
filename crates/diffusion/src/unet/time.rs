//! The embedding of the time, and of conditions that are added to it.

use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};

use super::UnetConfig;
use crate::context::AddedConditions;
use crate::nn::time_waves;

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

    /// Embeds one timestep for each row, `[rows, time_width]`.
    pub(super) fn of_timesteps(
        &self,
        config: &UnetConfig,
        timesteps: &[f32],
        device: &Device,
        bank: Option<&AdapterBank>,
    ) -> Tensor<2> {
        let width = config.block_out_channels[0];
        let waves = TensorData::new(waves(config, timesteps, width), [timesteps.len(), width]);
        self.forward(Tensor::from_data(waves, device), bank)
    }

    /// Embeds the pooled text and the numbers of every row, `[rows, time_width]`.
    pub(super) fn of_added(
        &self,
        config: &UnetConfig,
        added: &AddedConditions,
        device: &Device,
        bank: Option<&AdapterBank>,
    ) -> Tensor<2> {
        let [rows, _] = added.pooled.dims();
        let width = config.added_widths().map_or(0, |widths| widths.number);
        let numbers = waves(config, &added.time_ids, width);
        let count = numbers.len();
        let numbers = Tensor::<2>::from_data(TensorData::new(numbers, [1, count]), device).expand([rows, count]);
        self.forward(Tensor::cat(vec![added.pooled.clone(), numbers], 1), bank)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.extend([self.linear_1.shape(), self.linear_2.shape()]);
    }
}

/// Returns the sinusoidal embedding of numbers (Vaswani et al., 1706.03762), `[numbers, width]` row-major.
pub(super) fn waves(config: &UnetConfig, numbers: &[f32], width: usize) -> Vec<f32> {
    time_waves(numbers, width, config.freq_shift, config.flip_sin_to_cos)
}
