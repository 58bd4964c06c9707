//! The clipped surrogate of PPO (Schulman et al., 1707.06347) over a sampler's per-step log-probabilities.

use burn::tensor::Tensor;

/// Dimensions of the samples for which DDPO's clip range of 1e-4 was tuned.
const REFERENCE_DIMS: f64 = 16384.0;

/// Returns the clip range for samples of `dims` dimensions. Log-probabilities are means over dimensions, whose spread
/// falls with their square root: the same range would clip nearly everything in small spaces.
pub fn clip_range(clip: f64, dims: usize) -> f64 {
    clip * (REFERENCE_DIMS / dims as f64).sqrt()
}

/// What the surrogate saw, per row.
#[derive(Clone, Debug, PartialEq)]
pub struct SurrogateStats {
    /// Probability ratios of new to old.
    pub ratios: Vec<f32>,
}

impl SurrogateStats {
    /// Returns the largest deviation of a ratio from 1.
    pub fn deviation(&self) -> f64 {
        self.ratios.iter().map(|ratio| (f64::from(*ratio) - 1.0).abs()).fold(0.0, f64::max)
    }
}

/// Returns each row's loss −min(ρ·A, clip(ρ, 1±range)·A) and the ratios ρ.
///
/// ρ is the ratio of the mean log-probabilities' exponentials, from the mean squared distances of the next sample to
/// the step's mean: the constants of the Gaussian cancel, and with them their rounding.
///
/// # Shapes
/// All `[rows]`.
pub(crate) fn clipped(
    distance: Tensor<1>,
    old_distance: Tensor<1>,
    std: f32,
    advantages: Tensor<1>,
    range: f64,
) -> (Tensor<1>, SurrogateStats) {
    let ratio = ((old_distance - distance) * (0.5 / (std * std))).exp();
    let ratios = ratio.clone().inner().into_data().convert::<f32>().try_into_vec().unwrap_or_default();
    let clipped = ratio.clone().clamp(1.0 - range, 1.0 + range);
    let loss = (ratio * advantages.clone()).min_pair(clipped * advantages).neg();
    (loss, SurrogateStats { ratios })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor(values: Vec<f32>) -> Tensor<1> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &Device::flex())
    }

    #[test]
    fn gains_are_clipped_and_losses_are_not() {
        // Ratios e^0.1 and e^−0.1 with advantages of both signs, clipped at 1 ± 0.01.
        let distance = tensor(vec![0.8, 1.2, 0.8, 1.2]);
        let (loss, stats) = clipped(distance, tensor(vec![1.0; 4]), 1.0, tensor(vec![1.0, 1.0, -1.0, -1.0]), 0.01);
        let loss = loss.into_data().try_into_vec::<f32>().expect("f32");
        let (up, down) = (0.1f32.exp(), (-0.1f32).exp());
        for (found, wanted) in loss.iter().zip([-1.01, -down, up, 0.99]) {
            assert!((found - wanted).abs() < 1e-5, "{loss:?}");
        }
        assert!((stats.deviation() - f64::from(up - 1.0)).abs() < 1e-5);
    }

    #[test]
    fn the_range_grows_as_dimensions_fall() {
        assert!((clip_range(1e-4, 16384) - 1e-4).abs() < 1e-12);
        assert!((clip_range(1e-4, 4096) - 2e-4).abs() < 1e-12);
    }
}
