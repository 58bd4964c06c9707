//! The engine's forward pass as one operation of burn's autodiff, with the engine's backward pass behind it.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::{Trace, Unet};
use crate::gradient;

/// Returns the values of a tensor's data, row-major.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// Ties an output to the factors that it was computed from, flat, one after another; `None` when they are of another backend. The
/// engine computes on the host whatever keeps the tensors.
pub(super) fn tie(unet: Arc<Unet>, factors: Vec<Tensor<1>>, trace: Trace, output: Tensor<4>) -> Option<Tensor<4>> {
    let dims = output.dims();
    let pass = move |gradient: Tensor<1>, [_]: [bool; 1]| {
        let device = gradient.device();
        let sums = unet.backward(trace, &values(gradient.into_data()));
        let count = sums.len();
        [Some(Tensor::from_data(TensorData::new(sums, [count]), &device))]
    };
    gradient::tie([Tensor::cat(factors, 0)], flat(output), pass).map(|output| output.reshape(dims))
}

fn flat(x: Tensor<4>) -> Tensor<1> {
    let count = x.dims().iter().product::<usize>();
    x.reshape([count])
}
