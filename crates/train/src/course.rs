//! How an epoch's images are drawn: by the adapters, or by the base with which they are compared.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_diffusion::sampler::{predict, sample};
use moa_diffusion::{Conditions, NoiseLevel, Pipeline, StepRule};

/// The way from noise to what is scored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    /// The steps that are walked.
    pub(crate) walked: Vec<StepRule>,
    /// Where the clean sample is predicted in one go from what they lead to; nothing where they lead to the end.
    pub(crate) ahead: Option<NoiseLevel>,
}

impl Course {
    /// Returns the course that walks all steps.
    pub(crate) fn whole(rules: &[StepRule]) -> Self {
        Self { walked: rules.to_vec(), ahead: None }
    }

    /// Draws samples of the base, one per key: `[rows, c, h, w]`.
    pub(crate) fn of_base(&self, pipeline: &Pipeline, conditions: &Conditions, keys: &[NoiseKey]) -> Tensor<4> {
        let x = sample(pipeline, None::<&AdapterBank>, &self.walked, conditions, keys);
        let Some(level) = &self.ahead else { return x };
        let timesteps = vec![level.timestep; keys.len()];
        let output = predict(pipeline, None::<&AdapterBank>, x.clone(), &timesteps, conditions);
        x * level.clean[0] + output * level.clean[1]
    }
}
