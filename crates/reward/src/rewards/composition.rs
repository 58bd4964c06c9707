//! Composition: how much of what its prompt claims an image shows, by a detector (in the manner of GenEval, Ghosh et al.,
//! 2310.11513).

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_device::to_host;

use crate::detector::{Claims, Detected, Detector};
use crate::{Differentiable, GradientView, Pictures, Reward, RewardError, View};

/// The mean probability of the prompt's claims: that each object is shown, in its colour, in its place, as often as the
/// prompt says and with nothing beside it, before the background.
pub struct Composition {
    name: String,
    detector: Arc<Detector>,
}

impl Composition {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>, detector: Arc<Detector>) -> Self {
        Self { name: name.into(), detector }
    }

    fn claims(&self, prompt: &str) -> Result<Claims, RewardError> {
        let outside = || RewardError::OutsideTheGrammar { reward: self.name.clone(), prompt: prompt.to_owned() };
        self.detector.claims(prompt).ok_or_else(outside)
    }

    fn expected(&self, pictures: &Pictures, detected: &Detected) -> Result<Tensor<1>, RewardError> {
        let score = |(row, prompt): (usize, &String)| Ok(self.claims(prompt)?.expected(detected, row));
        let scores = pictures.prompts().iter().enumerate().map(score).collect::<Result<Vec<_>, RewardError>>()?;
        Ok(Tensor::cat(scores, 0))
    }
}

impl Reward for Composition {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(to_host(self.expected(view.pictures(), &view.detected(&self.detector))?))
    }

    fn check_prompt(&self, prompt: &str) -> Result<(), RewardError> {
        self.claims(prompt).map(|_| ())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Composition {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        self.expected(view.pictures(), &view.detected(&self.detector))
    }
}
