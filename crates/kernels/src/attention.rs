//! Softmax attention for few tokens: a head's whole table of weights fits in the first-level cache.

use crate::elementary::exp;
use crate::simd::{each, load, store, vectorised};
use crate::{Left, Packed, Right, Start, Workspace, gemm};

/// The shape of one row's attention; queries, keys, values and results are `[tokens, heads·width]`.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Query tokens.
    pub queries: usize,
    /// Key and value tokens.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub width: usize,
}

impl AttentionShape {
    /// Returns the number of weights: `[heads, queries, keys]`.
    pub fn weights(self) -> usize {
        self.heads * self.queries * self.keys
    }

    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

/// Computes `out = softmax(q·kᵀ/√width)·v` for one row, and its weights.
pub fn attention(shape: AttentionShape, q: &[f32], k: &[f32], v: &[f32], weights: &mut [f32], out: &mut [f32]) {
    let AttentionShape { queries, keys, heads, width } = shape;
    let stride = heads * width;
    let mut packed = Packed::default();
    for (head, weights) in weights.chunks_exact_mut(queries * keys).enumerate() {
        let at = head * width;
        packed.fill(width, keys, &k[at..], 1, stride);
        gemm([queries, keys, width], Left::rows(&q[at..], stride), Right::Packed(&packed), weights, keys, Start::Zero);
        softmax(keys, shape.scale(), weights);
        packed.fill(keys, width, &v[at..], stride, 1);
        let (left, right) = (Left::rows(weights, keys), Right::Packed(&packed));
        gemm([queries, width, keys], left, right, &mut out[at..], stride, Start::Zero);
    }
}

/// Turns the result's gradient of one row into those of queries, keys and values; keys' and values' are added to what
/// `dk` and `dv` hold, because rows may share them.
#[expect(clippy::too_many_arguments, reason = "three operands, their gradients, and the weights between them")]
pub fn attention_backward(
    shape: AttentionShape,
    [q, k, v]: [&[f32]; 3],
    weights: &[f32],
    gradient: &[f32],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    workspace: &mut Workspace,
) {
    let AttentionShape { queries, keys, heads, width } = shape;
    let stride = heads * width;
    let mut slopes = workspace.take(queries * keys);
    let mut packed = Packed::default();
    for (head, weights) in weights.chunks_exact(queries * keys).enumerate() {
        let at = head * width;
        // Values: weightsᵀ·gradient.
        packed.fill(queries, width, &gradient[at..], stride, 1);
        let left = Left::transposed(weights, keys);
        gemm([keys, width, queries], left, Right::Packed(&packed), &mut dv[at..], stride, Start::Result);
        // Weights: gradient·vᵀ, through the softmax.
        packed.fill(width, keys, &v[at..], 1, stride);
        let left = Left::rows(&gradient[at..], stride);
        gemm([queries, keys, width], left, Right::Packed(&packed), &mut slopes, keys, Start::Zero);
        softmax_backward(keys, shape.scale(), weights, &mut slopes);
        packed.fill(keys, width, &k[at..], stride, 1);
        let left = Left::rows(&slopes, keys);
        gemm([queries, width, keys], left, Right::Packed(&packed), &mut dq[at..], stride, Start::Zero);
        packed.fill(queries, width, &q[at..], stride, 1);
        let left = Left::transposed(&slopes, keys);
        gemm([keys, width, queries], left, Right::Packed(&packed), &mut dk[at..], stride, Start::Result);
    }
    workspace.give(slopes);
}

/// Folds sixteen lanes into one.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
fn fold(mut lanes: [f32; 16], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = 8;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Returns the larger: one instruction. A NaN may be lost here, and comes back with the exponential of its own score.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

vectorised! {
    /// Turns every row of `keys` scores into softmax(scale·scores).
    fn softmax(keys: usize, scale: f32, scores: &mut [f32]) {
        for scores in scores.chunks_exact_mut(keys) {
            // Whole lanes apart from the rest: a count of lanes that is not known would not vectorise.
            let (sixteens, rest) = scores.as_chunks_mut::<16>();
            let mut most = [f32::NEG_INFINITY; 16];
            for lanes in &*sixteens {
                most = each(|i| larger(lanes[i], most[i]));
            }
            let most = rest.iter().fold(fold(most, larger), |most, score| larger(*score, most));
            let mut sums = [0.0; 16];
            for lanes in &mut *sixteens {
                *lanes = each(|i| exp((lanes[i] - most) * scale));
                sums = each(|i| sums[i] + lanes[i]);
            }
            let mut sum = fold(sums, |a, b| a + b);
            if !rest.is_empty() {
                let lanes = load(rest);
                store(each(|i| exp((lanes[i] - most) * scale)), rest);
                sum += rest.iter().sum::<f32>();
            }
            let inverse = 1.0 / sum;
            for score in scores {
                *score *= inverse;
            }
        }
    }
}

vectorised! {
    /// Turns the gradient of every row's weights into that of its unscaled scores, in place.
    fn softmax_backward(keys: usize, scale: f32, weights: &[f32], gradient: &mut [f32]) {
        for (weights, gradient) in weights.chunks_exact(keys).zip(gradient.chunks_exact_mut(keys)) {
            let mut sums = [0.0; 16];
            for c in (0..keys).step_by(16) {
                let some = 16.min(keys - c);
                let (w, g) = (load(&weights[c..][..some]), load(&gradient[c..][..some]));
                sums = each(|i| w[i].mul_add(g[i], sums[i]));
            }
            let mean = fold(sums, |a, b| a + b);
            for (weight, gradient) in weights.iter().zip(gradient) {
                *gradient = weight * (*gradient - mean) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 0.9).collect()
    }

    fn defined(s: AttentionShape, [q, k, v]: [&[f64]; 3]) -> Vec<f64> {
        let stride = s.heads * s.width;
        let mut out = vec![0.0; s.queries * stride];
        for (h, i) in (0..s.heads).flat_map(|h| (0..s.queries).map(move |i| (h, i))) {
            let score = |j: usize| {
                let dot = (0..s.width).map(|c| q[i * stride + h * s.width + c] * k[j * stride + h * s.width + c]);
                (dot.sum::<f64>() / (s.width as f64).sqrt()).exp()
            };
            let sum: f64 = (0..s.keys).map(score).sum();
            for (j, c) in (0..s.keys).flat_map(|j| (0..s.width).map(move |c| (j, c))) {
                let at = h * s.width + c;
                out[i * stride + at] += score(j) / sum * v[j * stride + at];
            }
        }
        out
    }

    #[test]
    fn values_and_gradients_are_the_definitions() {
        for shape in [
            AttentionShape { queries: 5, keys: 19, heads: 2, width: 24 },
            AttentionShape { queries: 16, keys: 16, heads: 1, width: 4 },
        ] {
            let stride = shape.heads * shape.width;
            let inputs =
                [values(shape.queries * stride, 1), values(shape.keys * stride, 2), values(shape.keys * stride, 3)];
            let wide: [Vec<f64>; 3] = inputs.clone().map(|x| x.into_iter().map(|x| f64::from(2.0 * x)).collect());
            let [q, k, v] = inputs.map(|x| x.into_iter().map(|x| 2.0 * x).collect::<Vec<f32>>());
            let (mut weights, mut out) = (vec![0.0; shape.weights()], vec![0.0; q.len()]);
            attention(shape, &q, &k, &v, &mut weights, &mut out);
            let wanted = defined(shape, [&wide[0], &wide[1], &wide[2]]);
            for (found, wanted) in out.iter().zip(&wanted) {
                assert!((f64::from(*found) - wanted).abs() < 1e-5, "{found}, not {wanted}");
            }
            let towards = values(q.len(), 4);
            let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
            let mut workspace = Workspace::default();
            attention_backward(shape, [&q, &k, &v], &weights, &towards, &mut dq, &mut dk, &mut dv, &mut workspace);
            for (which, gradient) in [dq, dk, dv].iter().enumerate() {
                for at in (0..gradient.len()).step_by(7) {
                    let moved = |step: f64| {
                        let mut moved = wide.clone();
                        moved[which][at] += step;
                        let out = defined(shape, [&moved[0], &moved[1], &moved[2]]);
                        out.iter().zip(&towards).map(|(y, w)| y * f64::from(*w)).sum::<f64>()
                    };
                    let wanted = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    assert!((f64::from(gradient[at]) - wanted).abs() < 2e-5, "{which}: {} not {wanted}", gradient[at]);
                }
            }
        }
    }
}
