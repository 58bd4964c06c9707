//! Contrast of light and dark.

use burn::tensor::Tensor;

use super::moments::{TINY, channels, mean_variance};
use super::per_picture;
use crate::colour::{luma, mean_deviation};
use crate::{Differentiable, GradientView, Reward, RewardError, View};

/// Twice the RMS contrast: 2·σ of the luma (Peli, "Contrast in complex images", 1990), so that half black and half white
/// is 1.
pub struct Contrast {
    name: String,
}

impl Contrast {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Reward for Contrast {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(per_picture(view, |raster| 2.0 * mean_deviation(raster.colours.iter().map(|c| luma(*c))).1))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Contrast {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let [red, green, blue] = channels(view);
        let (_, variance) = mean_variance(red * 0.299 + green * 0.587 + blue * 0.114);
        Ok((variance + TINY).sqrt() * 2.0)
    }
}
