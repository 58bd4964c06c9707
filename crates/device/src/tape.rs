//! Gradients by LibTorch's own autograd.
//!
//! burn's autodiff composes gradients of burn's operations: a norm of eight kernels, attention of a dozen. LibTorch knows the gradient of
//! each of its kernels in one or two, and keeps what they need. A tape is a piece of a network whose gradient LibTorch computes: what is
//! computed from its leaves is recorded by LibTorch, while burn sees tensors without autodiff.

use burn::tensor::{Device, Tensor};

/// A piece of a network that LibTorch records. On other devices there is none.
#[derive(Debug)]
pub struct Tape {
    #[cfg(feature = "libtorch")]
    leaves: Vec<crate::libtorch::Leaf>,
    /// What was recorded and is read elsewhere: held, so that nothing is written over it.
    #[cfg(feature = "libtorch")]
    outputs: Vec<crate::libtorch::Leaf>,
}

impl Tape {
    /// Returns an empty tape; nothing where LibTorch does not compute.
    pub fn on(device: &Device) -> Option<Self> {
        #[cfg(feature = "libtorch")]
        if crate::is_libtorch(device) {
            return Some(Self { leaves: Vec::new(), outputs: Vec::new() });
        }
        let _ = device;
        None
    }

    /// Returns a tensor whose gradient is wanted: LibTorch records what is computed from it.
    ///
    /// # Panics
    /// When burn's autodiff follows it.
    pub fn leaf<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(feature = "libtorch")]
        let x = {
            let (leaf, x) = crate::libtorch::Leaf::new(x);
            self.leaves.push(leaf);
            x
        };
        x
    }

    /// Returns the gradients of Σ `output` ∘ `gradient` with respect to the leaves, in order, flat; zeros of a leaf that the output does
    /// not depend on. Everything that was recorded is dropped.
    ///
    /// # Shapes
    /// - `output`, `gradient`: flat, of one length
    pub fn gradients(self, output: Tensor<1>, gradient: Tensor<1>) -> Vec<Tensor<1>> {
        #[cfg(feature = "libtorch")]
        return crate::libtorch::gradients(self.leaves, output, gradient);
        #[cfg(not(feature = "libtorch"))]
        {
            let _ = (output, gradient);
            unreachable!("there is no tape without LibTorch")
        }
    }

    /// Returns what was recorded as a tensor that LibTorch does not follow further.
    pub fn cut<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(feature = "libtorch")]
        let x = {
            let (held, x) = crate::libtorch::detached(x);
            self.outputs.push(held);
            x
        };
        x
    }
}
