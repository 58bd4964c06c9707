//! Norms whose scale, shift and gate come from time and text (Peebles & Xie, 2212.09748).

use burn::tensor::Tensor;
use burn::tensor::module::layer_norm;
use moa_adapter::{AdapterBank, Init, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{add, modulate};

/// Epsilon of every norm of the transformer.
pub(super) const EPSILON: f64 = 1e-6;

/// Layer normalisation over the last dimension without parameters.
pub(super) fn plain_norm(x: Tensor<3>) -> Tensor<3> {
    let ones = Tensor::ones([x.dims()[2]], (&x.device().without_autodiff(), x.dtype()));
    layer_norm(x, ones, None, EPSILON)
}

/// How one branch of a block is modulated, each `[rows, 1, width]`.
pub(super) struct Modulation {
    shift: Tensor<3>,
    scale: Tensor<3>,
    gate: Tensor<3>,
}

impl Modulation {
    /// Returns the branch's input: a normalised stream, scaled and shifted.
    pub(super) fn enter(&self, normal: Tensor<3>) -> Tensor<3> {
        modulate(normal, self.scale.clone(), self.shift.clone())
    }

    /// Returns the stream with the branch's output added, gated.
    pub(super) fn leave(&self, stream: Tensor<3>, output: Tensor<3>) -> Tensor<3> {
        add(stream, output * self.gate.clone())
    }
}

/// diffusers' `AdaLayerNormZero` of `N` = 2 branches, and `SD35AdaLayerNormZeroX` of 3.
#[derive(Clone, Debug)]
pub(super) struct BranchNorm<const N: usize> {
    linear: Linear,
}

impl<const N: usize> BranchNorm<N> {
    pub(super) fn load(p: &Parameters, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { linear: Linear::load(&p.at("linear"), width, 3 * N * width, true)? })
    }

    /// Returns the modulation of each branch, from `[rows, width]` after SiLU.
    pub(super) fn modulations(&self, conditions: &Tensor<2>, bank: Option<&AdapterBank>) -> [Modulation; N] {
        let parts = parts(self.linear.forward(conditions.clone(), bank), 3 * N);
        std::array::from_fn(|branch| {
            let part = |i: usize| parts[3 * branch + i].clone();
            Modulation { shift: part(0), scale: part(1), gate: part(2) }
        })
    }

    pub(super) fn shape(&self) -> LayerShape {
        self.linear.shape()
    }
}

/// diffusers' `AdaLayerNormContinuous`: scaled and shifted, not gated.
#[derive(Clone, Debug)]
pub(super) struct FinalNorm {
    linear: Linear,
}

impl FinalNorm {
    pub(super) fn load(p: &Parameters, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { linear: Linear::load(&p.at("linear"), width, 2 * width, true)? })
    }

    /// Normalises `[rows, tokens, width]`, under conditions of `[rows, width]` after SiLU.
    pub(super) fn forward(&self, x: Tensor<3>, conditions: &Tensor<2>, bank: Option<&AdapterBank>) -> Tensor<3> {
        let parts = parts(self.linear.forward(conditions.clone(), bank), 2);
        modulate(plain_norm(x), parts[0].clone(), parts[1].clone())
    }

    pub(super) fn shape(&self) -> LayerShape {
        self.linear.shape()
    }
}

/// Splits `[rows, count·width]` into `count` tensors of `[rows, 1, width]`.
fn parts(x: Tensor<2>, count: usize) -> Vec<Tensor<3>> {
    let [rows, all] = x.dims();
    let x = x.reshape([rows, count, all / count]);
    (0..count).map(|part| x.clone().narrow(1, part, 1)).collect()
}

/// Root mean square normalisation over the last dimension (Zhang & Sennrich, 1910.07467).
#[derive(Clone, Debug)]
pub(super) struct RmsNorm {
    weight: Tensor<1>,
}

impl RmsNorm {
    pub(super) fn load(p: &Parameters, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { weight: p.get("weight", [width], Init::Ones)? })
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        moa_device::rms_norm(x, &self.weight, EPSILON)
    }
}
