//! What the parts of the work cost on this device, by trying each for a moment.

mod large;
mod load;

use std::hint::black_box;
use std::time::{Duration, Instant};

use moa_core::experiment::{CostModel, Passes, is_guided};
use moa_core::{NoiseKey, RunId, Weighting};
use moa_diffusion::Pipeline;
use moa_reward::Pictures;
use moa_runner::Models;
use moa_train::{Cohort, DrawRequest, TrainerSetup, Workers, draw};

use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::memory::{self, Size, Trial};

pub(crate) use load::Load;
use load::Watch;

/// The longest that one part is tried once it has warmed up.
const PATIENCE: Duration = Duration::from_millis(300);
/// Rows of a pass on trial: larger ones take longer and cost the same for each row.
const MICRO_BATCH: u32 = 16;
/// Runs that are trained on trial; more of them only make batches of the same size.
const MOST_RUNS: usize = 8;
/// Images of a prompt on trial: rewards compare images of a prompt.
const GROUP: usize = 2;
/// Steps of a trial's sampler, one of which is trained.
const STEPS: usize = 2;

/// What an experiment will take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    /// The least and the most time of the whole sweep, in seconds: on a machine that does nothing else, and with as much else as now.
    pub(crate) seconds: [f64; 2],
    /// How busy the machine was meanwhile; `None` where the system does not tell.
    pub(crate) load: Option<Load>,
    /// Most of the host's memory; `None` where the system does not tell.
    pub(crate) host: Option<Need>,
    /// Most of the GPU's memory; `None` on the CPU, and where the driver does not tell.
    pub(crate) gpu: Option<Need>,
}

/// How much memory a sweep needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// The least and the most that it may come to hold, in bytes.
    pub(crate) bytes: [u64; 2],
    /// What this process could hold, in bytes; `None` where the system does not report it.
    pub(crate) available: Option<u64>,
}

/// Measures the costs of an experiment's work. Takes a second or two with the embedded model, and with a large one what a pass of
/// its denoiser takes.
///
/// # Errors
/// What stops the sweep would stop this: a sampler or layers that do not fit the base model, a prompt that cannot be read.
pub(crate) fn measure(experiment: &Experiment, models: &Models, device: &OpenDevice) -> Result<Estimate, CliError> {
    let watch = Watch::begin();
    // On a GPU even a large model's epoch is tried in seconds.
    if let Some(row) = models.pipeline.training_bytes().filter(|_| device.is_host()) {
        return large::measure(experiment, models, device, row, &watch);
    }
    let whole = experiment;
    let mut experiment = experiment.clone();
    let micro_batch = &mut experiment.spec.training.micro_batch;
    *micro_batch = (*micro_batch).min(MICRO_BATCH);
    // One micro-batch for each thread: all are busy, as in the sweep.
    let rows = *micro_batch as usize * device.workers;
    let experiment = &experiment;
    let (pictures, seconds_per_forward) = forward(experiment, models, device, rows)?;
    let seconds_per_scored_picture = scoring(models, &pictures)?;
    let held = || if device.is_host() { memory::peak() } else { memory::of_gpu() };
    let before = held();
    let (epoch, passes) = epoch(experiment, models, device, rows)?;
    let trial = before.zip(held()).map(|(before, after)| Trial { before, after, rows: rows as u64 });
    let guided = if is_guided(experiment.spec.sampler.guidance) { 2.0 } else { 1.0 };
    let forward = (passes.rollout + passes.reference) * seconds_per_forward;
    let seconds_per_training_pass = ((epoch - seconds_per_scored_picture) / guided - forward) / passes.training;
    let cost = CostModel {
        seconds_per_forward,
        // A backward pass costs at least as much as a forward one; clocks of shared machines may say otherwise.
        seconds_per_training_pass: seconds_per_training_pass.max(2.0 * seconds_per_forward),
        seconds_per_scored_picture,
    };
    let load = watch.end();
    let seconds = load::range(whole.plan.seconds(&cost), load, device);
    let size = size(whole, models, device, pixels(&models.pipeline));
    if device.is_host() {
        let host = trial.map(|trial| Need { bytes: trial.predict(&size), available: memory::available() });
        return Ok(Estimate { seconds, load, host, gpu: None });
    }
    let host = memory::peak().map(|peak| peak + size.on_host());
    let host = host.map(|bytes| Need { bytes: memory::range(bytes), available: memory::available() });
    let gpu = trial.map(|trial| memory::range(trial.predict_on_gpu(&size)));
    let gpu = gpu.map(|bytes| Need { bytes, available: memory::available_on_gpu() });
    Ok(Estimate { seconds, load, host, gpu })
}

/// Returns the values of an image.
fn pixels(pipeline: &Pipeline) -> u64 {
    pipeline.picture_size().iter().map(|side| *side as u64).product::<u64>() * 3
}

/// Returns what of an experiment takes memory; `pixels` are the values of an image.
fn size(experiment: &Experiment, models: &Models, device: &OpenDevice, pixels: u64) -> Size {
    let training = &experiment.spec.training;
    // Each thread trains a run.
    let at_once = experiment.plan.runs.min(device.workers as u64);
    let pictures = u64::from(training.prompts_per_epoch) * u64::from(training.images_per_prompt);
    let least = u64::from(training.method.unit(&experiment.spec));
    let trained = training.advantages.trained(pictures as usize) as u64;
    Size {
        rows: at_once * trained.min(u64::from(training.micro_batch).max(least)),
        samples: at_once * pictures * u64::from(experiment.spec.sampler.steps + 1),
        dims: models.pipeline.latent_dims() as u64,
        pictures: experiment.plan.evaluation_pictures,
        pictures_at_once: experiment.pictures_at_once(),
        pixels,
    }
}

/// Returns some images, and the seconds of one of their passes.
fn forward(
    experiment: &Experiment,
    models: &Models,
    device: &OpenDevice,
    rows: usize,
) -> Result<(Pictures, f64), CliError> {
    let prompts: Vec<String> = experiment.prompts.held_out.iter().cycle().take(rows.div_ceil(GROUP)).cloned().collect();
    let rules = models.pipeline.schedule().deterministic(STEPS);
    let request = DrawRequest {
        prompts: &prompts,
        per_prompt: GROUP,
        rules: &rules,
        guidance: 1.0,
        key: NoiseKey::new(0),
        micro_batch: experiment.spec.training.micro_batch as usize,
        workers: &Workers::new(device.workers),
        stop: None,
    };
    let mut pictures = Vec::new();
    let seconds = seconds(|| {
        pictures = draw(&models.pipeline, None, &request, &|_| {})?;
        Ok(())
    })?;
    let pictures = pictures.into_iter().next().ok_or_else(|| CliError::failure("the base model draws nothing"))?;
    let passes = pictures.len() * STEPS;
    Ok((pictures, seconds / passes as f64))
}

/// Returns the seconds in which one image is scored and judged.
fn scoring(models: &Models, pictures: &Pictures) -> Result<f64, CliError> {
    let seconds = seconds(|| {
        black_box(models.scorer.score(pictures)?);
        black_box(models.scorer.judge(pictures)?);
        Ok(())
    })?;
    Ok(seconds / pictures.len() as f64)
}

/// Returns the seconds of an epoch of the shortest kind, per image, and its passes: drawn in two steps, scored, trained as little as
/// the method can.
fn epoch(
    experiment: &Experiment,
    models: &Models,
    device: &OpenDevice,
    rows: usize,
) -> Result<(f64, Passes), CliError> {
    let mut spec = experiment.spec.clone();
    let runs: Vec<(RunId, Weighting)> = spec.weightings().into_iter().take(MOST_RUNS).collect();
    if runs.is_empty() {
        // Given adapters alone: nothing is trained.
        return Ok((0.0, spec.training.method.passes(&spec)));
    }
    let prompts = rows.div_ceil(GROUP * runs.len()).clamp(1, experiment.prompts.train.len());
    spec.sampler.steps = STEPS as u32;
    spec.training.method = spec.training.method.smallest();
    spec.training.advantages.trained_share = 1.0;
    spec.training.probe.every = 0;
    // As many as there is patience for.
    spec.training.epochs = u32::MAX;
    spec.training.prompts_per_epoch = prompts as u32;
    spec.training.images_per_prompt = GROUP as u32;
    let setup = TrainerSetup {
        pipeline: &models.pipeline,
        scorer: &models.scorer,
        prompts: &experiment.prompts.train,
        held_out: &experiment.prompts.held_out,
        preferences: None,
        spec: &spec,
        runs: &runs,
        starts: None,
        continued: None,
        workers: device.workers,
        overlaps: false,
    };
    let mut cohort = Cohort::new(setup)?;
    let seconds = seconds(|| match cohort.epoch(&|_| {}).failures.pop() {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    })?;
    let mut passes = spec.training.method.passes(&spec);
    let tied = runs.iter().filter(|(_, weighting)| spec.kl(weighting) > 0.0).count() as f64 / runs.len() as f64;
    passes.reference += passes.base.max(tied * passes.training);
    Ok((seconds / (runs.len() * prompts * GROUP) as f64, passes))
}

/// A first call that takes so long is not made again.
const LONG: Duration = Duration::from_secs(5);

/// Returns the seconds of one call: the fastest of several, the first of which warms up and does not count unless it takes long.
fn seconds(mut call: impl FnMut() -> Result<(), CliError>) -> Result<f64, CliError> {
    let began = Instant::now();
    call()?;
    if began.elapsed() > LONG {
        return Ok(began.elapsed().as_secs_f64());
    }
    let mut fastest = f64::INFINITY;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let call_began = Instant::now();
        call()?;
        fastest = fastest.min(call_began.elapsed().as_secs_f64());
    }
    Ok(fastest)
}
