//! The gated unit GEGLU (Shazeer, 2002.05202): value · gelu(gate), with the exact GELU.

use crate::elementary::{erf, exp};
use crate::simd::vectorised;

/// Returns Φ(x), the normal distribution's mass below x.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn mass_below(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Returns the normal distribution's density at x, e^(−x²/2) / √(2π).
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn density(x: f32) -> f32 {
    0.398_942_3 * exp(-0.5 * x * x)
}

vectorised! {
    /// Computes `[tokens, width]` from `[tokens, 2·width]`: values first, then gates.
    pub fn geglu(width: usize, x: &[f32], out: &mut [f32]) {
        for (x, out) in x.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
            let (values, gates) = x.split_at(width);
            for ((value, gate), out) in values.iter().zip(gates).zip(out) {
                *out = value * gate * mass_below(*gate);
            }
        }
    }
}

vectorised! {
    /// Turns values and gates `[tokens, 2·width]` into their gradients, in place.
    pub fn geglu_backward(width: usize, gradient: &[f32], x: &mut [f32]) {
        for (x, gradient) in x.chunks_exact_mut(2 * width).zip(gradient.chunks_exact(width)) {
            let (values, gates) = x.split_at_mut(width);
            for ((value, gate), gradient) in values.iter_mut().zip(gates).zip(gradient) {
                let (v, g) = (*value, *gate);
                let below = mass_below(g);
                *value = gradient * g * below;
                *gate = gradient * v * g.mul_add(density(g), below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_the_function() {
        let width = 40;
        let x: Vec<f32> = (0..2 * width).map(|i| (i * 37 % 81) as f32 / 12.0 - 3.3).collect();
        let mut out = vec![0.0; width];
        geglu(width, &x, &mut out);
        let mut back = x.clone();
        geglu_backward(width, &vec![2.0; width], &mut back);
        for i in 0..width {
            let (value, gate) = (x[i], x[width + i]);
            assert!((out[i] - value * gate * mass_below(gate)).abs() < 1e-6);
            assert!((back[i] - 2.0 * gate * mass_below(gate)).abs() < 1e-5);
            let step = 1e-2f32;
            let slope = |g: f32| f64::from(g * mass_below(g));
            let wanted = 2.0 * f64::from(value) * (slope(gate + step) - slope(gate - step)) / (2.0 * f64::from(step));
            assert!((f64::from(back[width + i]) - wanted).abs() < 2e-3, "{} not {wanted}", back[width + i]);
        }
    }
}
