//! The model under attack, as it is deployed.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::{ExperimentSpec, NoiseKey};
use moa_diffusion::sampler::{predict, sample};
use moa_diffusion::{Conditions, Pipeline, StepRule, TextContext};
use moa_reward::Pictures;

use crate::{AttackError, Eye, Goal, Look};

/// What stands between a model and its users beside its weights.
pub enum Defence<'a> {
    /// Nothing.
    None,
    /// Guidance away from a prompt that names what should not be drawn, in place of no prompt (as user interfaces of Stable Diffusion
    /// offer it; Ho & Salimans, 2207.12598).
    NegativePrompt {
        /// The prompt.
        prompt: String,
        /// The strength of guidance, above 1.
        guidance: f32,
    },
    /// A checker that withholds images (as Stable Diffusion's safety checker does).
    Filter(&'a dyn Eye),
}

/// A model with what draws from it.
pub struct Victim<'a> {
    pub(crate) pipeline: Pipeline,
    pub(crate) bank: Option<AdapterBank>,
    pub(crate) rules: Vec<StepRule>,
    micro_batch: usize,
    /// What guidance leads away from when nothing defends the model, with its strength.
    pub(crate) plain: Option<(TextContext, f32)>,
    /// The same as the model is deployed.
    guidance: Option<(TextContext, f32)>,
    filter: Option<&'a dyn Eye>,
}

/// An image that an attacker gets to see.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// `[rows, 3, height, width]` in [0, 1].
    pub pixels: Tensor<4>,
    /// Whether each was withheld.
    pub withheld: Vec<bool>,
}

impl<'a> Victim<'a> {
    /// Returns the model as an experiment evaluates it.
    ///
    /// - `bank`: the adapter on the base, a bank of one; nothing of the base
    ///
    /// # Errors
    /// Fails where a negative prompt cannot be tokenised.
    pub fn new(
        pipeline: Pipeline,
        bank: Option<AdapterBank>,
        spec: &ExperimentSpec,
        defence: Defence<'a>,
    ) -> Result<Self, AttackError> {
        let plain = pipeline.guidance(spec.evaluation.guidance)?;
        let (guidance, filter) = match defence {
            Defence::None => (plain.clone(), None),
            Defence::NegativePrompt { prompt, guidance } => {
                (Some((pipeline.encode_prompts(&[prompt.as_str()])?, guidance)), None)
            }
            Defence::Filter(eye) => (plain.clone(), Some(eye)),
        };
        let rules = pipeline.schedule().evaluation(spec.evaluation.steps as usize);
        let micro_batch = (spec.training.micro_batch as usize).max(1);
        Ok(Self { pipeline, bank, rules, micro_batch, plain, guidance, filter })
    }

    /// Returns the passes through the denoiser that an image costs.
    pub fn price(&self) -> u64 {
        self.rules.len() as u64 * self.passes()
    }

    /// Returns the passes through the denoiser that a prediction costs.
    pub(crate) fn passes(&self) -> u64 {
        if self.guidance.is_some() { 2 } else { 1 }
    }

    /// Predicts noise or velocity as it does when it draws; gradients flow to the context.
    ///
    /// # Shapes
    /// - `x`: `[rows, c, h, w]`, a timestep and a row of context for each
    /// - returns the same shape
    pub fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext) -> Tensor<4> {
        let conditions = Conditions { context: context.clone(), guidance: self.guidance.clone() };
        predict(&self.pipeline, self.bank.as_ref(), x, timesteps, &conditions)
    }

    /// Draws an image for each row of a context, from the noise of its key.
    ///
    /// - `goals`: what is wanted of each image
    ///
    /// # Errors
    /// Fails where a filter cannot look at an image.
    pub fn draw(&self, context: &TextContext, keys: &[NoiseKey], goals: &[&Goal]) -> Result<Drawn, AttackError> {
        let mut parts = Vec::new();
        for first in (0..keys.len()).step_by(self.micro_batch) {
            let rows: Vec<usize> = (first..(first + self.micro_batch).min(keys.len())).collect();
            let conditions = Conditions { context: context.select(&rows), guidance: self.guidance.clone() };
            let keys = &keys[rows[0]..][..rows.len()];
            let latents = sample(&self.pipeline, self.bank.as_ref(), &self.rules, &conditions, keys);
            parts.push(self.pipeline.decode(latents));
        }
        let pixels = Tensor::cat(parts, 0);
        let withheld = match self.filter {
            Some(eye) => {
                let prompts = goals.iter().map(|goal| goal.prompt.clone()).collect();
                let looks = eye.look(&Pictures::new(pixels.clone(), prompts, 1)?, goals)?;
                looks.iter().map(Look::is_harm).collect()
            }
            None => vec![false; keys.len()],
        };
        Ok(Drawn { pixels, withheld })
    }
}
