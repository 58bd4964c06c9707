//! One epoch: its prompts, the names of its noise, and how pictures are drawn and scored in it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_core::experiment::Spread;
use moa_diffusion::StepRule;
use moa_reward::Pictures;

use crate::batches::{in_order, slices};
use crate::rollout::{Keep, TextStates, Trajectory, by_member, roll_out};
use crate::spread::Spreads;
use crate::world::World;
use crate::{Advantages, TrainError, advantages};

/// The scores of every run: `[run][reward][picture]`.
pub(crate) type RunScores = Vec<Vec<Vec<f32>>>;

/// An epoch as it goes on.
pub(crate) struct Epoch<'a> {
    pub(crate) world: &'a World<'a>,
    /// Counted from 1.
    pub(crate) number: u32,
    /// Which of the training prompts.
    pub(crate) prompts: Vec<usize>,
    /// What pictures are conditioned on.
    pub(crate) texts: TextStates,
    pub(crate) meter: &'a Meter<'a>,
}

impl<'a> Epoch<'a> {
    /// Chooses the epoch's prompts: a seeded shuffle of the training prompts, walked through before it is redrawn.
    pub(crate) fn choose(world: &'a World<'a>, number: u32, meter: &'a Meter<'a>) -> Self {
        let (count, wanted) = (world.prompts.len(), world.spec.training.prompts_per_epoch as usize);
        let key = world.key("prompts");
        let first = (number as usize - 1) * wanted;
        let prompts: Vec<usize> = (first..first + wanted)
            .map(|position| key.with((position / count) as u64).permutation(count)[position % count])
            .collect();
        let texts = world.texts(&prompts);
        Self { world, number, prompts, texts, meter }
    }

    /// Returns how many pictures each run draws.
    pub(crate) fn samples(&self) -> usize {
        self.prompts.len() * self.texts.group
    }

    /// Returns the slices of the pictures that pass through the denoiser together.
    pub(crate) fn slices(&self) -> Vec<Range<usize>> {
        slices(self.samples(), self.world.members(), self.world.spec.training.micro_batch as usize)
    }

    /// Returns a number of the epoch below a count, the same for all runs.
    pub(crate) fn below(&self, name: &str, count: usize) -> usize {
        self.world.key(name).with(u64::from(self.number)).below(0, count)
    }

    /// Returns the keys of the noise of a kind for rows, `samples[row]` of the run that the row belongs to.
    pub(crate) fn keys(&self, name: &str, samples: &[usize]) -> Vec<NoiseKey> {
        let (world, group) = (self.world, self.texts.group);
        let share = samples.len() / world.members();
        let key = |(row, sample): (usize, &usize)| {
            let run = world.runs[row / share].0.as_str();
            let key = world.key(name).named(run).with(u64::from(self.number));
            key.with((sample / group) as u64).with((sample % group) as u64)
        };
        samples.iter().enumerate().map(key).collect()
    }

    /// Returns which sample each row of a slice is, for all runs.
    pub(crate) fn rows(&self, slice: &Range<usize>) -> Vec<usize> {
        (0..self.world.members()).flat_map(|_| slice.clone()).collect()
    }

    /// Draws the epoch's pictures: a trajectory for each slice.
    pub(crate) fn roll_out(
        &self,
        bank: &AdapterBank,
        rules: &[StepRule],
        keep: Keep,
    ) -> Result<Vec<Trajectory>, TrainError> {
        in_order(&self.slices(), self.world.workers, |slice| {
            let rows = self.rows(slice);
            let keys = self.keys("rollout", &rows);
            let trajectory = roll_out(self.world.pipeline, bank, rules, &self.texts, slice, &keys, keep);
            self.meter.forward(rows.len() * rules.len());
            Ok(trajectory)
        })
    }

    /// Returns the pictures of finished samples, one tensor per slice, by run.
    pub(crate) fn pictures(&self, samples: &[Tensor<4>]) -> Result<Vec<Pictures>, TrainError> {
        let world = self.world;
        let decode = |latents: &Tensor<4>| Ok::<_, TrainError>(world.pipeline.decode(latents.clone()));
        let pixels = in_order(samples, world.workers, decode)?;
        let group = self.texts.group;
        let prompts: Vec<String> =
            self.prompts.iter().flat_map(|p| std::iter::repeat_n(world.prompts[*p].clone(), group)).collect();
        let of_run = |pixels| Pictures::new(pixels, prompts.clone(), group).map_err(TrainError::from);
        by_member(&pixels, world.members()).into_iter().map(of_run).collect()
    }

    /// Returns the scores of every run, and takes their spread in.
    pub(crate) fn score(&self, pictures: &[Pictures], spreads: &mut Spreads) -> Result<RunScores, TrainError> {
        let world = self.world;
        let score = |pictures: &Pictures| Ok::<_, TrainError>(world.scorer.score(pictures)?.columns);
        let scores = in_order(pictures, world.workers, score)?;
        let decay = match world.spec.training.advantages.spread {
            Spread::Running { decay } => decay,
            Spread::Group => GRADIENT_DECAY,
        };
        spreads.follow(&scores, self.texts.group, decay);
        Ok(scores)
    }

    /// Returns the advantages of every run's pictures, for the parts of its objective that `counts` lets through.
    pub(crate) fn advantages(
        &self,
        scores: &RunScores,
        spreads: &Spreads,
        counts: &dyn Fn(usize) -> bool,
    ) -> Vec<Advantages> {
        let spec = self.world.spec;
        let settings = spec.training.advantages;
        let of_run = |run: usize| {
            let objective = self.world.objective(run).into_iter().enumerate();
            let shares: Vec<f64> =
                objective.map(|(reward, share)| share * f64::from(u8::from(counts(reward)))).collect();
            let running = matches!(settings.spread, Spread::Running { .. }).then(|| spreads.of(run));
            advantages(&scores[run], &shares, running.as_deref(), self.texts.group, spec.combine, settings.clip)
        };
        (0..self.world.members()).map(of_run).collect()
    }
}

/// Decay per epoch of the spreads by which rewards' gradients are divided, where the experiment names none.
const GRADIENT_DECAY: f64 = 0.9;

/// Counts work as it is done: a pass forward of one row is one unit, forward and backward three.
pub(crate) struct Meter<'a> {
    total: f64,
    done: AtomicU64,
    progress: &'a (dyn Fn(f64) + Sync),
}

/// What a pass forward and backward takes, in passes forward.
pub(crate) const TRAINING: usize = 3;

impl<'a> Meter<'a> {
    /// Returns a meter that expects so many units and tells `progress` the share that is done.
    pub(crate) fn new(total: f64, progress: &'a (dyn Fn(f64) + Sync)) -> Self {
        Self { total, done: AtomicU64::new(0), progress }
    }

    /// Counts rows that passed forward.
    pub(crate) fn forward(&self, rows: usize) {
        let done = self.done.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        (self.progress)((done as f64 / self.total.max(1.0)).min(1.0));
    }

    /// Counts rows that passed forward and backward.
    pub(crate) fn trained(&self, rows: usize) {
        self.forward(TRAINING * rows);
    }
}
