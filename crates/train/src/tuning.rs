//! Fine-tuning of a finished adapter on what the base draws: what a user does who teaches an adapter something else, with no harm in mind.

use moa_adapter::{Adapter, AdapterBank};
use moa_core::NoiseKey;
use moa_core::experiment::OptimiserSpec;
use moa_diffusion::sampler::{keyed_noise, predict, sample};
use moa_diffusion::{Conditions, NoiseLevel, Pipeline, StepRule};
use moa_optimiser::AdamW;

use crate::TrainError;
use crate::factors::{Factors, clipped, leaves, member_squares, trained, with_factors};
use crate::method::Noised;

/// On what an adapter is fine-tuned, and for how long.
pub struct Tuning<'a> {
    /// The prompts.
    pub prompts: &'a [String],
    /// Steps of AdamW, each on eight images.
    pub steps: u32,
    /// Their size.
    pub rate: f64,
    /// The steps by which the base draws its images.
    pub rules: &'a [StepRule],
    /// Strength of its guidance; 1 or less is none.
    pub guidance: f32,
    /// Names all noise.
    pub key: NoiseKey,
}

/// Images of a step.
const ROWS: usize = 8;
/// Most images that the base draws.
const IMAGES: usize = 64;
/// The bound on the gradient's norm.
const MOST_NORM: f64 = 1.0;

/// Returns an adapter after some steps of the denoising loss on images that the base draws of prompts, both of its factors trained.
///
/// # Errors
/// Fails when a prompt cannot be tokenised, and where the adapter does not fit the model.
pub fn tuned(pipeline: &Pipeline, adapter: &Adapter, tuning: &Tuning<'_>) -> Result<Adapter, TrainError> {
    let bank = AdapterBank::of(&[adapter], pipeline.device()).ok_or(TrainError::Start)?;
    if tuning.prompts.is_empty() || tuning.steps == 0 {
        return Ok(bank.adapter(0));
    }
    let contexts = pipeline.encode_prompts(tuning.prompts)?;
    let order = tuning.key.named("prompts").permutation(tuning.prompts.len());
    let shown: Vec<usize> = (0..IMAGES).map(|place| order[place % order.len()]).collect();
    let guidance = pipeline.guidance(tuning.guidance)?;
    let mut images = Vec::new();
    for (place, rows) in shown.chunks(ROWS).enumerate() {
        let keys: Vec<NoiseKey> =
            (0..rows.len()).map(|row| tuning.key.named("image").with((place * ROWS + row) as u64)).collect();
        let conditions = Conditions { context: contexts.select(rows), guidance: guidance.clone() };
        images.push(sample(pipeline, None, tuning.rules, &conditions, &keys));
    }
    let mut factors = trained(&bank, false);
    let mut adamw = AdamW::new(&OptimiserSpec::default());
    for step in 0..tuning.steps as usize {
        let (place, key) = (step % images.len(), tuning.key.named("level").with(step as u64));
        let rows = &shown[place * ROWS..][..ROWS.min(shown.len() - place * ROWS)];
        let keys: Vec<NoiseKey> = (0..rows.len()).map(|row| key.with(row as u64)).collect();
        let level = |key: &NoiseKey| pipeline.schedule().level(key.named("share").uniform(0).clamp(0.02, 0.98));
        let levels: Vec<NoiseLevel> = keys.iter().map(level).collect();
        let noised = Noised::new(&images[place], &keyed_noise(pipeline, &keys), &levels);
        let own = leaves(&factors);
        let conditions = Conditions { context: contexts.select(rows), guidance: None };
        let output =
            predict(pipeline, Some(&with_factors(&bank, &own)), noised.x.clone(), &noised.timesteps, &conditions);
        let mut found = (output - noised.target.clone()).powi_scalar(2).mean().backward();
        let gradients: Factors = own
            .into_iter()
            .filter_map(|(name, leaf)| leaf.grad_remove(&mut found).map(|gradient| (name, gradient)))
            .collect();
        let norms = member_squares(&gradients).map_or_else(Vec::new, moa_device::to_host);
        let norms: Vec<f64> = norms.into_iter().map(|square| f64::from(square).sqrt()).collect();
        adamw.step(tuning.rate, &mut factors, clipped(gradients, &norms, MOST_NORM));
    }
    Ok(with_factors(&bank, &factors).adapter(0))
}
