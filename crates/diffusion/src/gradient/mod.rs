//! Operations of burn's autodiff with a backward pass of their own: what keeps less than burn would.

mod attention;
mod blocks;
mod leaves;
mod network;
#[cfg(test)]
mod tests;
mod tie;

pub(crate) use attention::attention;
pub(crate) use blocks::{Activations, Pass, bytes_of, is_large, layers_of};
pub(crate) use leaves::Leaves;
pub(crate) use network::recorded;
pub(crate) use tie::tie;

use burn::tensor::Tensor;

/// Returns a tensor's values in a row, as [`tie`] takes them.
pub(crate) fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.dims().iter().product::<usize>();
    x.reshape([count])
}
