//! Elementary functions in forms that vectorise.

use crate::simd::vectorised;

/// Returns eˣ to 2 units in the last place; clamped to the range of normal numbers, NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.3);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, the first exact in few bits.
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let p = 1.987_569_1e-4f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 0.166_666_65);
    let p = p.mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Returns 1 / (1 + e⁻ˣ).
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Returns the error function to 4e-7 (rational approximation in x², as in Eigen).
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = -2.726_142e-10f32;
    let p = p.mul_add(s, 2.770_681_5e-8);
    let p = p.mul_add(s, -2.101_024e-6);
    let p = p.mul_add(s, -5.692_506_5e-5);
    let p = p.mul_add(s, -7.349_906_3e-4);
    let p = p.mul_add(s, -2.954_6e-3);
    let p = p.mul_add(s, -1.609_603_4e-2);
    let q = -1.456_607_2e-5f32;
    let q = q.mul_add(s, -2.133_740_5e-4);
    let q = q.mul_add(s, -1.682_827e-3);
    let q = q.mul_add(s, -7.373_329e-3);
    let q = q.mul_add(s, -1.426_473_9e-2);
    x * p / q
}

/// Returns x·σ(x).
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// Returns the derivative of [`silu`].
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * x.mul_add(1.0 - s, 1.0)
}

vectorised! {
    /// Applies SiLU to every value.
    pub fn silu_in_place(x: &mut [f32]) {
        for x in x {
            *x = silu(*x);
        }
    }
}

vectorised! {
    /// Turns the gradient of `silu(x)` into that of `x`, in place.
    pub fn silu_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            *gradient *= silu_slope(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_true_to_two_units() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0 + 0.003;
            let (found, wanted) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / wanted - 1.0).abs() < 2.5e-7, "exp({x}) = {found}, not {wanted}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e9) < 2e-38 && exp(1e9) > 1e38);
    }

    #[test]
    fn the_error_function_is_true_to_a_rounding() {
        // Its Taylor series, which converges everywhere.
        let series = |x: f64| {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        };
        for i in -390..390 {
            let x = i as f32 / 100.0;
            assert!((f64::from(erf(x)) - series(f64::from(x))).abs() < 4e-7, "erf({x})");
        }
        assert!(erf(f32::NAN).is_nan() && (erf(30.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_function() {
        for i in -80..80 {
            let x = f64::from(i) / 10.0;
            let silu = |x: f64| x / (1.0 + (-x).exp());
            let wanted = (silu(x + 1e-5) - silu(x - 1e-5)) / 2e-5;
            assert!((f64::from(silu_slope(x as f32)) - wanted).abs() < 1e-6, "at {x}");
        }
    }
}
