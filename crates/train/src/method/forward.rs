//! What methods of the forward process share: finished samples, noised again to random levels.

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_device::from_host;
use moa_diffusion::sampler::keyed_noise;
use moa_diffusion::{Conditions, NoiseLevel};

use super::policy_gradient::silent;
use super::{Gathered, Pass, mean_squares, shared_out};
use crate::batches::in_order;
use crate::epoch::{Epoch, RunScores};
use crate::factors::Factors;
use crate::rollout::{Keep, Trajectory};
use crate::selection::{Choice, TrainingSlice, chosen, select};
use crate::statistics::Statistics;
use crate::{Advantages, TrainError};

/// An epoch's images as they were drawn and scored.
pub(super) struct Drawn {
    pub(super) trajectories: Vec<Trajectory>,
    pub(super) scores: RunScores,
    pub(super) advantages: Vec<Advantages>,
}

impl Drawn {
    /// Draws an epoch's images by some policy and scores them.
    pub(super) fn new(epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Self, TrainError> {
        Self::kept_from(epoch, policy, statistics, epoch.world.sampler.rules().len())
    }

    /// Draws them and keeps every step on the way.
    pub(super) fn with_steps(
        epoch: &Epoch<'_>,
        policy: &Factors,
        statistics: &mut Statistics,
    ) -> Result<Self, TrainError> {
        Self::kept_from(epoch, policy, statistics, 0)
    }

    fn kept_from(
        epoch: &Epoch<'_>,
        policy: &Factors,
        statistics: &mut Statistics,
        from: usize,
    ) -> Result<Self, TrainError> {
        let rules = epoch.world.sampler.rules();
        let keep = Keep { from, means: false };
        let (trajectories, scores) = epoch.draw_and_score(&epoch.world.bank(policy), rules, keep, statistics)?;
        let advantages = epoch.advantages(&scores, statistics, &|_| true);
        Ok(Self { trajectories, scores, advantages })
    }

    /// Returns the slices of those with the largest advantages.
    pub(super) fn selected(&self, epoch: &Epoch<'_>) -> Vec<Conditioned> {
        let advantages = &epoch.world.spec.training.advantages;
        let micro_batch = epoch.world.micro_batch(advantages.trained(epoch.samples()) * self.advantages.len());
        conditioned(epoch, select(&self.trajectories, &self.advantages, advantages, micro_batch))
    }

    /// Returns the slices of those that were chosen, each `unit` of neighbours together.
    pub(super) fn chosen(&self, epoch: &Epoch<'_>, choices: &[Choice], unit: usize) -> Vec<Conditioned> {
        let micro_batch = epoch.world.micro_batch(choices.iter().map(|choice| choice.samples.len()).sum());
        conditioned(epoch, chosen(&self.trajectories, choices, unit, micro_batch))
    }

    /// Returns what was gathered, with the updates that it is trained in.
    pub(super) fn gathered(self, updates: Vec<Vec<Box<dyn Pass>>>) -> Gathered {
        Gathered { metrics: silent(&self.advantages), scores: self.scores, updates }
    }
}

/// A slice of samples with what they are conditioned on.
#[derive(Clone)]
pub(super) struct Conditioned {
    pub(super) slice: Arc<TrainingSlice>,
    pub(super) conditions: Conditions,
}

fn conditioned(epoch: &Epoch<'_>, slices: Vec<TrainingSlice>) -> Vec<Conditioned> {
    let with = |slice: TrainingSlice| {
        let conditions = epoch.texts.conditions(&slice.samples);
        Conditioned { slice: Arc::new(slice), conditions }
    };
    slices.into_iter().map(with).collect()
}

/// A slice of finished samples, noised again: each row to a level of its own.
pub(super) struct NoisedSlice {
    pub(super) slice: Arc<TrainingSlice>,
    pub(super) conditions: Conditions,
    pub(super) noised: Noised,
}

impl NoisedSlice {
    /// Noises a slice for the `index`-th of `levels` levels: stratified over (0, 1), new for each image and epoch. Each `unit` of
    /// neighbours has one level and one noise, those of its first.
    pub(super) fn new(
        epoch: &Epoch<'_>,
        Conditioned { slice, conditions }: &Conditioned,
        [index, levels]: [usize; 2],
        unit: usize,
    ) -> Self {
        let world = epoch.world;
        let firsts: Vec<usize> = slice.samples.chunks(unit).flat_map(|unit| vec![unit[0]; unit.len()]).collect();
        let keys = epoch.keys(&format!("level-{index}"), &firsts);
        let level = |key: &moa_core::NoiseKey| {
            // Away from both ends: without noise there is nothing to learn, and without signal nothing to say of the sample.
            let share = (index as f64 + key.named("share").uniform(0)) / levels as f64;
            world.pipeline.schedule().level(share.clamp(0.02, 0.98))
        };
        let levels: Vec<NoiseLevel> = keys.iter().map(level).collect();
        let noised = Noised::new(&slice.latents[0], &keyed_noise(world.pipeline, &keys), &levels);
        Self { conditions: conditions.clone(), noised, slice: slice.clone() }
    }

    pub(super) fn rows(&self) -> usize {
        self.noised.timesteps.len()
    }

    /// Returns the mean squared error of a prediction in each row, `[rows]`.
    pub(super) fn error(&self, output: Tensor<4>) -> Tensor<1> {
        mean_squares(output - self.noised.target.clone())
    }
}

/// Samples with noise, and what a model should make of them.
pub(crate) struct Noised {
    /// The noisy samples, `[rows, c, h, w]`.
    pub(crate) x: Tensor<4>,
    /// What the model should have predicted, `[rows, c, h, w]`.
    pub(crate) target: Tensor<4>,
    /// Factors of x and of the prediction in the clean sample, each `[rows, 1, 1, 1]`.
    clean: [Tensor<4>; 2],
    /// One per row.
    pub(crate) timesteps: Vec<f32>,
}

impl Noised {
    /// Noises samples, `[rows, c, h, w]`, each to a level of its own.
    pub(crate) fn new(sample: &Tensor<4>, noise: &Tensor<4>, levels: &[NoiseLevel]) -> Self {
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
    pub(crate) fn cleaned(&self, output: Tensor<4>) -> Tensor<4> {
        let [x, model] = self.clean.clone();
        self.x.clone() * x + output * model
    }
}

/// A pass over noised samples, as a method makes it: its rows, how many levels its update trains, and which update that is.
type Made<'a> = &'a (dyn Fn(NoisedSlice, usize, usize) -> Result<Box<dyn Pass>, TrainError> + Sync);

/// Returns the passes of an epoch's updates: each slice at every level.
///
/// - `levels`, `updates`: of the method's settings; `unit`: see [`NoisedSlice::new`]
pub(super) fn passes(
    epoch: &Epoch<'_>,
    slices: &[Conditioned],
    [levels, updates]: [u32; 2],
    unit: usize,
    made: Made<'_>,
) -> Result<Vec<Vec<Box<dyn Pass>>>, TrainError> {
    let all: Vec<usize> = (0..levels as usize).collect();
    let of_update = |(update, own): (usize, Vec<usize>)| {
        let pairs: Vec<_> = slices.iter().flat_map(|slice| own.iter().map(move |level| (slice, *level))).collect();
        in_order(&pairs, &epoch.world.workers, |(slice, level)| {
            made(NoisedSlice::new(epoch, slice, [*level, levels as usize], unit), own.len(), update)
        })
    };
    shared_out(&all, updates).into_iter().enumerate().map(of_update).collect()
}

/// Returns what a row weighs in an update of so many levels where the images with the largest advantages are trained on.
pub(super) fn weight(epoch: &Epoch<'_>, levels: usize) -> f32 {
    1.0 / (epoch.world.spec.training.advantages.trained(epoch.samples()) * levels) as f32
}
