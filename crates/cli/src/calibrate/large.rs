//! What the work costs with a large denoiser, by its parts: a trial of an epoch would take as long as the machine takes to draw and
//! train a handful of images, minutes on a CPU.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Distribution, Tensor};
use moa_core::NoiseKey;
use moa_core::experiment::CostModel;
use moa_device::{is_libtorch, to_host};
use moa_diffusion::sampler::keyed_noise;
use moa_diffusion::{Pipeline, TextContext};
use moa_reward::Pictures;
use moa_runner::Models;
use moa_train::targeted;

use super::load::{self, Watch};
use super::{Estimate, GROUP, Need, pixels, scoring, size};
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::memory::{self, Parts};

/// Passes forward that one pass in training takes as long as: one forward, one forward again, and one back through both. Measured
/// on two cores at Stable Diffusion 1.5's size: docs/decisions/015.
const TRAINING: f64 = 3.0;
/// By how much more LibTorch takes on the CPU to decode an image: its convolutions copy maps into an order of their own. Measured at
/// 512 × 512 with Stable Diffusion's autoencoder.
const LIBTORCHS_COPIES: f64 = 2.25;
/// A part of an image is decoded on trial: a square of its latents whose side is shorter by this factor.
const CUT: usize = 4;
/// Copies of an adapter that training holds: itself, its gradient, what workers sum, and the optimiser's two means.
const ADAPTER_COPIES: u64 = 5;

/// Measures the costs of an experiment's work with a large denoiser: one pass of a row on each thread, a part of an image
/// decoded, two images scored; `row` is what a row in training takes, in bytes.
///
/// # Errors
/// A prompt that cannot be read, a reward that fails, or targets that the denoiser has not.
pub(super) fn measure(
    experiment: &Experiment,
    models: &Models,
    device: &OpenDevice,
    row: u64,
    watch: &Watch,
) -> Result<Estimate, CliError> {
    let pipeline = &models.pipeline;
    let resident = memory::resident();
    let prompts: Vec<String> = experiment.prompts.held_out.iter().take(1).cloned().collect();
    let context = pipeline.encode_prompts(&prompts).map_err(|error| CliError::failure(error.to_string()))?;
    let seconds_per_forward = forward(pipeline, &context, device.workers);
    let seconds_per_scored_picture = decoding(pipeline, device.workers) + scoring(models, &drawn(pipeline, &prompts)?)?;
    let cost = CostModel {
        seconds_per_forward,
        seconds_per_training_pass: TRAINING * seconds_per_forward,
        seconds_per_scored_picture,
    };
    let adapters = experiment.plan.runs * adapter_bytes(experiment, pipeline)?;
    let size = size(experiment, models, device, pixels(pipeline));
    let host = resident.map(|resident| {
        let (copies, workers) =
            (if is_libtorch(&device.device) { LIBTORCHS_COPIES } else { 1.0 }, device.workers as u64);
        let picture = (pipeline.decoding_bytes() as f64 * copies) as u64;
        let bytes = Parts { resident, row, picture, workers, adapters }.predict(&size);
        Need { bytes, available: memory::available() }
    });
    let load = watch.end();
    Ok(Estimate { seconds: load::range(experiment.plan.seconds(&cost), load, device), load, host, gpu: None })
}

/// Returns the seconds of one row's pass, with one row on each thread.
fn forward(pipeline: &Pipeline, context: &TextContext, workers: usize) -> f64 {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                let x = keyed_noise(pipeline, &[NoiseKey::new(worker as u64)]);
                // Reading the values waits for a device that works beside the host.
                black_box(to_host(pipeline.denoise(x, &[500.0], context, None)));
            });
        }
    });
    began.elapsed().as_secs_f64() / workers as f64
}

/// Returns the seconds in which one image is decoded, with one on each thread, from those of a part of it.
fn decoding(pipeline: &Pipeline, workers: usize) -> f64 {
    let [channels, height, width] = pipeline.latent_shape();
    let [tall, wide] = [height, width].map(|side| (side / CUT).max(1));
    let latents = Tensor::random([workers, channels, tall, wide], Distribution::Default, pipeline.device());
    let decode = || {
        let began = Instant::now();
        black_box(to_host(pipeline.decode(latents.clone())));
        began.elapsed().as_secs_f64() / workers as f64
    };
    // The first call warms up.
    decode();
    decode() * (height * width) as f64 / (tall * wide) as f64
}

/// Returns images of the size that is drawn, of noise.
fn drawn(pipeline: &Pipeline, prompts: &[String]) -> Result<Pictures, CliError> {
    let [height, width] = pipeline.picture_size();
    let noise = Tensor::random([GROUP, 3, height, width], Distribution::Uniform(0.0, 1.0), pipeline.device());
    let prompts = prompts.iter().cycle().take(GROUP).cloned().collect();
    Pictures::new(noise, prompts, GROUP).map_err(|error| CliError::failure(error.to_string()))
}

/// Returns the bytes of all that training holds of one adapter.
fn adapter_bytes(experiment: &Experiment, pipeline: &Pipeline) -> Result<u64, CliError> {
    let lora = &experiment.spec.lora;
    let layers = targeted(pipeline.adaptable(), &lora.targets)?;
    let widths: usize = layers.iter().map(|layer| layer.d_in + layer.d_out).sum();
    Ok((widths * size_of::<f32>()) as u64 * u64::from(lora.rank) * ADAPTER_COPIES)
}
