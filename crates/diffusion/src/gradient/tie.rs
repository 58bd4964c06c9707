//! One operation of burn's autodiff whose backward pass is a closure.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::Flex;
#[cfg(feature = "libtorch")]
use moa_device::LibTorch;

/// From the gradient of the output, and which parents want one, the gradients of the parents.
type BackwardPass<const N: usize> = Box<dyn FnOnce(Tensor<1>, [bool; N]) -> [Option<Tensor<1>>; N] + Send>;

/// The operation.
#[derive(Debug)]
struct Tied;

/// What the operation's step holds: autodiff takes each step once, but wants to be able to clone it.
#[derive(Clone)]
struct State<const N: usize>(Arc<Mutex<Option<BackwardPass<N>>>>);

impl<const N: usize> fmt::Debug for State<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

/// Lets tensors of a backend be tied.
macro_rules! ties {
    ($tie:ident, $backend:ty) => {
        impl<const N: usize> Backward<$backend, N> for Tied {
            type State = State<N>;

            fn backward(self, ops: Ops<State<N>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
                let pass = ops.state.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                let pass = pass.unwrap_or_else(|| unreachable!("autodiff takes each step of a graph once"));
                let gradient = Tensor::from_primitive::<$backend>(grads.consume::<$backend>(&ops.node));
                let wanted = ops.parents.each_ref().map(Option::is_some);
                for (parent, gradient) in ops.parents.into_iter().zip(pass(gradient, wanted)) {
                    if let (Some(parent), Some(gradient)) = (parent, gradient) {
                        let gradient = gradient.try_into_primitive::<$backend>();
                        let gradient = gradient.unwrap_or_else(|_| unreachable!("the backend is the output's"));
                        grads.register::<$backend>(parent.id, gradient);
                    }
                }
            }
        }

        fn $tie<const N: usize>(
            parents: [Tensor<1>; N],
            output: Tensor<1>,
            pass: BackwardPass<N>,
        ) -> Option<Tensor<1>> {
            let output = output.try_into_primitive::<$backend>().ok()?;
            let mut nodes = Vec::with_capacity(N);
            for parent in parents {
                nodes.push(parent.autodiff().try_into_primitive::<Autodiff<$backend>>().ok()?.node());
            }
            let nodes = nodes.try_into().unwrap_or_else(|_| unreachable!("one node for each parent"));
            let prepared = Backward::<$backend, N>::prepare::<NoCheckpointing>(Tied, nodes);
            let output = match prepared.compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(State(Arc::new(Mutex::new(Some(pass)))), output),
                OpsKind::UnTracked(prepared) => prepared.finish(output),
            };
            Some(Tensor::from_primitive::<Autodiff<$backend>>(output))
        }
    };
}

ties!(tie_flex, Flex);
#[cfg(feature = "libtorch")]
ties!(tie_libtorch, LibTorch);

/// Ties an output to the tensors that it was computed from; `None` when they are of another backend than Flex and LibTorch.
///
/// # Shapes
/// Everything is flat: parents, output and gradients are as long as what they stand for.
/// - `parents`: tensors with autodiff, or without, whose gradients are never wanted
/// - `output`: without autodiff
/// - `pass`: returns, without autodiff, a gradient for every parent that wants one
pub(crate) fn tie<const N: usize>(
    parents: [Tensor<1>; N],
    output: Tensor<1>,
    pass: impl FnOnce(Tensor<1>, [bool; N]) -> [Option<Tensor<1>>; N] + Send + 'static,
) -> Option<Tensor<1>> {
    let pass = Box::new(pass);
    #[cfg(feature = "libtorch")]
    if moa_device::is_libtorch(&output.device()) {
        return tie_libtorch(parents, output, pass);
    }
    tie_flex(parents, output, pass)
}
