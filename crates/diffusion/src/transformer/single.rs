//! A block over one stream, image and text in a row: attention and a feed-forward layer beside each other (Dehghani et al., 2302.05442).

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::gelu_tanh;

use super::attention::{HeadShape, Projections, attend};
use super::norm::{BranchNorm, plain_norm};
use super::rotary::Rotary;

/// diffusers' `FluxSingleTransformerBlock`.
#[derive(Clone, Debug)]
pub(super) struct SingleBlock {
    norm: BranchNorm<1>,
    attention: Projections,
    proj_mlp: Linear,
    proj_out: Linear,
}

impl SingleBlock {
    pub(super) fn load(p: &Parameters, heads: HeadShape) -> Result<Self, ParametersError> {
        let width = heads.stream();
        Ok(Self {
            norm: BranchNorm::load(&p.at("norm"), width)?,
            attention: Projections::of_image(&p.at("attn"), heads)?,
            proj_mlp: Linear::load(&p.at("proj_mlp"), width, 4 * width, true)?,
            proj_out: Linear::load(&p.at("proj_out"), 5 * width, width, true)?,
        })
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `both`: `[rows, tokens, width]`, `conditions`: `[rows, width]`
    /// - returns the shape of `both`
    pub(super) fn forward(
        &self,
        both: Tensor<3>,
        conditions: &Tensor<2>,
        rotary: &Rotary,
        bank: Option<&AdapterBank>,
    ) -> Tensor<3> {
        let [branch] = self.norm.modulations(conditions, bank);
        let normal = branch.enter(plain_norm(both.clone()));
        let attended = attend(self.attention.forward(&normal, bank), Some(rotary));
        let fed = gelu_tanh(self.proj_mlp.forward(normal, bank));
        branch.leave(both, self.proj_out.forward(Tensor::cat(vec![attended, fed], 2), bank))
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        out.push(self.norm.shape());
        out.extend(self.attention.linears());
        out.extend([&self.proj_mlp, &self.proj_out].map(Linear::shape));
    }
}
