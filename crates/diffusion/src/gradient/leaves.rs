//! What a piece of a network is derived by: by LibTorch's autograd where LibTorch computes, else by burn's.

use burn::tensor::{Device, Gradients, Tensor};
use moa_device::Tape;

use super::flat;

/// Finds the gradient of one leaf; zeros where there are no gradients.
type Find = Box<dyn FnOnce(Option<&mut Gradients>) -> Tensor<1>>;

/// The leaves of a piece of a network.
pub(crate) enum Leaves {
    LibTorch(Tape),
    Burn(Vec<Find>),
}

impl Leaves {
    /// Returns no leaves yet, on a device.
    pub(crate) fn on(device: &Device) -> Self {
        Tape::on(device).map_or_else(|| Self::Burn(Vec::new()), Self::LibTorch)
    }

    /// Returns a tensor without autodiff as a leaf.
    pub(crate) fn leaf<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::LibTorch(tape) => tape.leaf(x),
            Self::Burn(finds) => {
                let leaf = x.autodiff().require_grad();
                let kept = leaf.clone();
                finds.push(Box::new(move |gradients: Option<&mut Gradients>| {
                    let found = gradients.and_then(|gradients| kept.grad_remove(gradients));
                    flat(found.unwrap_or_else(|| kept.inner().zeros_like()))
                }));
                leaf
            }
        }
    }

    /// Returns a tensor as it is, or as a leaf.
    pub(crate) fn leaf_if<const D: usize>(&mut self, wanted: bool, x: Tensor<D>) -> Tensor<D> {
        if wanted { self.leaf(x) } else { x }
    }

    /// Returns the gradients of Σ `output` ∘ `gradient` with respect to the leaves, in order, flat; zeros of leaves that the output does
    /// not depend on.
    ///
    /// # Shapes
    /// - `output`: what was computed from the leaves; `gradient`: as many values, flat
    pub(crate) fn gradients<const D: usize>(self, output: Tensor<D>, gradient: Tensor<1>) -> Vec<Tensor<1>> {
        match self {
            Self::LibTorch(tape) => tape.gradients(flat(output), gradient),
            Self::Burn(finds) => {
                // Without a leaf that it depends on, nothing follows the output.
                let mut gradients = output.is_autodiff().then(|| (flat(output) * gradient).sum().backward());
                finds.into_iter().map(|find| find(gradients.as_mut())).collect()
            }
        }
    }
}
