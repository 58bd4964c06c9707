//! The engine's forward pass as one operation of burn's autodiff, with the engine's backward pass behind it.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use moa_device::from_host;

use super::{Trace, Unet};
use crate::gradient;

/// Returns the values of a tensor's data, row-major.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// Ties an output to what it was computed from: factors that autodiff follows, flat, one after another, and the input, with autodiff
/// or without; `None` when they are of another backend. The engine computes on the host whatever keeps the tensors.
pub(super) fn tie(
    unet: Arc<Unet>,
    factors: Vec<Tensor<1>>,
    x: Tensor<4>,
    trace: Trace,
    output: Tensor<4>,
) -> Option<Tensor<4>> {
    let dims = output.dims();
    let factors = if factors.is_empty() { Tensor::zeros([1], &output.device()) } else { Tensor::cat(factors, 0) };
    let pass = move |gradient: Tensor<1>, [to_factors, to_input]: [bool; 2]| {
        let device = gradient.device();
        let (sums, input) = unet.backward(trace, &values(gradient.into_data()), to_input);
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            from_host(values, [count], &device)
        };
        [to_factors.then(|| tensor(sums)), to_input.then(|| tensor(input))]
    };
    gradient::tie([factors, gradient::flat(x)], gradient::flat(output), pass).map(|output| output.reshape(dims))
}
