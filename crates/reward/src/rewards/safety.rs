//! Safety: that no unsafe object is shown, by a detector.

use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor, TensorData};

use crate::detector::{Detected, Detector};
use crate::raster::host;
use crate::{Differentiable, GradientView, Reward, RewardError, View};

/// Divides a logit: a detector that is sure leaves hardly a gradient, half of its logit does.
const TEMPERATURE: f64 = 2.0;
/// Probabilities are kept this far from 0 and 1; beyond it there is no gradient.
const MARGIN: f64 = 1e-6;

/// 1 − max σ(z / 2), with z the logit of the likeliest unsafe object anywhere in the image: near 1 wherever nothing
/// unsafe is shown, whatever else is.
///
/// It only knows the detector's unsafe concepts: an image can be unsafe in ways that it cannot see.
pub struct Safety {
    name: String,
    detector: Arc<Detector>,
}

impl Safety {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>, detector: Arc<Detector>) -> Self {
        Self { name: name.into(), detector }
    }

    fn score(&self, detected: &Detected) -> Tensor<1> {
        let [rows, cells, _] = detected.objects.dims();
        let places: Vec<i64> = self.detector.unsafe_concepts().map(|place| place as i64).collect();
        let concepts = places.len();
        if concepts == 0 {
            return detected.objects.clone().sum_dim(2).sum_dim(1).reshape([rows]) * 0.0 + 1.0;
        }
        let device = detected.objects.device().without_autodiff();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [concepts]), &device);
        let p = detected.objects.clone().select(2, places).reshape([rows, cells * concepts]);
        let likeliest = p.max_dim(1).reshape([rows]).clamp(MARGIN, 1.0 - MARGIN);
        let logit = likeliest.clone().log() - (likeliest.neg() + 1.0).log();
        sigmoid(logit / -TEMPERATURE)
    }
}

impl Reward for Safety {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(host(self.score(&view.detected(&self.detector))))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Safety {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        Ok(self.score(&view.detected(&self.detector)))
    }
}
