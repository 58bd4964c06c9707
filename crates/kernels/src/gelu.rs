//! The GELU (Hendrycks & Gimpel, 1606.08415), exact and as CLIP approximates it.

use crate::elementary::sigmoid;
use crate::geglu::{density, mass_below};
use crate::simd::vectorised;

/// The slope of CLIP's approximation inside the sigmoid.
const QUICK: f32 = 1.702;

vectorised! {
    /// Applies x·Φ(x) to every value, Φ the normal distribution's mass below x.
    pub fn gelu_in_place(x: &mut [f32]) {
        for x in x {
            *x *= mass_below(*x);
        }
    }
}

vectorised! {
    /// Turns the gradient of `gelu(x)` into that of `x`, in place.
    pub fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            *gradient *= x.mul_add(density(*x), mass_below(*x));
        }
    }
}

vectorised! {
    /// Applies x·σ(1.702·x) to every value.
    pub fn quick_gelu_in_place(x: &mut [f32]) {
        for x in x {
            *x *= sigmoid(QUICK * *x);
        }
    }
}

vectorised! {
    /// Turns the gradient of `quick_gelu(x)` into that of `x`, in place.
    pub fn quick_gelu_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            let s = sigmoid(QUICK * x);
            *gradient *= s * (QUICK * x).mul_add(1.0 - s, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function and its backward pass.
    type Pair = (fn(&mut [f32]), fn(&[f32], &mut [f32]));

    #[test]
    fn values_and_slopes_are_those_of_the_functions() {
        // Known values: gelu(1) = 0.8413447, quick_gelu(1) = 1/(1 + e^-1.702).
        let (mut exact, mut quick) = ([1.0, -0.5, 0.0], [1.0, -0.5, 0.0]);
        gelu_in_place(&mut exact);
        quick_gelu_in_place(&mut quick);
        assert!((exact[0] - 0.841_344_7).abs() < 1e-6 && (exact[1] + 0.154_268_77).abs() < 1e-6, "{exact:?}");
        assert!((quick[0] - 0.845_795_8).abs() < 1e-6 && (quick[1] + 0.149_611_56).abs() < 1e-6, "{quick:?}");
        let x: Vec<f32> = (0..67).map(|i| (i * 37 % 67) as f32 / 10.0 - 3.3).collect();
        let pairs: [Pair; 2] = [(gelu_in_place, gelu_backward), (quick_gelu_in_place, quick_gelu_backward)];
        for (forward, backward) in pairs {
            let mut gradient = vec![2.0; x.len()];
            backward(&x, &mut gradient);
            let step = 1e-2;
            let moved = |by: f32| {
                let mut moved: Vec<f32> = x.iter().map(|x| x + by).collect();
                forward(&mut moved);
                moved
            };
            for ((found, above), below) in gradient.iter().zip(moved(step)).zip(moved(-step)) {
                let wanted = 2.0 * (f64::from(above) - f64::from(below)) / (2.0 * f64::from(step));
                assert!((f64::from(*found) - wanted).abs() < 1e-3, "{found} not {wanted}");
            }
        }
    }
}
