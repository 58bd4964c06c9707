//! Drawing images for evaluation, grids and samples.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Blend, Conditions, Denoiser, Pipeline, StepRule};
use moa_reward::Pictures;

use crate::TrainError;
use crate::batches::{Workers, in_order, slices};
use crate::contexts::Contexts;
use crate::rollout::by_member;

/// Which images are drawn, and how.
pub struct DrawRequest<'a> {
    /// The prompts.
    pub prompts: &'a [String],
    /// Images of each prompt.
    pub per_prompt: usize,
    /// The sampler's steps.
    pub rules: &'a [StepRule],
    /// Strength of classifier-free guidance; 1 or less is none.
    pub guidance: f32,
    /// Names the noise: image `s` of prompt `p` starts from `key.with(p).with(s)`, whatever the adapter, so that
    /// images of different adapters are paired.
    pub key: NoiseKey,
    /// Rows of one pass through the denoiser.
    pub micro_batch: usize,
    /// Threads that draw.
    pub workers: &'a Workers,
    /// Set it to stop before the next slice of the images; nothing where drawing always goes to its end.
    pub stop: Option<&'a AtomicBool>,
}

/// Draws the images of every adapter of a bank (or of the base alone, without one): one batch for each.
///
/// `progress` is told the share that is finished, from any thread.
///
/// # Errors
/// Fails when a prompt cannot be tokenised, and with [`TrainError::Stopped`] when it was asked to stop.
pub fn draw(
    pipeline: &Pipeline,
    bank: Option<&AdapterBank>,
    request: &DrawRequest<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Pictures>, TrainError> {
    let members = bank.map_or(1, AdapterBank::members);
    let pixels = pixels(pipeline, bank.into(), [members, members], request, progress)?;
    by_member(&pixels, members).into_iter().map(|pixels| pictures(pixels, request)).collect()
}

/// Draws the images of a blend: one batch, at the cost of one for each of its adapters.
///
/// # Errors
/// Fails as [`draw`] does.
pub fn draw_blend(
    pipeline: &Pipeline,
    blend: &Blend,
    request: &DrawRequest<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Pictures, TrainError> {
    let pixels = pixels(pipeline, Denoiser::Blend(blend), [1, blend.members()], request, progress)?;
    pictures(Tensor::cat(pixels, 0), request)
}

/// Draws in slices, which each are `[members · slice, 3, height, width]`.
///
/// - `members`: how many images are drawn of each sample; `passes`: how many rows the denoiser sees of it
fn pixels(
    pipeline: &Pipeline,
    denoiser: Denoiser<'_>,
    [members, passes]: [usize; 2],
    request: &DrawRequest<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Tensor<4>>, TrainError> {
    let guidance = pipeline.guidance(request.guidance)?;
    let contexts = Contexts::new(pipeline, request.prompts)?;
    let parts = slices(request.prompts.len() * request.per_prompt, passes, request.micro_batch);
    let finished = AtomicUsize::new(0);
    in_order(&parts, request.workers, |slice| {
        if request.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(TrainError::Stopped);
        }
        let samples: Vec<usize> = (0..members).flat_map(|_| slice.clone()).collect();
        let group = request.per_prompt;
        let keys: Vec<NoiseKey> =
            samples.iter().map(|s| request.key.with((s / group) as u64).with((s % group) as u64)).collect();
        let prompts: Vec<usize> = samples.iter().map(|sample| sample / group).collect();
        let conditions = Conditions { context: contexts.select(&prompts)?, guidance: guidance.clone() };
        let latents = sample(pipeline, denoiser, request.rules, &conditions, &keys);
        progress((1 + finished.fetch_add(1, Ordering::Relaxed)) as f64 / parts.len() as f64);
        Ok(pipeline.decode(latents))
    })
}

/// Returns drawn pixels with their prompts.
fn pictures(pixels: Tensor<4>, request: &DrawRequest<'_>) -> Result<Pictures, TrainError> {
    let prompts = request.prompts.iter().flat_map(|p| std::iter::repeat_n(p.clone(), request.per_prompt)).collect();
    Ok(Pictures::new(pixels, prompts, request.per_prompt)?)
}
