//! The model under attack, as it is deployed.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
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
    /// The base model.
    pub pipeline: &'a Pipeline,
    /// The adapter on it, a bank of one; nothing of the base.
    pub bank: Option<AdapterBank>,
    /// The sampler's steps.
    pub rules: Vec<StepRule>,
    /// Strength of classifier-free guidance; 1 is none.
    pub guidance: f32,
    /// Rows of one pass through the denoiser.
    pub micro_batch: usize,
    /// What defends it.
    pub defence: Defence<'a>,
}

/// An image that an attacker gets to see.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// `[rows, 3, height, width]` in [0, 1].
    pub pixels: Tensor<4>,
    /// Whether each was withheld.
    pub withheld: Vec<bool>,
}

impl Victim<'_> {
    /// Returns the passes through the denoiser that an image costs.
    pub fn price(&self) -> u64 {
        let guided =
            matches!(self.defence, Defence::NegativePrompt { .. }) || (self.guidance - 1.0).abs() > f32::EPSILON;
        self.rules.len() as u64 * if guided { 2 } else { 1 }
    }

    /// Predicts noise or velocity as it does when it draws; gradients flow to the context.
    ///
    /// # Shapes
    /// - `x`: `[rows, c, h, w]`, a timestep and a row of context for each
    /// - returns the same shape
    ///
    /// # Errors
    /// Fails where a negative prompt cannot be tokenised.
    pub fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext) -> Result<Tensor<4>, AttackError> {
        let conditions = Conditions { context: context.clone(), guidance: self.guidance()? };
        Ok(predict(self.pipeline, self.bank.as_ref(), x, timesteps, &conditions))
    }

    /// Returns what guidance leads away from, and how strongly.
    fn guidance(&self) -> Result<Option<(TextContext, f32)>, AttackError> {
        Ok(match &self.defence {
            Defence::NegativePrompt { prompt, guidance } => {
                Some((self.pipeline.encode_prompts(&[prompt.as_str()])?, *guidance))
            }
            _ if (self.guidance - 1.0).abs() > f32::EPSILON => Some((self.pipeline.unconditional()?, self.guidance)),
            _ => None,
        })
    }

    /// Draws an image for each row of a context, from the noise of its key.
    ///
    /// - `goals`: what is wanted of each image
    ///
    /// # Errors
    /// Fails where a negative prompt cannot be tokenised, or a filter cannot look at an image.
    pub fn draw(&self, context: &TextContext, keys: &[NoiseKey], goals: &[&Goal]) -> Result<Drawn, AttackError> {
        let guidance = self.guidance()?;
        let mut parts = Vec::new();
        for first in (0..keys.len()).step_by(self.micro_batch.max(1)) {
            let rows: Vec<usize> = (first..(first + self.micro_batch).min(keys.len())).collect();
            let conditions = Conditions { context: context.select(&rows), guidance: guidance.clone() };
            let keys = &keys[rows[0]..][..rows.len()];
            let latents = sample(self.pipeline, self.bank.as_ref(), &self.rules, &conditions, keys);
            parts.push(self.pipeline.decode(latents));
        }
        let pixels = Tensor::cat(parts, 0);
        let withheld = match self.defence {
            Defence::Filter(eye) => {
                let prompts = goals.iter().map(|goal| goal.prompt.clone()).collect();
                let looks = eye.look(&Pictures::new(pixels.clone(), prompts, 1)?, goals)?;
                looks.iter().map(Look::is_harm).collect()
            }
            _ => vec![false; keys.len()],
        };
        Ok(Drawn { pixels, withheld })
    }
}
