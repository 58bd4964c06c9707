//! The engine's forward pass as one operation of burn's autodiff, with the engine's backward pass behind it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor};

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

impl Backward<Flex, 1> for Denoise {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let State { unet, trace } = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| {
            let trace = trace.lock().unwrap_or_else(PoisonError::into_inner).take();
            let trace = trace.unwrap_or_else(|| unreachable!("autodiff takes each step of a graph once"));
            let gradient = values(gradient.into_data());
            let sums = unet.backward(trace, &gradient);
            let count = sums.len();
            FlexTensor::from_data(TensorData::new(sums, [count]))
        });
    }
}

/// Returns the values of a tensor's data, row-major.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// Ties an output to the factors that it was computed from; `None` when they are not of this backend.
pub(super) fn tie(unet: Arc<Unet>, factors: Vec<Tensor<1>>, trace: Trace, output: TensorData) -> Option<Tensor<4>> {
    let parent = Tensor::cat(factors, 0).try_into_primitive::<Autodiff<Flex>>().ok()?;
    let output = FlexTensor::from_data(output);
    let prepared = Denoise.prepare::<NoCheckpointing>([parent.node()]).compute_bound().stateful();
    let output = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(State { unet, trace: Arc::new(Mutex::new(Some(trace))) }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}
