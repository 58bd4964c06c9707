//! Attention whose weights are never kept: the backward pass computes them again, a part at a time.

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Tensor, module};

use super::{flat, tie};

/// Most attention weights that the backward pass holds at a time: 16 MiB, of which it has a few copies. All weights of one row
/// at 64 × 64 positions are 4096² for each head, 67 MB.
const MOST_WEIGHTS: usize = 1 << 22;

/// Returns softmax(q·kᵀ / √width)·v.
///
/// With autodiff it keeps queries, keys and values alone, never the weights between them (as Dao et al., 2205.14135, do); without,
/// it is the device's own attention, which holds a part of the weights at a time.
///
/// # Shapes
/// - `q`: `[rows, heads, queries, width]`; `k`, `v`: `[rows, heads, keys, width]`
/// - returns the shape of `q`
pub(crate) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    if ![&q, &k, &v].into_iter().any(Tensor::is_autodiff) {
        return plain(q, k, v);
    }
    let (dims, key_dims) = (q.dims(), k.dims());
    // One list of heads, whatever row they are of; contiguous, so that flat copies and parts are views.
    let heads = |x: &Tensor<4>| {
        let [rows, heads, tokens, width] = x.dims();
        x.clone().reshape([rows * heads, tokens, width])
    };
    let [kept_q, kept_k, kept_v] = [&q, &k, &v].map(|x| heads(x).inner());
    let [as_q, as_k, as_v] =
        [(&kept_q, dims), (&kept_k, key_dims), (&kept_v, key_dims)].map(|(x, dims)| x.clone().reshape(dims));
    let output = plain(as_q, as_k, as_v);
    let parents = [&q, &k, &v].map(|x| flat(x.clone()));
    let kept_output = heads(&output);
    let pass = move |gradient: Tensor<1>, wanted: [bool; 3]| {
        let gradient = gradient.reshape(kept_q.dims());
        let kept = Kept { q: kept_q, k: kept_k, v: kept_v, output: kept_output };
        let mut gradients =
            kept.backward(&gradient).into_iter().zip(wanted).map(|(gradient, wanted)| wanted.then(|| flat(gradient)));
        std::array::from_fn(|_| gradients.next().flatten())
    };
    match tie(parents, flat(output), pass) {
        Some(output) => output.reshape(dims),
        None => plain(q, k, v),
    }
}

fn plain(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    module::attention(q, k, v, None, None, AttentionModuleOptions::default())
}

/// What the backward pass needs, each `[heads of all rows, tokens, width]`.
struct Kept {
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    output: Tensor<3>,
}

impl Kept {
    /// Returns the gradients of queries, keys and values. With weights P and the output's gradient G:
    /// dV = Pᵀ·G, dS = P ∘ (G·Vᵀ − Σ(G ∘ O)), dQ = dS·K / √width, dK = dSᵀ·Q / √width.
    fn backward(&self, gradient: &Tensor<3>) -> [Tensor<3>; 3] {
        let ([heads, queries, width], keys) = (self.q.dims(), self.k.dims()[1]);
        let scale = 1.0 / (width as f64).sqrt();
        let group = (MOST_WEIGHTS / (queries * keys)).clamp(1, heads);
        let share = (MOST_WEIGHTS / (group * keys)).clamp(1, queries);
        let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
        for group in parts(heads, group) {
            let of_group = |x: &Tensor<3>| x.clone().narrow(0, group.start, group.len());
            let (k, v) = (of_group(&self.k), of_group(&self.v));
            let (mut group_dq, mut group_dk, mut group_dv) = (Vec::new(), None, None);
            for some in parts(queries, share) {
                let of_some = |x: &Tensor<3>| of_group(x).narrow(1, some.start, some.len());
                let (q, g) = (of_some(&self.q), of_some(gradient));
                let weights = softmax(q.clone().matmul(k.clone().transpose()) * scale, 2);
                let level = (g.clone() * of_some(&self.output)).sum_dim(2);
                let change = (g.clone().matmul(v.clone().transpose()) - level) * weights.clone() * scale;
                add(&mut group_dv, weights.transpose().matmul(g));
                group_dq.push(change.clone().matmul(k.clone()));
                add(&mut group_dk, change.transpose().matmul(q));
            }
            dq.push(Tensor::cat(group_dq, 1));
            dk.extend(group_dk);
            dv.extend(group_dv);
        }
        [dq, dk, dv].map(|parts| Tensor::cat(parts, 0))
    }
}

fn add(sum: &mut Option<Tensor<3>>, more: Tensor<3>) {
    *sum = Some(match sum.take() {
        Some(sum) => sum + more,
        None => more,
    });
}

/// Cuts `0..count` into ranges of at most `most`.
fn parts(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(most).map(move |start| start..(start + most).min(count))
}
