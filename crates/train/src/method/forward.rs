//! What methods of the forward process share: finished samples, noised again to random levels.

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_device::from_host;
use moa_diffusion::sampler::keyed_noise;
use moa_diffusion::{Conditions, NoiseLevel};

use super::policy_gradient::silent;
use super::shared_out;
use crate::TrainError;
use crate::epoch::{Epoch, RunScores};
use crate::factors::Factors;
use crate::rollout::Keep;
use crate::selection::{TrainingSlice, select};
use crate::spread::Spreads;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// The finished samples of an epoch that are trained on.
pub(super) struct Finished {
    pub(super) scores: RunScores,
    pub(super) metrics: Vec<EpochMetrics>,
    pub(super) slices: Vec<Arc<TrainingSlice>>,
}

/// Draws an epoch's pictures by some policy, scores them and chooses those to train on.
pub(super) fn finished(epoch: &Epoch<'_>, policy: &Factors, spreads: &mut Spreads) -> Result<Finished, TrainError> {
    let rules = epoch.world.sampler.rules();
    let keep = Keep { from: rules.len(), means: false };
    let (trajectories, scores) = epoch.draw_and_score(&epoch.world.bank(policy), rules, keep, spreads)?;
    let advantages = epoch.advantages(&scores, spreads, &|_| true);
    let training = &epoch.world.spec.training;
    let slices = select(&trajectories, &advantages, &training.advantages, training.micro_batch as usize);
    Ok(Finished { scores, metrics: silent(&advantages), slices: slices.into_iter().map(Arc::new).collect() })
}

/// A slice of finished samples, noised again: each row to a level of its own.
pub(super) struct NoisedSlice {
    pub(super) slice: Arc<TrainingSlice>,
    pub(super) conditions: Conditions,
    pub(super) noised: Noised,
}

impl NoisedSlice {
    /// Noises a slice for the `index`-th of `levels` levels: stratified over (0, 1), drawn anew for each picture and epoch.
    pub(super) fn new(epoch: &Epoch<'_>, slice: &Arc<TrainingSlice>, index: usize, levels: u32) -> Self {
        let world = epoch.world;
        let keys = epoch.keys(&format!("level-{index}"), &slice.samples);
        let level = |key: &moa_core::NoiseKey| {
            // Away from both ends: without noise there is nothing to learn, and without signal nothing to say of the sample.
            let share = (index as f64 + key.named("share").uniform(0)) / f64::from(levels);
            world.pipeline.schedule().level(share.clamp(0.02, 0.98))
        };
        let levels: Vec<NoiseLevel> = keys.iter().map(level).collect();
        Self {
            conditions: epoch.texts.conditions(&slice.samples),
            noised: Noised::new(&slice.latents[0], &keyed_noise(world.pipeline, &keys), &levels),
            slice: slice.clone(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.noised.timesteps.len()
    }
}

/// Samples with noise, and what a model should make of them.
pub(super) struct Noised {
    /// The noisy samples, `[rows, c, h, w]`.
    pub(super) x: Tensor<4>,
    /// What the model should have predicted, `[rows, c, h, w]`.
    pub(super) target: Tensor<4>,
    /// Factors of x and of the prediction in the clean sample, each `[rows, 1, 1, 1]`.
    clean: [Tensor<4>; 2],
    /// One per row.
    pub(super) timesteps: Vec<f32>,
}

impl Noised {
    /// Noises samples, `[rows, c, h, w]`, each to a level of its own.
    pub(super) fn new(sample: &Tensor<4>, noise: &Tensor<4>, levels: &[NoiseLevel]) -> Self {
        let of_row = |of: &dyn Fn(&NoiseLevel) -> f32| {
            let values: Vec<f32> = levels.iter().map(of).collect();
            from_host(values, [levels.len(), 1, 1, 1], &sample.device())
        };
        let mixed = |of: &dyn Fn(&NoiseLevel) -> [f32; 2]| {
            sample.clone() * of_row(&|level| of(level)[0]) + noise.clone() * of_row(&|level| of(level)[1])
        };
        Self {
            x: mixed(&|level| [level.signal, level.noise]),
            target: mixed(&|level| level.target),
            clean: [of_row(&|level| level.clean[0]), of_row(&|level| level.clean[1])],
            timesteps: levels.iter().map(|level| level.timestep).collect(),
        }
    }

    /// Returns the clean samples that predictions imply.
    pub(super) fn cleaned(&self, output: Tensor<4>) -> Tensor<4> {
        let [x, model] = self.clean.clone();
        self.x.clone() * x + output * model
    }
}

/// Returns for each update the levels that it trains.
pub(super) fn updates(levels: u32, updates: u32) -> Vec<Vec<usize>> {
    shared_out(&(0..levels as usize).collect::<Vec<_>>(), updates)
}

/// Returns what a row weighs in an update of so many levels: 1 / (pictures trained on · levels).
pub(super) fn weight(world: &World<'_>, epoch: &Epoch<'_>, levels: usize) -> f32 {
    1.0 / (world.spec.training.advantages.trained(epoch.samples()) * levels) as f32
}
