//! Group normalisation (Wu & He, 1803.08494) with the activation that follows it, in one kernel.

use crate::elementary::{silu, silu_slope};
use crate::simd::{Lanes, each, load, store, vectorised};

/// Group normalisation with frozen affine parameters, and SiLU behind it where asked for.
#[derive(Debug)]
pub struct GroupNorm {
    groups: usize,
    epsilon: f32,
    weight: Vec<f32>,
    bias: Vec<f32>,
    activates: bool,
}

impl GroupNorm {
    /// Takes `weight` and `bias` (`[channels]`); `activates` applies SiLU to the result.
    ///
    /// # Panics
    /// When the groups do not divide the channels.
    pub fn new(groups: usize, epsilon: f32, weight: Vec<f32>, bias: Vec<f32>, activates: bool) -> Self {
        assert!(
            groups > 0 && weight.len().is_multiple_of(groups) && weight.len() == bias.len(),
            "groups divide the channels"
        );
        Self { groups, epsilon, weight, bias, activates }
    }

    /// Normalises `rows` rows of `[positions, channels]`.
    pub fn forward(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        let size = x.len() / rows;
        for (x, out) in x.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
            let (mean, inverse) = self.moments(x);
            let scale: Vec<f32> = self.weight.iter().zip(&inverse).map(|(weight, inverse)| weight * inverse).collect();
            let shift: Vec<f32> = self
                .bias
                .iter()
                .zip(mean.iter().zip(&scale))
                .map(|(bias, (mean, scale))| bias - mean * scale)
                .collect();
            apply(x, &scale, &shift, self.activates, out);
        }
    }

    /// Turns the result's gradient into the input's, in place.
    pub fn backward(&self, rows: usize, x: &[f32], gradient: &mut [f32]) {
        let (size, channels) = (x.len() / rows, self.weight.len());
        let mut sums = vec![0.0; 2 * channels];
        for (x, gradient) in x.chunks_exact(size).zip(gradient.chunks_exact_mut(size)) {
            let (mean, inverse) = self.moments(x);
            first_pass(x, &mean, &inverse, &self.weight, &self.bias, self.activates, gradient, &mut sums);
            let (plain, against) = sums.split_at_mut(channels);
            self.spread_means(plain, size);
            self.spread_means(against, size);
            second_pass(x, &mean, &inverse, plain, against, gradient);
        }
    }

    /// Returns the mean and the inverse deviation of each channel's group.
    fn moments(&self, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.weight.len();
        let (mut mean, mut inverse) = (vec![0.0; channels], vec![0.0; channels]);
        channel_sums(x, &mut mean);
        self.spread_means(&mut mean, x.len());
        channel_squares(x, &mean, &mut inverse);
        self.spread_means(&mut inverse, x.len());
        for variance in &mut inverse {
            *variance = 1.0 / (*variance + self.epsilon).sqrt();
        }
        (mean, inverse)
    }

    /// Turns channels' sums over a row into the mean of their group.
    fn spread_means(&self, sums: &mut [f32], size: usize) {
        let count = (size / self.groups) as f32;
        for sums in sums.chunks_exact_mut(self.weight.len() / self.groups) {
            let mean = sums.iter().sum::<f32>() / count;
            sums.fill(mean);
        }
    }
}

/// Sums `term(position's sixteen channels)` over positions, in four chains: one would wait for every addition.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
fn sum_positions(x: &[f32], channels: usize, c: usize, term: impl Fn(Lanes) -> Lanes) -> Lanes {
    let some = 16.min(channels - c);
    let mut sums = [[0.0; 16]; 4];
    let mut four = x.chunks_exact(4 * channels);
    for x in &mut four {
        for (j, sums) in sums.iter_mut().enumerate() {
            let term = term(load(&x[j * channels + c..][..some]));
            *sums = crate::simd::add(*sums, term);
        }
    }
    for x in four.remainder().chunks_exact(channels) {
        let term = term(load(&x[c..][..some]));
        sums[0] = crate::simd::add(sums[0], term);
    }
    crate::simd::add(crate::simd::add(sums[0], sums[1]), crate::simd::add(sums[2], sums[3]))
}

vectorised! {
    /// Sums each channel over the positions.
    fn channel_sums(x: &[f32], sums: &mut [f32]) {
        let channels = sums.len();
        for c in (0..channels).step_by(16) {
            let some = 16.min(channels - c);
            store(sum_positions(x, channels, c, |x| x), &mut sums[c..][..some]);
        }
    }
}

vectorised! {
    /// Sums each channel's squared distance from `mean` over the positions.
    fn channel_squares(x: &[f32], mean: &[f32], sums: &mut [f32]) {
        let channels = sums.len();
        for c in (0..channels).step_by(16) {
            let some = 16.min(channels - c);
            let mean = load(&mean[c..][..some]);
            let squares = |x: Lanes| each(|i| (x[i] - mean[i]) * (x[i] - mean[i]));
            store(sum_positions(x, channels, c, squares), &mut sums[c..][..some]);
        }
    }
}

vectorised! {
    fn apply(x: &[f32], scale: &[f32], shift: &[f32], activates: bool, out: &mut [f32]) {
        let channels = scale.len();
        for (x, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
            let parameters = scale.iter().zip(shift);
            if activates {
                for ((x, out), (scale, shift)) in x.iter().zip(out).zip(parameters) {
                    *out = silu(x.mul_add(*scale, *shift));
                }
            } else {
                for ((x, out), (scale, shift)) in x.iter().zip(out).zip(parameters) {
                    *out = x.mul_add(*scale, *shift);
                }
            }
        }
    }
}

vectorised! {
    /// Turns the gradient of the result into that of the normalised value, and sums it and its product with that value.
    #[expect(clippy::too_many_arguments, reason = "the parameters of a norm, its input and its gradient")]
    fn first_pass(
        x: &[f32],
        mean: &[f32],
        inverse: &[f32],
        weight: &[f32],
        bias: &[f32],
        activates: bool,
        gradient: &mut [f32],
        sums: &mut [f32],
    ) {
        let channels = mean.len();
        let (plain, against) = sums.split_at_mut(channels);
        for c in (0..channels).step_by(16) {
            let some = 16.min(channels - c);
            let part = |values: &[f32]| load(&values[c..][..some]);
            let (mean, inverse, weight, bias) = (part(mean), part(inverse), part(weight), part(bias));
            let (mut sum, mut product) = ([[0.0; 16]; 2], [[0.0; 16]; 2]);
            let pixels = x.chunks_exact(channels).zip(gradient.chunks_exact_mut(channels));
            for (position, (x, gradient)) in pixels.enumerate() {
                let (x, gradient) = (load(&x[c..][..some]), &mut gradient[c..][..some]);
                let mut g = load(gradient);
                let normal: Lanes = each(|i| (x[i] - mean[i]) * inverse[i]);
                if activates {
                    g = each(|i| g[i] * silu_slope(normal[i].mul_add(weight[i], bias[i])));
                }
                g = each(|i| g[i] * weight[i]);
                let chain = position % 2;
                sum[chain] = each(|i| sum[chain][i] + g[i]);
                product[chain] = each(|i| g[i].mul_add(normal[i], product[chain][i]));
                store(g, gradient);
            }
            store(crate::simd::add(sum[0], sum[1]), &mut plain[c..][..some]);
            store(crate::simd::add(product[0], product[1]), &mut against[c..][..some]);
        }
    }
}

vectorised! {
    fn second_pass(
        x: &[f32],
        mean: &[f32],
        inverse: &[f32],
        plain: &[f32],
        against: &[f32],
        gradient: &mut [f32],
    ) {
        let channels = mean.len();
        for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact_mut(channels)) {
            for (c, (x, gradient)) in x.iter().zip(gradient).enumerate() {
                let normal = (x - mean[c]) * inverse[c];
                *gradient = inverse[c] * (*gradient - plain[c] - normal * against[c]);
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

    /// The definition, in double precision.
    fn defined(norm: &GroupNorm, rows: usize, x: &[f64]) -> Vec<f64> {
        let (channels, size) = (norm.weight.len(), x.len() / rows);
        let width = channels / norm.groups;
        let mut out = vec![0.0; x.len()];
        for row in 0..rows {
            for group in 0..norm.groups {
                let at: Vec<usize> =
                    (0..size).filter(|i| i % channels / width == group).map(|i| row * size + i).collect();
                let mean = at.iter().map(|i| x[*i]).sum::<f64>() / at.len() as f64;
                let variance = at.iter().map(|i| (x[*i] - mean).powi(2)).sum::<f64>() / at.len() as f64;
                for i in at {
                    let c = i % channels;
                    let y = (x[i] - mean) / (variance + f64::from(norm.epsilon)).sqrt();
                    let y = y * f64::from(norm.weight[c]) + f64::from(norm.bias[c]);
                    out[i] = if norm.activates { y / (1.0 + (-y).exp()) } else { y };
                }
            }
        }
        out
    }

    #[test]
    fn values_and_gradients_are_the_definitions() {
        for (channels, groups, activates) in [(48, 8, true), (20, 4, true), (8, 8, false)] {
            let norm = GroupNorm::new(groups, 1e-5, values(channels, 1), values(channels, 2), activates);
            let (rows, x) = (2, values(2 * 9 * channels, 3));
            let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mut out = vec![0.0; x.len()];
            norm.forward(rows, &x, &mut out);
            for (found, wanted) in out.iter().zip(defined(&norm, rows, &wide)) {
                assert!((f64::from(*found) - wanted).abs() < 1e-5, "{found}, not {wanted}");
            }
            let weights = values(x.len(), 4);
            let mut gradient = weights.clone();
            norm.backward(rows, &x, &mut gradient);
            for i in (0..x.len()).step_by(37) {
                let moved = |step: f64| {
                    let mut moved = wide.clone();
                    moved[i] += step;
                    defined(&norm, rows, &moved).iter().zip(&weights).map(|(y, w)| y * f64::from(*w)).sum::<f64>()
                };
                let wanted = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((f64::from(gradient[i]) - wanted).abs() < 2e-5, "{} at {i}, not {wanted}", gradient[i]);
            }
        }
    }
}
