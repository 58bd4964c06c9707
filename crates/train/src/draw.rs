//! Drawing pictures for evaluation, grids and samples.

use std::sync::atomic::{AtomicUsize, Ordering};

use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Pipeline, StepRule};
use moa_reward::Pictures;

use crate::TrainError;
use crate::batches::{in_order, slices};
use crate::rollout::{TextStates, by_member};

/// Which pictures are drawn, and how.
pub struct DrawRequest<'a> {
    /// The prompts.
    pub prompts: &'a [String],
    /// Pictures of each prompt.
    pub per_prompt: usize,
    /// The sampler's steps.
    pub rules: &'a [StepRule],
    /// Strength of classifier-free guidance; 1 is none.
    pub guidance: f32,
    /// Names the noise: picture `s` of prompt `p` starts from `key.with(p).with(s)`, whatever the adapter, so that
    /// pictures of different adapters are paired.
    pub key: NoiseKey,
    /// Rows of one pass through the denoiser.
    pub micro_batch: usize,
    /// Threads that draw.
    pub workers: usize,
}

/// Draws the pictures of every adapter of a bank (or of the base alone, without one): one batch for each.
///
/// `progress` is told the share that is finished, from any thread.
///
/// # Errors
/// Fails when a prompt cannot be tokenised.
pub fn draw(
    pipeline: &Pipeline,
    bank: Option<&AdapterBank>,
    request: &DrawRequest<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Pictures>, TrainError> {
    let members = bank.map_or(1, AdapterBank::members);
    let guidance = if (request.guidance - 1.0).abs() < f32::EPSILON {
        None
    } else {
        Some((pipeline.encode_prompts(&[""])?, request.guidance))
    };
    let texts = TextStates { prompts: pipeline.encode_prompts(request.prompts)?, guidance, group: request.per_prompt };
    let parts = slices(request.prompts.len() * request.per_prompt, members, request.micro_batch);
    let finished = AtomicUsize::new(0);
    let pictures = in_order(&parts, request.workers, |slice| {
        let samples: Vec<usize> = (0..members).flat_map(|_| slice.clone()).collect();
        let group = request.per_prompt;
        let keys: Vec<NoiseKey> =
            samples.iter().map(|s| request.key.with((s / group) as u64).with((s % group) as u64)).collect();
        let latents = sample(pipeline, bank, request.rules, &texts.conditions(&samples), &keys);
        progress((1 + finished.fetch_add(1, Ordering::Relaxed)) as f64 / parts.len() as f64);
        Ok::<_, TrainError>(pipeline.decode(latents))
    })?;
    let prompts: Vec<String> =
        request.prompts.iter().flat_map(|p| std::iter::repeat_n(p.clone(), request.per_prompt)).collect();
    let pictures = by_member(&pictures, members).into_iter();
    Ok(pictures.map(|pixels| Pictures::new(pixels, prompts.clone(), request.per_prompt)).collect::<Result<_, _>>()?)
}
