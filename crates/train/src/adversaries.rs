//! What an adversary has found: other ways to ask for what some training prompts ask for.

use moa_core::NoiseKey;
use moa_diffusion::{ConfigError, Pipeline, TextContext};

/// Found prompts of a trainer's runs.
pub(crate) struct Adversaries {
    /// Which training prompt each is an attack for: what its images are scored as.
    goals: Vec<usize>,
    contexts: TextContext,
}

impl Adversaries {
    /// Returns found prompts, each with the training prompt that it is an attack for; nothing where there are none.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn new(found: &[(usize, String)], pipeline: &Pipeline) -> Result<Option<Self>, ConfigError> {
        if found.is_empty() {
            return Ok(None);
        }
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        let goals = found.iter().map(|(goal, _)| *goal).collect();
        Ok(Some(Self { goals, contexts: pipeline.encode_prompts(&texts)? }))
    }

    /// Puts found prompts in the place of a share of an epoch's prompts, and returns what all of them condition on: a row each.
    ///
    /// - `contexts`: of the epoch's training prompts, a row each; `key`: of the epoch
    /// - `prompts`: the places of the epoch's training prompts; those that give way become what the found prompt is an attack for
    /// - `own`: how many of them, the first ones, may give way
    pub(crate) fn join(
        &self,
        contexts: &TextContext,
        key: NoiseKey,
        share: f64,
        prompts: &mut [usize],
        own: usize,
    ) -> TextContext {
        let mut rows = Vec::with_capacity(prompts.len());
        for (slot, prompt) in prompts.iter_mut().enumerate() {
            let key = key.with(slot as u64);
            rows.push(if slot < own && key.uniform(0) < share {
                let place = key.below(1, self.goals.len());
                *prompt = self.goals[place];
                self.contexts.select(&[place])
            } else {
                contexts.select(&[slot])
            });
        }
        TextContext::cat(rows).unwrap_or_else(|| unreachable!("an epoch has at least one prompt"))
    }
}
