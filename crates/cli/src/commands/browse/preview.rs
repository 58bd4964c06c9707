//! Images of a soup while its slider moves: few steps first, then all; given up as soon as the slider moves on.

use std::path::Path;

use burn::tensor::Tensor;
use moa_adapter::Merge;
use moa_core::NoiseKey;
use moa_diffusion::sampler::{Next, keyed_noise, step};
use moa_diffusion::{Adapted, Conditions, Pipeline};
use moa_runner::SoupBench;
use moa_tui::{Reply, Rgb};

use super::bench::{Opener, Ready};
use crate::error::CliError;
use crate::pictures::rgb;

/// Prompts that are drawn.
const PROMPTS: usize = 8;
/// Steps of the first, coarse images.
const COARSE: usize = 2;

/// Draws a soup's images twice. `still` says whether they are still wanted, and is asked before every step.
///
/// The noise is that of the evaluation, so that the images are the same prompts' and noise's as the base's beside them.
///
/// # Errors
/// Says which adapter is missing or damaged.
pub(super) fn draw(
    opener: &Opener,
    root: &Path,
    shares: &[f64],
    still: &dyn Fn() -> bool,
    say: &dyn Fn(Reply),
) -> Result<(), CliError> {
    let ready = opener.open(root)?;
    let Ready { experiment, models, corners, request } = &*ready;
    if !still() {
        return Ok(());
    }
    let bench = SoupBench::open(request.clone(), models, corners, Merge::default())?;
    let (adapter, _) = bench.merge(shares)?;
    let adapted = models.pipeline.adapted(Some(&adapter));
    let adapted = adapted.map_err(|error| CliError::failure(format!("failed to apply the soup: {error}")))?;
    let Adapted { pipeline, bank } = &adapted;
    let evaluation = &experiment.spec.evaluation;
    let prompts: Vec<String> = experiment.prompts.held_out.iter().take(PROMPTS).cloned().collect();
    let key = NoiseKey::new(evaluation.seed).named("evaluation");
    let keys: Vec<NoiseKey> = (0..prompts.len() as u64).map(|prompt| key.with(prompt).with(0)).collect();
    let conditions = conditions(pipeline, &prompts, evaluation.guidance)?;
    let fine = evaluation.steps as usize;
    for (steps, coarse) in [(COARSE, true), (fine, false)] {
        if coarse && fine <= COARSE {
            continue;
        }
        let mut x = keyed_noise(pipeline, &keys);
        for (index, rule) in pipeline.schedule().evaluation(steps).iter().enumerate() {
            if !still() {
                return Ok(());
            }
            let own: Vec<NoiseKey> = keys.iter().map(|key| key.with(1 + index as u64)).collect();
            let noise = || keyed_noise(pipeline, &own);
            x = step(pipeline, bank.as_ref(), rule, x, &conditions, None, Next::Draw(&noise)).next;
        }
        let pictures = pictures(pipeline, x, &prompts)?;
        say(Reply::Preview { root: root.to_path_buf(), shares: shares.to_vec(), pictures, coarse });
    }
    Ok(())
}

fn conditions(pipeline: &Pipeline, prompts: &[String], strength: f32) -> Result<Conditions, CliError> {
    let failed = |error: moa_diffusion::ConfigError| CliError::failure(format!("failed to read a prompt: {error}"));
    let context = pipeline.encode_prompts(prompts).map_err(failed)?;
    let guidance = pipeline.guidance(strength).map_err(failed)?;
    Ok(Conditions { context, guidance })
}

fn pictures(pipeline: &Pipeline, latents: Tensor<4>, prompts: &[String]) -> Result<Vec<Rgb>, CliError> {
    let pictures = moa_reward::Pictures::new(pipeline.decode(latents), prompts.to_vec(), 1)?;
    Ok(rgb(&pictures).into_iter().filter_map(shared).collect())
}

/// Returns an image in the UI's form.
pub(super) fn shared(picture: moa_plot::RgbPicture) -> Option<Rgb> {
    Rgb::new(picture.width, picture.height, picture.pixels)
}
