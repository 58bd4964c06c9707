//! Gradients through a network that keeps nothing but what it is given: the backward pass applies it once more.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::gradient::{Activations, Leaves, flat, tie};

/// Applies a function to every row of a batch by itself, in parallel on the CPU's own device, where most of the work keeps one core
/// busy. Where autodiff follows the batch, the forward pass keeps the batch alone, and the backward pass applies the function once
/// more to each row, with the memory of one on each thread.
///
/// # Shapes
/// - `batch`: `[rows, …]`; `one`: from `[1, …]` to `[1, …]`
pub(super) fn rows(batch: &Tensor<4>, one: impl Fn(Tensor<4>) -> Tensor<4> + Send + Sync + 'static) -> Tensor<4> {
    if !batch.is_autodiff() {
        return each(cut(batch), &batch.device(), one);
    }
    let kept = batch.clone().inner();
    let one = Arc::new(one);
    let output = each(cut(&kept), &kept.device(), &*one);
    let dims = output.dims();
    let again = one.clone();
    let pass = move |gradient: Tensor<1>, _: [bool; 1]| {
        let gradients = cut(&gradient.reshape(dims));
        let pairs = cut(&kept).into_iter().zip(gradients).collect();
        [Some(flat(each(pairs, &kept.device(), |(row, gradient)| pull(row, gradient, &*again))))]
    };
    match tie([flat(batch.clone())], flat(output), pass) {
        Some(output) => output.reshape(dims),
        // Other backends keep everything.
        None => Tensor::cat(cut(batch).into_iter().map(&*one).collect(), 0),
    }
}

/// Applies a function, once more in the backward pass where autodiff follows what it is given.
pub(super) fn tied(x: Tensor<4>, one: impl Fn(Tensor<4>) -> Tensor<4> + Send + Sync + 'static) -> Tensor<4> {
    if !x.is_autodiff() {
        return one(x);
    }
    let kept = x.clone().inner();
    let one = Arc::new(one);
    let output = one(kept.clone());
    let dims = output.dims();
    let again = one.clone();
    let pass = move |gradient: Tensor<1>, _: [bool; 1]| {
        let mut leaves = Leaves::on(&kept.device());
        let output = again(leaves.leaf(kept));
        [leaves.gradients(output, gradient).pop()]
    };
    match tie([flat(x.clone())], flat(output), pass) {
        Some(output) => output.reshape(dims),
        None => one(x),
    }
}

/// Applies a part of a network, which is computed once more in the backward pass where `activations` says so.
pub(super) fn part(
    x: Tensor<4>,
    activations: Activations,
    one: impl Fn(Tensor<4>) -> Tensor<4> + Send + Sync + 'static,
) -> Tensor<4> {
    match activations {
        Activations::Kept => one(x),
        Activations::Recomputed => tied(x, one),
    }
}

/// Returns the gradient of what `one` is given from that of what it returns.
fn pull(x: Tensor<4>, gradient: Tensor<4>, one: &impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let x = x.autodiff().require_grad();
    let mut gradients = (one(x.clone()) * gradient).sum().backward();
    x.grad_remove(&mut gradients).unwrap_or_else(|| x.inner().zeros_like())
}

/// Returns the rows of a batch, each as a batch of one.
fn cut(batch: &Tensor<4>) -> Vec<Tensor<4>> {
    (0..batch.dims()[0]).map(|row| batch.clone().narrow(0, row, 1)).collect()
}

/// Returns what becomes of each item, joined; `device` is that of the items.
fn each<T: Send>(items: Vec<T>, device: &Device, one: impl Fn(T) -> Tensor<4> + Send + Sync) -> Tensor<4> {
    let results: Vec<Tensor<4>> = if *device == Device::flex() {
        items.into_par_iter().map(one).collect()
    } else {
        items.into_iter().map(one).collect()
    };
    Tensor::cat(results, 0)
}
