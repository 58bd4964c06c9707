//! Colourfulness (Hasler & Süsstrunk, "Measuring colourfulness in natural images", 2003).

use burn::tensor::Tensor;

use super::moments::{TINY, channels, mean_variance};
use super::per_picture;
use crate::colour::mean_deviation;
use crate::{Differentiable, GradientView, Raster, Reward, RewardError, View};

/// M = √(σ_rg² + σ_yb²) + 0.3·√(μ_rg² + μ_yb²) with rg = R − G and yb = (R + G)/2 − B, on colours in [0, 1]; 0.43 is
/// very colourful.
pub struct Colourfulness {
    name: String,
}

impl Colourfulness {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Returns the colourfulness of an image.
pub fn colourfulness(raster: &Raster) -> f32 {
    let colours = raster.colours.iter();
    let (rg_mean, rg_deviation) = mean_deviation(colours.clone().map(|[r, g, _]| r - g));
    let (yb_mean, yb_deviation) = mean_deviation(colours.map(|[r, g, b]| f32::midpoint(*r, *g) - b));
    rg_deviation.hypot(yb_deviation) + 0.3 * rg_mean.hypot(yb_mean)
}

impl Reward for Colourfulness {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(per_picture(view, colourfulness))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Colourfulness {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let [red, green, blue] = channels(view);
        let (rg_mean, rg_variance) = mean_variance(red.clone() - green.clone());
        let (yb_mean, yb_variance) = mean_variance((red + green) * 0.5 - blue);
        let level = (rg_mean.square() + yb_mean.square() + TINY).sqrt();
        Ok((rg_variance + yb_variance + TINY).sqrt() + level * 0.3)
    }
}
