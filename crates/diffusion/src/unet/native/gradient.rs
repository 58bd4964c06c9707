//! The engine's forward pass as one operation of burn's autodiff, with the engine's backward pass behind it.

use std::sync::Arc;

use burn::tensor::{FloatDType, Tensor, TensorData};
use moa_device::{as_type, from_host};

use super::{To, Trace, Unet};
use crate::gradient;

/// Returns the values of a tensor's data, row-major.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// What an output was computed from, with autodiff or without.
pub(super) struct Sources {
    /// Factors that autodiff follows, each flat.
    pub(super) factors: Vec<Tensor<1>>,
    /// The input.
    pub(super) x: Tensor<4>,
    /// The text states.
    pub(super) context: Tensor<3>,
}

/// Ties an output to what it was computed from; `None` when it is of another backend. The engine computes on the host whatever keeps
/// the tensors.
pub(super) fn tie(unet: Arc<Unet>, sources: Sources, trace: Trace, output: Tensor<4>) -> Option<Tensor<4>> {
    let Sources { factors, x, context } = sources;
    let dims = output.dims();
    let factors = if factors.is_empty() { Tensor::zeros([1], &output.device()) } else { Tensor::cat(factors, 0) };
    let context = as_type(context, FloatDType::F32);
    let pass = move |gradient: Tensor<1>, [to_factors, to_input, to_text]: [bool; 3]| {
        let device = gradient.device();
        let found = unet.backward(trace, &values(gradient.into_data()), To { input: to_input, text: to_text });
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            from_host(values, [count], &device)
        };
        [
            to_factors.then(|| tensor(found.factors)),
            to_input.then(|| tensor(found.input)),
            to_text.then(|| tensor(found.text)),
        ]
    };
    let parents = [factors, gradient::flat(x), gradient::flat(context)];
    gradient::tie(parents, gradient::flat(output), pass).map(|output| output.reshape(dims))
}
