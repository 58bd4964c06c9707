//! LibTorch's own operations, by their names in PyTorch.

#![expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]

use burn::tensor::{Device, Int, Tensor};
use burn_tch::TchTensor;

/// LibTorch's backend.
pub type LibTorch = burn_tch::LibTorch;

/// Returns the CPU's device.
pub(crate) fn cpu() -> Device {
    Device::libtorch()
}

/// What the LibTorch that is linked can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// The CUDA that it was built for, major and minor; `None` where it is for CPUs alone.
    pub cuda: Option<(i64, i64)>,
    /// How many GPUs it can use; 0 where there is no driver, too.
    pub gpus: usize,
}

/// Returns what the LibTorch that is linked can do.
pub fn runtime() -> Runtime {
    // `has_cuda` asks for a GPU, too.
    let cuda = tch::utils::has_cudart().then(|| {
        let version = tch::utils::version_cudart();
        (version / 1000, version % 1000 / 10)
    });
    let gpus = if cuda.is_some() { usize::try_from(tch::Cuda::device_count()).unwrap_or(0) } else { 0 };
    Runtime { cuda, gpus }
}

/// Lets cuDNN try its convolutions once for each shape, and take the fastest.
pub fn tune() {
    tch::Cuda::cudnn_set_benchmark(true);
}

fn open<const D: usize>(x: Tensor<D>) -> TchTensor {
    x.try_into_primitive::<LibTorch>()
        .unwrap_or_else(|_| unreachable!("the tensor is LibTorch's, without burn's autodiff"))
}

fn close<const D: usize>(x: tch::Tensor) -> Tensor<D> {
    Tensor::from_primitive::<LibTorch>(TchTensor::new(x))
}

/// Returns LibTorch's name of a device other than the host.
fn gpu(device: &Device) -> tch::Device {
    open(Tensor::<1>::empty([0], &device.clone().without_autodiff())).tensor.device()
}

/// Copies values to a GPU beside what it is at: by way of pinned memory, which LibTorch keeps until the copy is made.
pub(crate) fn beside<const D: usize>(values: &[f32], dims: [usize; D], device: &Device) -> Tensor<D> {
    close(upload(&tch::Tensor::from_slice(values), device).reshape(dims.map(|size| size as i64)))
}

/// Copies indices as [`beside`] copies numbers.
pub(crate) fn indices_beside(values: &[i64], device: &Device) -> Tensor<1, Int> {
    Tensor::from_primitive::<LibTorch>(TchTensor::new(upload(&tch::Tensor::from_slice(values), device)))
}

fn upload(host: &tch::Tensor, device: &Device) -> tch::Tensor {
    let gpu = gpu(device);
    host.internal_pin_memory(gpu).to_device_(gpu, host.kind(), true, false)
}

pub(crate) fn add<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    close(open(x).tensor + open(y).tensor)
}

pub(crate) fn modulate(x: Tensor<3>, scale: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
    close(open(shift).tensor.addcmul(&open(x).tensor, &(open(scale).tensor + 1.0)))
}

pub(crate) fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    close(open(x).tensor.gelu("tanh"))
}

pub(crate) fn rms_norm(x: Tensor<4>, weight: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let width = weight.dims()[0] as i64;
    close(open(x).tensor.rms_norm([width], Some(open(weight).tensor), epsilon))
}

pub(crate) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    close(open(x).tensor.silu())
}

pub(crate) fn geglu(x: Tensor<3>) -> Tensor<3> {
    let halves = open(x).tensor.chunk(2, -1);
    close(&halves[0] * halves[1].gelu("none"))
}

pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    close(open(bias).tensor.addmm(&open(x).tensor, &open(weight).tensor))
}

pub(crate) fn group_norm(x: Tensor<4>, groups: usize, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let (weight, bias) = (open(weight).tensor, open(bias).tensor);
    close(open(x).tensor.group_norm(groups as i64, Some(weight), Some(bias), epsilon, true))
}

/// A tensor that LibTorch records from.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// Held in burn's form, too: as long as there is a second holder, no operation of burn's writes over it.
    held: TchTensor,
}

impl Leaf {
    pub(crate) fn new<const D: usize>(x: Tensor<D>) -> (Self, Tensor<D>) {
        let held = cut(&open(x));
        let _ = held.tensor.set_requires_grad(true);
        let x = Tensor::from_primitive::<LibTorch>(held.clone());
        (Self { held }, x)
    }
}

pub(crate) fn gradients(leaves: Vec<Leaf>, output: Tensor<1>, gradient: Tensor<1>) -> Vec<Tensor<1>> {
    if leaves.is_empty() {
        return Vec::new();
    }
    let (output, gradient) = (open(output).tensor, open(gradient).tensor);
    // LibTorch asks for a scalar: its gradient with respect to the output is `gradient`. An empty sum of each leaf is added, as LibTorch
    // refuses to derive by leaves that nothing depends on.
    let mut loss = output.dot(&gradient.to_kind(output.kind()));
    for leaf in &leaves {
        loss = loss + (leaf.held.tensor.narrow(0, 0, 0).sum(leaf.held.tensor.kind())).to_kind(output.kind());
    }
    let inputs: Vec<&tch::Tensor> = leaves.iter().map(|leaf| &leaf.held.tensor).collect();
    let found = tch::Tensor::run_backward(&[loss], &inputs, false, false);
    found.into_iter().map(|gradient| close(gradient.reshape([-1]))).collect()
}

/// Returns a tensor that LibTorch does not follow further, and what holds it against being written over.
pub(crate) fn detached<const D: usize>(x: Tensor<D>) -> (Leaf, Tensor<D>) {
    let held = open(x);
    let x = Tensor::from_primitive::<LibTorch>(cut(&held));
    (Leaf { held }, x)
}

/// Returns the same values without what LibTorch has recorded; burn counts both as holders of one storage.
fn cut(x: &TchTensor) -> TchTensor {
    TchTensor::from_existing(x.tensor.detach(), x.storage.clone())
}
