//! The engine's forward pass as one operation of burn's autodiff, with the engine's backward pass behind it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "libtorch")]
use burn::tensor::Device;
use burn::tensor::{Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::Flex;
#[cfg(feature = "libtorch")]
#[expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]
use burn_tch::LibTorch;

use super::{Trace, Unet};

/// The operation: the parent is all factors that gradients are wanted for, flat, one after another.
#[derive(Debug)]
struct Denoise;

/// What the backward pass needs.
#[derive(Clone)]
struct State {
    unet: Arc<Unet>,
    trace: Arc<Mutex<Option<Trace>>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

/// Lets tensors of a backend be tied: the engine computes on the host whatever they are kept by.
macro_rules! ties {
    ($tie:ident, $backend:ty) => {
        impl Backward<$backend, 1> for Denoise {
            type State = State;

            fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let State { unet, trace } = ops.state;
                unary::<$backend, _>(ops.parents, ops.node, grads, |gradient| {
                    let trace = trace.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let trace = trace.unwrap_or_else(|| unreachable!("autodiff takes each step of a graph once"));
                    let gradient = Tensor::<4>::from_primitive::<$backend>(gradient);
                    let device = gradient.device();
                    let sums = unet.backward(trace, &values(gradient.into_data()));
                    let count = sums.len();
                    let sums = Tensor::<1>::from_data(TensorData::new(sums, [count]), &device);
                    let sums = sums.try_into_primitive::<$backend>();
                    sums.unwrap_or_else(|_| unreachable!("the device is the gradient's, and so the backend"))
                });
            }
        }

        fn $tie(unet: Arc<Unet>, parent: Tensor<1>, trace: Trace, output: Tensor<4>) -> Option<Tensor<4>> {
            let parent = parent.try_into_primitive::<Autodiff<$backend>>().ok()?;
            let output = output.try_into_primitive::<$backend>().ok()?;
            let state = || State { unet, trace: Arc::new(Mutex::new(Some(trace))) };
            let prepared = Backward::<$backend, 1>::prepare::<NoCheckpointing>(Denoise, [parent.node()]);
            let output = match prepared.compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(state(), output),
                OpsKind::UnTracked(prepared) => prepared.finish(output),
            };
            Some(Tensor::from_primitive::<Autodiff<$backend>>(output))
        }
    };
}

ties!(tie_flex, Flex);
#[cfg(feature = "libtorch")]
ties!(tie_libtorch, LibTorch);

/// Returns the values of a tensor's data, row-major.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// Ties an output to the factors that it was computed from; `None` when they are of another backend.
pub(super) fn tie(unet: Arc<Unet>, factors: Vec<Tensor<1>>, trace: Trace, output: Tensor<4>) -> Option<Tensor<4>> {
    let parent = Tensor::cat(factors, 0);
    #[cfg(feature = "libtorch")]
    if output.device() != Device::flex() {
        return tie_libtorch(unet, parent, trace, output);
    }
    tie_flex(unet, parent, trace, output)
}
