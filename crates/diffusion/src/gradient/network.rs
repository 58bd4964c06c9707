//! A whole network in one piece, where LibTorch can keep all its activations.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_device::Tape;

use super::blocks::{each, factors};
use super::{flat, tie};

/// Applies a network whose weights are frozen to `x` and to a bank, either of which burn's autodiff may follow, in one piece of which
/// LibTorch computes the gradient; nothing where LibTorch does not compute, or nothing is followed.
///
/// # Shapes
/// - `x`: `[rows, …]`; `network`: from it and a bank to a tensor of four dimensions
pub(crate) fn recorded(
    x: &Tensor<4>,
    bank: Option<&AdapterBank>,
    network: impl FnOnce(Tensor<4>, Option<&AdapterBank>) -> Tensor<4>,
) -> Option<Tensor<4>> {
    let followed: Vec<Tensor<1>> = factors(bank).filter(|factor| factor.is_autodiff()).cloned().map(flat).collect();
    if !x.is_autodiff() && followed.is_empty() {
        return None;
    }
    let mut tape = Tape::on(&x.device())?;
    let (to_x, lengths) = (x.is_autodiff(), followed.iter().map(|factor| factor.dims()[0]).collect::<Vec<_>>());
    let plain = x.clone().inner();
    let plain = if to_x { tape.leaf(plain) } else { plain };
    let bank = bank.map(|bank| {
        each(bank, |factor| if factor.is_autodiff() { tape.leaf(factor.clone().inner()) } else { factor.clone() })
    });
    let recorded = network(plain, bank.as_ref());
    let (dims, output) = (recorded.dims(), tape.cut(recorded.clone()));
    let others = if followed.is_empty() { Tensor::zeros([1], &output.device()) } else { Tensor::cat(followed, 0) };
    let pass = move |gradient: Tensor<1>, [_, to_others]: [bool; 2]| {
        let mut found = tape.gradients(flat(recorded), gradient).into_iter();
        let of_x = if to_x { found.next() } else { None };
        debug_assert!(found.len() == lengths.len(), "a gradient for each factor that is followed");
        let of_others = (to_others && !lengths.is_empty()).then(|| Tensor::cat(found.collect(), 0));
        [of_x, of_others]
    };
    tie([flat(x.clone()), others], flat(output), pass).map(|output| output.reshape(dims))
}
