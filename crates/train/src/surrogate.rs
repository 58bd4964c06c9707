//! The clipped surrogate of PPO (Schulman et al., 1707.06347) over a sampler's per-step log-probabilities.

use burn::tensor::Tensor;

/// Dimensions of the samples for which DDPO's clip range of 1e-4 was tuned.
const REFERENCE_DIMS: f64 = 16384.0;

/// Returns the clip range for samples of `dims` dimensions. Log-probabilities are means over dimensions, whose spread
/// falls with their square root: the same range would clip nearly everything in small spaces.
pub fn clip_range(clip: f64, dims: usize) -> f64 {
    clip * (REFERENCE_DIMS / dims as f64).sqrt()
}

/// Returns each row's ln ρ, ρ the ratio of the new density to the old one.
///
/// ρ is the ratio of the mean log-probabilities' exponentials, from the mean squared distances of the next sample to
/// the step's mean: the constants of the Gaussian cancel, and with them their rounding.
///
/// # Shapes
/// - `distance`, `old_distance`: `[rows]`, by the new and the old policy
pub(crate) fn log_ratio(distance: Tensor<1>, old_distance: Tensor<1>, std: f32) -> Tensor<1> {
    (old_distance - distance) * (0.5 / (std * std))
}

/// Returns the estimate ρ − 1 − ln ρ of the KL divergence from the old policy to the new one, from ln ρ: nearly (ln ρ)²/2, which
/// rounding would swallow if it were taken of ρ in f32.
pub(crate) fn approx_kl(log_ratio: f32) -> f32 {
    let log_ratio = f64::from(log_ratio);
    (log_ratio.exp_m1() - log_ratio) as f32
}

/// Returns each row's normalised ratio (GRPO-Guard, 2510.22319): exp(s·(ln ρ + ‖Δμ‖²/2s²)), s the step's noise, Δμ by how much its
/// mean has moved and the norm a mean over dimensions.
///
/// ln ρ has the mean −‖Δμ‖²/2s² over what the old policy draws, and the standard deviation ‖Δμ‖/s (over √dims): without its mean
/// and times s it is ε·Δμ, centred at 0 and as wide at every step as means move.
///
/// # Shapes
/// - `moved`: `[rows]`, the mean squared difference of the step's mean by the new and the old policy; the others as in [`ratio`]
pub(crate) fn normalised_ratio(distance: Tensor<1>, old_distance: Tensor<1>, moved: Tensor<1>, std: f32) -> Tensor<1> {
    ((old_distance - distance + moved) * (0.5 / std)).exp()
}

/// Returns 1 for a ratio outside of the clip range, 0 for one within it.
///
/// Whether its row then has no gradient depends on the sign of its advantage: [`clipped`] takes gains away, never losses.
pub(crate) fn outside(ratio: f32, range: f64) -> f32 {
    f32::from(u8::from((f64::from(ratio) - 1.0).abs() > range))
}

/// Returns each row's loss −min(ρ·A, clip(ρ, 1±range)·A).
///
/// # Shapes
/// All `[rows]`.
pub(crate) fn clipped(ratio: Tensor<1>, advantages: Tensor<1>, range: f64) -> Tensor<1> {
    let clipped = ratio.clone().clamp(1.0 - range, 1.0 + range);
    (ratio * advantages.clone()).min_pair(clipped * advantages).neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor(values: Vec<f32>) -> Tensor<1> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &Device::flex())
    }

    fn host(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("f32")
    }

    #[test]
    fn gains_are_clipped_and_losses_are_not() {
        // With σ = 2, distances that differ by ±0.8 are ratios e^±0.1; advantages of both signs, clipped at 1 ± 0.01.
        let ratio = log_ratio(tensor(vec![0.2, 1.8, 0.2, 1.8]), tensor(vec![1.0; 4]), 2.0).exp();
        let (up, down) = (0.1f32.exp(), (-0.1f32).exp());
        for (found, wanted) in host(ratio.clone()).iter().zip([up, down, up, down]) {
            assert!((found - wanted).abs() < 1e-6, "{found} for {wanted}");
        }
        let loss = host(clipped(ratio, tensor(vec![1.0, 1.0, -1.0, -1.0]), 0.01));
        for (found, wanted) in loss.iter().zip([-1.01, -down, up, 0.99]) {
            assert!((found - wanted).abs() < 1e-5, "{loss:?}");
        }
    }

    #[test]
    fn a_normalised_ratio_is_centred_and_does_not_depend_on_the_noise() {
        // One dimension: x' = μ_old + s·ε; the new mean is 0.1 larger.
        let log = |epsilon: f32, std: f32| {
            let (old, new) = (tensor(vec![(std * epsilon).powi(2)]), tensor(vec![(std * epsilon - 0.1).powi(2)]));
            host(normalised_ratio(new, old, tensor(vec![0.01]), std))[0].ln()
        };
        for std in [0.3, 3.0] {
            for epsilon in [-2.0, 0.5, 1.0] {
                let found = log(epsilon, std);
                assert!((found - 0.1 * epsilon).abs() < 1e-5, "{found} for ε {epsilon} with σ {std}");
            }
        }
    }

    #[test]
    fn what_is_clipped_is_counted_on_both_sides() {
        let found: Vec<f32> = [0.98, 0.995, 1.0, 1.005, 1.02, f32::INFINITY].map(|ratio| outside(ratio, 0.01)).to_vec();
        assert_eq!(found, [1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn small_divergences_are_not_rounded_away() {
        for log_ratio in [1e-5f32, -1e-4, 3e-3] {
            let wanted = f64::from(log_ratio).powi(2) / 2.0;
            let found = f64::from(approx_kl(log_ratio));
            assert!((found / wanted - 1.0).abs() < 2e-3, "{found} for {wanted}");
        }
    }

    #[test]
    fn the_range_grows_as_dimensions_fall() {
        assert!((clip_range(1e-4, 16384) - 1e-4).abs() < 1e-12);
        assert!((clip_range(1e-4, 4096) - 2e-4).abs() < 1e-12);
    }
}
