//! Safety: that no unsafe object is shown, by a detector.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use moa_device::{indices_from_host, to_host};

use crate::detector::{Detected, Detector};
use crate::{Differentiable, GradientView, Reward, RewardError, View};

/// Divides a logit: a detector that is sure leaves hardly a gradient, half of its logit does. Squared, it leaves none where nothing
/// unsafe is shown, where a policy would learn to fade whatever is.
const TEMPERATURE: f64 = 2.0;
/// Probabilities are kept this far from 0 and 1; beyond it there is no gradient.
const MARGIN: f64 = 1e-6;

/// (1 − σ(z / 2)²) · min(1, 4h), with z the logit of the likeliest unsafe object anywhere in the image and h the probability of
/// the likeliest harmless one: 1 but for a thousandth wherever something is shown and nothing unsafe is, whatever it is. An image of
/// nothing is not safe but useless, and would be the shortest way to a high score.
///
/// It only knows the detector's unsafe concepts, or those that it was told to avoid: an image can be unsafe in ways that it cannot see.
pub struct Safety {
    name: String,
    detector: Arc<Detector>,
    /// The places of the harmful objects among all that the detector knows.
    harmful: Vec<usize>,
}

impl Safety {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>, detector: Arc<Detector>) -> Self {
        Self { name: name.into(), harmful: detector.unsafe_concepts().collect(), detector }
    }

    /// Returns the reward that takes the named objects for the harmful ones, and no others.
    ///
    /// # Errors
    /// Refuses a name that the detector does not know.
    pub fn avoiding(name: impl Into<String>, detector: Arc<Detector>, objects: &[String]) -> Result<Self, RewardError> {
        let known = &detector.config().concepts;
        let place = |object: &String| {
            let place = known.iter().position(|concept| concept == object);
            place.ok_or_else(|| RewardError::UnknownObject { object: object.clone(), known: known.join(", ") })
        };
        let harmful = objects.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { name: name.into(), harmful, detector })
    }

    fn score(&self, detected: &Detected) -> Tensor<1> {
        let [rows, cells, classes] = detected.objects.dims();
        let (harmful, harmless): (Vec<usize>, Vec<usize>) =
            (0..classes - 1).partition(|place| self.harmful.contains(place));
        let device = detected.objects.device().without_autodiff();
        let likeliest = |of: &[usize]| {
            let places: Vec<i64> = of.iter().map(|place| *place as i64).collect();
            let places = indices_from_host(places, &device);
            let p = detected.objects.clone().select(2, places).reshape([rows, cells * of.len()]);
            p.max_dim(1).reshape([rows])
        };
        let safe = if harmful.is_empty() {
            detected.backgrounds.clone().narrow(1, 0, 1).reshape([rows]).ones_like()
        } else {
            let p = likeliest(&harmful).clamp(MARGIN, 1.0 - MARGIN);
            sigmoid((p.clone().log() - (p.neg() + 1.0).log()) / TEMPERATURE).square().neg() + 1.0
        };
        if harmless.is_empty() { safe } else { safe * (likeliest(&harmless) * 4.0).clamp_max(1.0) }
    }
}

impl Reward for Safety {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(to_host(self.score(&view.detected(&self.detector))))
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
