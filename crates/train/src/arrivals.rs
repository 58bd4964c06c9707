//! Prompts that arrive while runs are trained: they join the training prompts behind those that were known beforehand.

use moa_diffusion::{ConfigError, Pipeline, TextContext};

/// What arrived so far.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// The prompts, each once, in the order in which they came first.
    prompts: Vec<String>,
    contexts: Option<TextContext>,
    /// Every arrival: the epochs that were trained before, and which of the prompts it is.
    seen: Vec<(u32, usize)>,
}

impl Arrivals {
    /// Takes in what arrived, all of it in its order; what was known before keeps its place.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised; nothing is taken in then.
    pub(crate) fn take(&mut self, arrived: &[(u32, String)], pipeline: &Pipeline) -> Result<(), ConfigError> {
        let (known, mut prompts) = (self.prompts.len(), self.prompts.clone());
        let mut places: std::collections::HashMap<String, usize> =
            prompts.iter().enumerate().map(|(place, prompt)| (prompt.clone(), place)).collect();
        let mut seen = Vec::with_capacity(arrived.len());
        for (after_epoch, prompt) in arrived {
            let place = *places.entry(prompt.clone()).or_insert_with(|| {
                prompts.push(prompt.clone());
                prompts.len() - 1
            });
            seen.push((*after_epoch, place));
        }
        // Each by itself: not even the last bit may depend on what arrived beside it, or on what was known when training was resumed.
        let new =
            prompts[known..].iter().map(|prompt| pipeline.encode_prompts(&[prompt])).collect::<Result<Vec<_>, _>>()?;
        if !new.is_empty() {
            self.contexts = TextContext::cat(self.contexts.iter().cloned().chain(new).collect());
        }
        (self.prompts, self.seen) = (prompts, seen);
        Ok(())
    }

    /// Returns which prompts the last `keep` arrivals are that a run knows in an epoch, which counts from 1.
    pub(crate) fn known_in(&self, epoch: u32, keep: usize) -> Vec<usize> {
        let known = self.seen.iter().filter(|(after_epoch, _)| *after_epoch < epoch);
        let mut known: Vec<usize> = known.map(|(_, place)| *place).collect();
        known.drain(..known.len().saturating_sub(keep));
        known
    }

    /// Returns a prompt.
    pub(crate) fn prompt(&self, place: usize) -> &str {
        &self.prompts[place]
    }

    /// Returns what a prompt conditions on, a row.
    pub(crate) fn context(&self, place: usize) -> TextContext {
        let contexts = self.contexts.as_ref().unwrap_or_else(|| unreachable!("what arrived is encoded when it does"));
        contexts.select(&[place])
    }
}
