//! Layer normalisation over the channels of every token (Ba et al., 1607.06450).

use crate::simd::{Lanes, each, load, vectorised};

/// Layer normalisation with frozen affine parameters.
#[derive(Debug)]
pub struct LayerNorm {
    epsilon: f32,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl LayerNorm {
    /// Takes `weight` and `bias` (`[width]`).
    pub fn new(epsilon: f32, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { epsilon, weight, bias }
    }

    /// Normalises `[tokens, width]`.
    pub fn forward(&self, x: &[f32], out: &mut [f32]) {
        forward(x, &self.weight, &self.bias, self.epsilon, out);
    }

    /// Adds the gradient with respect to the input to `out`.
    pub fn backward(&self, x: &[f32], gradient: &[f32], out: &mut [f32]) {
        backward(x, &self.weight, self.epsilon, gradient, out);
    }
}

/// Sums `term(index of the first of sixteen)` over a row; the last lanes are whatever `term` pads with.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
fn sum(width: usize, term: impl Fn(usize, usize) -> Lanes) -> f32 {
    let mut sums = [0.0; 16];
    for c in (0..width).step_by(16) {
        sums = crate::simd::add(sums, term(c, 16.min(width - c)));
    }
    let mut half = 8;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Returns a row's mean and inverse deviation.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let width = x.len();
    let mean = sum(width, |c, some| load(&x[c..][..some])) / width as f32;
    let squares = |c: usize, some: usize| {
        let x = load(&x[c..][..some]);
        each(|i| if i < some { (x[i] - mean) * (x[i] - mean) } else { 0.0 })
    };
    let variance = sum(width, squares) / width as f32;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

vectorised! {
    fn forward(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, inverse) = moments(x, epsilon);
            for ((x, out), (weight, bias)) in x.iter().zip(out).zip(weight.iter().zip(bias)) {
                *out = ((x - mean) * inverse).mul_add(*weight, *bias);
            }
        }
    }
}

vectorised! {
    fn backward(x: &[f32], weight: &[f32], epsilon: f32, gradient: &[f32], out: &mut [f32]) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(out.chunks_exact_mut(width));
        for ((x, gradient), out) in rows {
            let (mean, inverse) = moments(x, epsilon);
            let scaled = |c: usize, some: usize| -> Lanes {
                let (g, w) = (load(&gradient[c..][..some]), load(&weight[c..][..some]));
                each(|i| g[i] * w[i])
            };
            let plain = sum(width, scaled) / width as f32;
            let against = |c: usize, some: usize| -> Lanes {
                let (g, x) = (scaled(c, some), load(&x[c..][..some]));
                each(|i| g[i] * (x[i] - mean))
            };
            let against = sum(width, against) * inverse / width as f32;
            for ((x, out), (g, weight)) in x.iter().zip(out).zip(gradient.iter().zip(weight)) {
                *out += inverse * (g * weight - plain - (x - mean) * inverse * against);
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

    fn defined(norm: &LayerNorm, x: &[f64]) -> Vec<f64> {
        let width = norm.weight.len();
        let mut out = Vec::new();
        for x in x.chunks_exact(width) {
            let mean = x.iter().sum::<f64>() / width as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let normal = |x: f64| (x - mean) / (variance + f64::from(norm.epsilon)).sqrt();
            out.extend((0..width).map(|c| normal(x[c]) * f64::from(norm.weight[c]) + f64::from(norm.bias[c])));
        }
        out
    }

    #[test]
    fn values_and_gradients_are_the_definitions() {
        for width in [96, 20] {
            let norm = LayerNorm::new(1e-5, values(width, 1), values(width, 2));
            let x = values(5 * width, 3);
            let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mut out = vec![0.0; x.len()];
            norm.forward(&x, &mut out);
            for (found, wanted) in out.iter().zip(defined(&norm, &wide)) {
                assert!((f64::from(*found) - wanted).abs() < 1e-5);
            }
            let weights = values(x.len(), 4);
            let mut gradient = vec![1.0; x.len()];
            norm.backward(&x, &weights, &mut gradient);
            for i in (0..x.len()).step_by(17) {
                let moved = |step: f64| {
                    let mut moved = wide.clone();
                    moved[i] += step;
                    defined(&norm, &moved).iter().zip(&weights).map(|(y, w)| y * f64::from(*w)).sum::<f64>()
                };
                let wanted = 1.0 + (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((f64::from(gradient[i]) - wanted).abs() < 1e-5);
            }
        }
    }
}
