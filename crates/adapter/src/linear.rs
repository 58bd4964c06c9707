//! A linear layer that a bank of adapters can adapt.

use burn::tensor::Tensor;

use crate::{AdapterBank, Init, LayerShape, Parameters, ParametersError};

/// `y = x·Wᵀ + b`, plus the low-rank branch of whichever bank is passed to [`Linear::forward`].
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// Takes `weight` (`[d_out, d_in]`, PyTorch's order) and, with `bias`, `bias` (`[d_out]`).
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(parameters: &Parameters, d_in: usize, d_out: usize, bias: bool) -> Result<Self, ParametersError> {
        let bound = Init::Uniform(1.0 / (d_in as f32).sqrt());
        let weight = parameters.get("weight", [d_out, d_in], bound)?.transpose();
        let bias = bias.then(|| parameters.get("bias", [d_out], bound)).transpose()?;
        Ok(Self { name: parameters.prefix().to_owned(), weight, bias })
    }

    /// Returns the layer's full name and shape, by which adapters address it.
    pub fn shape(&self) -> LayerShape {
        let [d_in, d_out] = self.weight.dims();
        LayerShape { name: self.name.clone(), d_in, d_out }
    }

    /// Returns the weight, `[d_in, d_out]`.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.clone()
    }

    /// Returns the bias, `[d_out]`.
    pub fn bias(&self) -> Option<Tensor<1>> {
        self.bias.clone()
    }

    /// Applies the layer.
    ///
    /// # Shapes
    /// - `x`: `[rows, …, d_in]`; with a bank of K adapters, rows belong to adapters in order (`rows = K·m`)
    /// - returns `[rows, …, d_out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>, bank: Option<&AdapterBank>) -> Tensor<D> {
        let mut dims = x.dims();
        let d_in = dims[D - 1];
        let flat = x.reshape([-1, d_in as i64]);
        let mut y = moa_device::linear(flat.clone(), &self.weight, self.bias.as_ref());
        if let Some(branch) = bank.and_then(|bank| bank.branch(&self.name, flat)) {
            y = y + branch;
        }
        dims[D - 1] = self.weight.dims()[1];
        y.reshape(dims)
    }
}
