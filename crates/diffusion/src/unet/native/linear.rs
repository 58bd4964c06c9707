//! Linear layers with an adapter merged into them, and the gradients of its factors.

use std::sync::OnceLock;

use moa_kernels::{Left, Packed, Right, Start, gemm};

use super::pass::Pass;

/// A linear layer with frozen weights.
#[derive(Debug)]
pub(super) struct Linear {
    /// The layer's number among those that can be adapted.
    id: Option<usize>,
    d_in: usize,
    d_out: usize,
    /// `[d_in, d_out]`.
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    forward: OnceLock<Packed>,
    backward: OnceLock<Packed>,
}

/// One adapter's factors of one layer, on the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerFactors<'a> {
    /// `[d_in, r]`.
    pub(super) a: &'a [f32],
    /// `[r, d_out]`.
    pub(super) b: &'a [f32],
}

/// A layer with one adapter merged into its weight: y = x·(W + s·A·B). For more than a few tokens that is cheaper than a
/// branch beside it, in the forward pass and in the backward pass.
#[derive(Debug)]
pub(super) struct Merged {
    rank: usize,
    scale: f32,
    forward: Packed,
    backward: Packed,
    /// A as `[d_in, r]`, for the gradient of B.
    a: Packed,
    /// B as `[d_out, r]`, for the gradient of A.
    b: Packed,
}

/// Where a layer's gradients go in the flat gradient of one adapter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GradientPlaces {
    pub(super) a: Option<usize>,
    pub(super) b: Option<usize>,
}

impl Linear {
    pub(super) fn new(id: Option<usize>, [d_in, d_out]: [usize; 2], weight: Vec<f32>, bias: Option<Vec<f32>>) -> Self {
        Self { id, d_in, d_out, weight, bias, forward: OnceLock::new(), backward: OnceLock::new() }
    }

    pub(super) fn id(&self) -> Option<usize> {
        self.id
    }

    pub(super) fn d_in(&self) -> usize {
        self.d_in
    }

    pub(super) fn d_out(&self) -> usize {
        self.d_out
    }

    /// Merges an adapter's factors into the weight.
    pub(super) fn merge(&self, factors: LayerFactors<'_>, scale: f32) -> Merged {
        let (d_in, d_out) = (self.d_in, self.d_out);
        let rank = factors.a.len() / d_in;
        let scaled: Vec<f32> = factors.b.iter().map(|value| value * scale).collect();
        let right = Packed::new(rank, d_out, &scaled, d_out, 1);
        let mut weight = self.weight.clone();
        let left = Left::rows(factors.a, rank);
        gemm([d_in, d_out, rank], left, Right::Packed(&right), &mut weight, d_out, Start::Result);
        Merged {
            rank,
            scale,
            forward: Packed::new(d_in, d_out, &weight, d_out, 1),
            backward: Packed::new(d_out, d_in, &weight, 1, d_out),
            a: Packed::new(d_in, rank, factors.a, rank, 1),
            b: Packed::new(d_out, rank, factors.b, 1, d_out),
        }
    }

    /// Applies the layer to `[tokens, d_in]`.
    pub(super) fn forward(&self, pass: &mut Pass<'_>, x: &[f32]) -> Vec<f32> {
        let mut out = pass.workspace.take(x.len() / self.d_in * self.d_out);
        let start = self.bias.as_deref().map_or(Start::Zero, Start::Bias);
        self.product(pass, x, &mut out, start);
        out
    }

    /// Applies the layer to `[tokens, d_in]` and adds the result to `out`.
    pub(super) fn forward_onto(&self, pass: &mut Pass<'_>, x: &[f32], out: &mut [f32]) {
        if let Some(bias) = &self.bias {
            for out in out.chunks_exact_mut(self.d_out) {
                out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
            }
        }
        self.product(pass, x, out, Start::Result);
    }

    fn product(&self, pass: &Pass<'_>, x: &[f32], out: &mut [f32], start: Start<'_>) {
        let (d_in, d_out) = (self.d_in, self.d_out);
        let weight = match pass.merged(self.id) {
            Some(merged) => &merged.forward,
            None => self.forward.get_or_init(|| Packed::new(d_in, d_out, &self.weight, d_out, 1)),
        };
        gemm([x.len() / d_in, d_out, d_in], Left::rows(x, d_in), Right::Packed(weight), out, d_out, start);
    }

    /// Takes the gradient of the result through the layer: adds to the gradients of its adapter's factors, and writes (or,
    /// with `adds`, adds) the gradient of `x` to `out` where one is given.
    pub(super) fn backward(
        &self,
        pass: &mut Pass<'_>,
        x: &[f32],
        gradient: &[f32],
        out: Option<&mut [f32]>,
        adds: bool,
    ) {
        let (d_in, d_out) = (self.d_in, self.d_out);
        let tokens = x.len() / d_in;
        let merged = pass.merged(self.id);
        if let Some(out) = out {
            let weight = match merged {
                Some(merged) => &merged.backward,
                None => self.backward.get_or_init(|| Packed::new(d_out, d_in, &self.weight, 1, d_out)),
            };
            let start = if adds { Start::Result } else { Start::Zero };
            gemm([tokens, d_in, d_out], Left::rows(gradient, d_out), Right::Packed(weight), out, d_in, start);
        }
        let (Some(merged), Some(places)) = (merged, self.id.map(|id| pass.places[id])) else { return };
        let rank = merged.rank;
        let mut inner = pass.workspace.take(tokens * rank);
        if let Some(place) = places.b {
            // s·(x·A)ᵀ·gradient
            let left = Left::rows(x, d_in);
            gemm([tokens, rank, d_in], left, Right::Packed(&merged.a), &mut inner, rank, Start::Zero);
            scale(merged.scale, &mut inner);
            let sums = &mut pass.gradients[place..][..rank * d_out];
            outer(&inner, rank, gradient, d_out, sums);
        }
        if let Some(place) = places.a {
            // s·xᵀ·(gradient·Bᵀ), as its transpose
            let left = Left::rows(gradient, d_out);
            gemm([tokens, rank, d_out], left, Right::Packed(&merged.b), &mut inner, rank, Start::Zero);
            scale(merged.scale, &mut inner);
            let mut transposed = pass.workspace.zeros(rank * d_in);
            outer(&inner, rank, x, d_in, &mut transposed);
            for (i, sums) in pass.gradients[place..][..d_in * rank].chunks_exact_mut(rank).enumerate() {
                sums.iter_mut().enumerate().for_each(|(r, sum)| *sum += transposed[r * d_in + i]);
            }
            pass.workspace.give(transposed);
        }
        pass.workspace.give(inner);
    }
}

fn scale(factor: f32, values: &mut [f32]) {
    for value in values {
        *value *= factor;
    }
}

/// Adds `leftᵀ·right` to `sums`: `[tokens, rank]` and `[tokens, width]` give `[rank, width]`.
fn outer(left: &[f32], rank: usize, right: &[f32], width: usize, sums: &mut [f32]) {
    let tokens = left.len() / rank;
    let left = Left::transposed(left, rank);
    if width.is_multiple_of(16) {
        gemm([rank, width, tokens], left, Right::Rows(right, width), sums, width, Start::Result);
    } else {
        let right = Packed::new(tokens, width, right, width, 1);
        gemm([rank, width, tokens], left, Right::Packed(&right), sums, width, Start::Result);
    }
}
