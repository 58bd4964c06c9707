//! What goes in: patches with their positions, and the time with the pooled text.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, Init, LayerShape, Linear, Parameters, ParametersError};
use moa_device::silu;

use super::Sd3Config;
use crate::nn::Waves;

/// Width of the sinusoidal embedding of timesteps.
const WAVES: usize = 256;
/// What a strength of guidance is multiplied by before it is embedded.
const GUIDANCE_UNIT: f32 = 1000.0;

/// diffusers' `PatchEmbed`: a token for each patch, and its position from the middle of a table.
#[derive(Clone, Debug)]
pub(super) struct PatchEmbed {
    patch: usize,
    /// Patches along each side of the table.
    side: usize,
    /// The kernel as a matrix, `[channels·patch², width]`.
    weight: Tensor<2>,
    bias: Tensor<1>,
    /// `[side, side, width]`.
    positions: Tensor<3>,
}

impl PatchEmbed {
    /// Takes `proj` and the buffer `pos_embed`.
    pub(super) fn load(p: &Parameters, config: &Sd3Config) -> Result<Self, ParametersError> {
        let (width, patch, side) = (config.width(), config.patch_size, config.positions());
        let d_in = config.in_channels * patch * patch;
        let bound = Init::Uniform(1.0 / (d_in as f32).sqrt());
        let kernel = p.get("proj.weight", [width, config.in_channels, patch, patch], bound)?;
        let positions = p.get("pos_embed", [1, side * side, width], Init::Normal(0.02))?;
        Ok(Self {
            patch,
            side,
            weight: kernel.reshape([width, d_in]).transpose(),
            bias: p.get("proj.bias", [width], bound)?,
            positions: positions.reshape([side, side, width]),
        })
    }

    /// Returns the tokens of `[rows, channels, height, width]`, `[rows, patches, width]` in rows of patches.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let ([rows, channels, height, width], patch) = (x.dims(), self.patch);
        let (high, wide, d_out) = (height / patch, width / patch, self.bias.dims()[0]);
        let patches = x.reshape([rows, channels, high, patch, wide, patch]).permute([0, 2, 4, 1, 3, 5]);
        let patches = patches.reshape([rows * high * wide, channels * patch * patch]);
        let tokens = patches.matmul(self.weight.clone()) + self.bias.clone().unsqueeze();
        let (top, left) = ((self.side - high) / 2, (self.side - wide) / 2);
        let positions = self.positions.clone().narrow(0, top, high).narrow(1, left, wide);
        tokens.reshape([rows, high * wide, d_out]) + positions.reshape([1, high * wide, d_out])
    }

    /// Returns the image of tokens that hold a patch each, `[rows, patches, patch²·channels]`, channels innermost.
    ///
    /// # Shapes
    /// - `size`: `[height, width]` of the image
    /// - returns `[rows, channels, height, width]`
    pub(super) fn picture(&self, tokens: Tensor<3>, size: [usize; 2]) -> Tensor<4> {
        let ([rows, _, width], patch) = (tokens.dims(), self.patch);
        let (high, wide, channels) = (size[0] / patch, size[1] / patch, width / (patch * patch));
        let patches = tokens.reshape([rows, high, wide, patch, patch, channels]).permute([0, 5, 1, 3, 2, 4]);
        patches.reshape([rows, channels, high * patch, wide * patch])
    }
}

/// diffusers' `CombinedTimestepTextProjEmbeddings`, and `CombinedTimestepGuidanceTextProjEmbeddings`: what every block is modulated by.
#[derive(Clone, Debug)]
pub(super) struct TimeTextEmbed {
    time_1: Linear,
    time_2: Linear,
    guidance: Option<[Linear; 2]>,
    text_1: Linear,
    text_2: Linear,
}

impl TimeTextEmbed {
    /// Takes the parameters for pooled texts of a width, with those of a strength of guidance where `guided`.
    pub(super) fn load(p: &Parameters, width: usize, pooled: usize, guided: bool) -> Result<Self, ParametersError> {
        let guidance = |name: &str, d_in| Linear::load(&p.at("guidance_embedder").at(name), d_in, width, true);
        Ok(Self {
            guidance: if guided { Some([guidance("linear_1", WAVES)?, guidance("linear_2", width)?]) } else { None },
            time_1: Linear::load(&p.at("timestep_embedder.linear_1"), WAVES, width, true)?,
            time_2: Linear::load(&p.at("timestep_embedder.linear_2"), width, width, true)?,
            text_1: Linear::load(&p.at("text_embedder.linear_1"), pooled, width, true)?,
            text_2: Linear::load(&p.at("text_embedder.linear_2"), width, width, true)?,
        })
    }

    /// Embeds one timestep for each row, the pooled text `[rows, pooled_projection_dim]`, and a strength of guidance for all rows where
    /// there is an embedding of such; returns `[rows, width]`.
    pub(super) fn forward(
        &self,
        timesteps: &[f32],
        guidance: Option<f32>,
        pooled: &Tensor<2>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<2> {
        let waves = Waves { width: WAVES, shift: 0.0, flip: true };
        let of = |numbers: &[f32]| waves.on(numbers, &pooled.device().without_autodiff(), pooled.dtype().into());
        let mut time = self.time_2.forward(silu(self.time_1.forward(of(timesteps), bank)), bank);
        if let (Some([first, second]), Some(guidance)) = (&self.guidance, guidance) {
            // The embedding was trained in the unit of timesteps.
            let waves = of(&vec![guidance * GUIDANCE_UNIT; timesteps.len()]);
            time = time + second.forward(silu(first.forward(waves, bank)), bank);
        }
        time + self.text_2.forward(silu(self.text_1.forward(pooled.clone(), bank)), bank)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.extend([&self.time_1, &self.time_2].map(Linear::shape));
        out.extend(self.guidance.iter().flatten().map(Linear::shape));
        out.extend([&self.text_1, &self.text_2].map(Linear::shape));
    }
}
