//! The built-in models as a sweep uses them.

use moa_core::NoiseKey;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_device::to_host;
use moa_diffusion::sampler::{keyed_noise, sample};
use moa_diffusion::{Compute, Conditions, Denoiser};
use moa_reward::{Pictures, Scorer};

use super::{Check, Depth};
use crate::{BaseModel, ZooError, open_pipeline, scorer};

const PROMPTS: [&str; 2] = ["a red apple on a blue background", "a cat left of a dog on a white background"];
/// Images of each prompt.
const GROUP: usize = 2;

/// Returns images that the CPU draws, on the device: what is scored is the same everywhere.
fn pictures(compute: &Compute) -> Result<Pictures, ZooError> {
    let host = Compute { engine: true, ..Compute::from(&burn::tensor::Device::flex()) };
    let values = drawn(&host)?;
    let pixels = moa_device::from_host(values, [PROMPTS.len() * GROUP, 3, 32, 32], &compute.device);
    let prompts = PROMPTS.iter().flat_map(|prompt| std::iter::repeat_n((*prompt).to_owned(), GROUP)).collect();
    Ok(Pictures::new(pixels, prompts, GROUP)?)
}

/// Draws images in six steps.
fn drawn(compute: &Compute) -> Result<Vec<f32>, ZooError> {
    let pipeline = open_pipeline(compute)?;
    let context = pipeline.encode_prompts(&PROMPTS).map_err(|error| ZooError::Pipeline(error.into()))?;
    let conditions = Conditions { context: context.select(&[0, 0, 1, 1]), guidance: None };
    let keys: Vec<NoiseKey> = (0..(PROMPTS.len() * GROUP) as u64).map(|row| NoiseKey::new(3).with(row)).collect();
    let samples = sample(&pipeline, Denoiser::Base, &pipeline.schedule().deterministic(6), &conditions, &keys);
    Ok(to_host(pipeline.decode(samples)))
}

fn rewards(compute: &Compute) -> Result<Scorer, ZooError> {
    let kinds = [
        RewardKind::Aesthetics,
        RewardKind::Alignment,
        RewardKind::Safety,
        RewardKind::Diversity,
        RewardKind::Colourfulness,
    ];
    let specs: Vec<RewardSpec> = kinds.map(RewardSpec::from).to_vec();
    scorer(&BaseModel::embedded(), &specs, GROUP, None, &compute.device)
}

/// Returns the checks of the built-in models.
pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("emoji-32, one pass", Depth::Network, |compute| {
            let pipeline = open_pipeline(compute)?;
            let context = pipeline.encode_prompts(&PROMPTS).map_err(|error| ZooError::Pipeline(error.into()))?;
            let x = keyed_noise(&pipeline, &[NoiseKey::new(1), NoiseKey::new(2)]);
            Ok(to_host(pipeline.denoise(x, &[800.0, 400.0], &context, None)))
        }),
        Check::new("emoji-32, images in six steps", Depth::Gradient, drawn),
        Check::new("rewards and judges", Depth::Network, |compute| {
            let (scorer, pictures) = (rewards(compute)?, pictures(compute)?);
            let judged = scorer.judge(&pictures)?.into_iter().flat_map(|column| column.scores.into_iter().flatten());
            Ok(scorer.score(&pictures)?.columns.concat().into_iter().chain(judged).collect())
        }),
        Check::new("gradient of rewards", Depth::Gradient, |compute| {
            let (scorer, pictures) = (rewards(compute)?, pictures(compute)?);
            Ok(to_host(scorer.gradient(&pictures, &[1.0, 1.0, 1.0, 1.0, 0.1])?))
        }),
    ]
}
