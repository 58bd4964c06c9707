//! One epoch: its prompts, the names of its noise, and how images are drawn and scored in it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_core::experiment::{Spread, Tie};
use moa_diffusion::StepRule;
use moa_reward::Pictures;

use crate::TrainError;
use crate::advantages::{Advantages, Against, advantages};
use crate::batches::{in_order, slices};
use crate::clock::{Clock, Part};
use crate::rollout::{Keep, TextStates, Trajectory, by_member, finished, roll_out, samples_of};
use crate::statistics::Statistics;
use crate::steering::Steering;
use crate::world::World;

/// The scores of every run: `[run][reward][picture]`.
pub(crate) type RunScores = Vec<Vec<Vec<f32>>>;

/// The state of an epoch.
pub(crate) struct Epoch<'a> {
    pub(crate) world: &'a World<'a>,
    /// Counted from 1.
    pub(crate) number: u32,
    /// Which of the training prompts.
    pub(crate) prompts: Vec<usize>,
    /// How many of them, the last ones, are earlier phases'.
    replayed: usize,
    /// What each run maximises, in the rewards' order.
    objectives: Vec<Vec<f64>>,
    /// What images are conditioned on.
    pub(crate) texts: TextStates,
    pub(crate) meter: &'a Meter<'a>,
    pub(crate) clock: &'a Clock,
}

impl<'a> Epoch<'a> {
    /// Chooses the epoch's prompts: a seeded shuffle of the training prompts, walked through before it is redrawn; another of earlier phases'
    /// prompts, of which there are as many as the share of replay says over the epochs; what arrived online in the place of some, and what an
    /// adversary found in the place of some.
    ///
    /// - `steering`: how the runs' rewards stand, which says what they maximise
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn choose(
        world: &'a World<'a>,
        number: u32,
        steering: &Steering,
        meter: &'a Meter<'a>,
        clock: &'a Clock,
    ) -> Result<Self, TrainError> {
        let wanted = world.spec.training.prompts_per_epoch as usize;
        let (replayed, before) = (world.replayed, number as usize - 1);
        let own = world.prompts.len() - replayed;
        let share = if replayed > 0 { world.spec.continual.replay } else { 0.0 };
        // Replayed in so many epochs.
        let returns = |epochs: usize| (epochs as f64 * wanted as f64 * share) as usize;
        let walk = |name: &str, from: usize, to: usize, count: usize| {
            let key = world.key(name);
            let at = move |position: usize| key.with((position / count) as u64).permutation(count)[position % count];
            (from..to).map(at)
        };
        let first = before * wanted - returns(before);
        let own_prompts = walk("prompts", first, number as usize * wanted - returns(number as usize), own);
        let earlier = walk("replay", returns(before), returns(number as usize), replayed).map(|place| own + place);
        let mut prompts: Vec<usize> = own_prompts.chain(earlier).collect();
        if let Some(online) = &world.spec.online {
            let arrived = world.arrived_by(number);
            let key = world.key("arrivals").with(u64::from(number));
            for (slot, prompt) in prompts.iter_mut().enumerate().filter(|_| !arrived.is_empty()) {
                let key = key.with(slot as u64);
                if key.uniform(0) < online.share {
                    *prompt = arrived[key.below(1, arrived.len())];
                }
            }
        }
        let texts = match (&world.adversaries, &world.spec.adversary) {
            (Some(found), Some(spec)) => {
                // What is replayed of earlier phases stays.
                let own = prompts.len() - (returns(number as usize) - returns(before));
                let context = found.join(
                    &world.texts(&prompts)?.prompts,
                    world.key("adversary").with(u64::from(number)),
                    spec.share,
                    &mut prompts,
                    own,
                );
                TextStates { prompts: context, ..world.texts(&prompts)? }
            }
            _ => world.texts(&prompts)?,
        };
        let runs = world.runs.iter().enumerate();
        let objectives = runs.map(|(run, (_, weighting))| steering.objective(world.spec, weighting, run)).collect();
        let replayed = returns(number as usize) - returns(before);
        Ok(Self { world, number, prompts, replayed, objectives, texts, meter, clock })
    }

    /// Returns what a run maximises, in the rewards' order.
    pub(crate) fn objective(&self, run: usize) -> &[f64] {
        &self.objectives[run]
    }

    /// Returns how many of the epoch's prompts, the last ones, are earlier phases' whose images are only tied to the adapter of the phase before.
    fn rehearsed(&self) -> usize {
        if self.world.spec.continual.tie == Tie::Last { self.replayed } else { 0 }
    }

    /// Returns what images of a run would have, one after the other, with 0 for those that are not rewarded.
    ///
    /// # Shapes
    /// - `values`: `[images, …]`
    pub(crate) fn without_rehearsed(&self, values: Tensor<4>) -> Tensor<4> {
        let [images, channels, height, width] = values.dims();
        let none = self.rehearsed() * self.texts.group;
        if none == 0 {
            return values;
        }
        let kept = values.narrow(0, 0, images - none);
        let zeros = Tensor::zeros([none, channels, height, width], &kept.device());
        Tensor::cat(vec![kept, zeros], 0)
    }

    /// Returns how many images each run draws.
    pub(crate) fn samples(&self) -> usize {
        self.prompts.len() * self.texts.group
    }

    /// Returns the slices of the images that pass through the denoiser together.
    pub(crate) fn slices(&self) -> Vec<Range<usize>> {
        slices(self.samples(), self.world.members(), self.world.micro_batch(self.samples() * self.world.members()))
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

    /// Draws the epoch's images: a trajectory for each slice.
    pub(crate) fn roll_out(
        &self,
        bank: &AdapterBank,
        rules: &[StepRule],
        keep: Keep,
    ) -> Result<Vec<Trajectory>, TrainError> {
        self.clock.time(Part::Rollout, || {
            in_order(&self.slices(), &self.world.workers, |slice| Ok(self.rolled_out(bank, rules, slice, keep)))
        })
    }

    fn rolled_out(&self, bank: &AdapterBank, rules: &[StepRule], slice: &Range<usize>, keep: Keep) -> Trajectory {
        let rows = self.rows(slice);
        let keys = self.keys("rollout", &rows);
        let trajectory = roll_out(self.world.pipeline, bank, rules, &self.texts, slice, &keys, keep);
        self.meter.forward(rows.len() * rules.len());
        trajectory
    }

    /// Draws the epoch's images and scores them: beside each other where the world says so. Then a slice's images are decoded and
    /// scored, as soon as they complete a prompt's, while the next slice is drawn.
    ///
    /// # Errors
    /// Fails where an image cannot be decoded or scored.
    pub(crate) fn draw_and_score(
        &self,
        bank: &AdapterBank,
        rules: &[StepRule],
        keep: Keep,
        statistics: &mut Statistics,
    ) -> Result<(Vec<Trajectory>, RunScores), TrainError> {
        let slices = self.slices();
        if !self.world.overlaps || slices.len() < 2 {
            let trajectories = self.roll_out(bank, rules, keep)?;
            let scores = self.score(&self.pictures(&finished(&trajectories))?, statistics)?;
            return Ok((trajectories, scores));
        }
        let (sender, drawn) = channel::<(Range<usize>, Vec<Tensor<4>>)>();
        let (trajectories, scores) = std::thread::scope(|scope| {
            let scoring = scope.spawn(move || {
                let mut all: RunScores = vec![Vec::new(); self.world.members()];
                for (prompts, samples) in drawn {
                    let scores = self.scored(&self.pictures_of(prompts, &samples)?)?;
                    for (all, scores) in all.iter_mut().zip(scores) {
                        all.resize(scores.len(), Vec::new());
                        all.iter_mut().zip(scores).for_each(|(all, scores)| all.extend(scores));
                    }
                }
                Ok::<_, TrainError>(all)
            });
            let (mut trajectories, mut done) = (Vec::with_capacity(slices.len()), 0);
            for slice in &slices {
                let roll_out = || self.rolled_out(bank, rules, slice, keep);
                trajectories.push(self.clock.time(Part::Rollout, roll_out));
                let complete = slice.end / self.texts.group;
                if complete > done {
                    let samples = (done * self.texts.group)..(complete * self.texts.group);
                    // Scoring that has failed says so at the end.
                    let _ = sender.send((done..complete, samples_of(&trajectories, self.world.members(), &samples)));
                    done = complete;
                }
            }
            drop(sender);
            (trajectories, scoring.join())
        });
        let scores = scores.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        statistics.follow(self.world, &self.prompts, &scores);
        Ok((trajectories, scores))
    }

    /// Returns the images of finished samples, one tensor per slice, by run.
    pub(crate) fn pictures(&self, samples: &[Tensor<4>]) -> Result<Vec<Pictures>, TrainError> {
        let pixels = self.decoded(samples)?;
        self.with_prompts(0..self.prompts.len(), by_member(&pixels, self.world.members()))
    }

    /// Returns the images of some of the epoch's prompts, by run, from their finished samples by run.
    fn pictures_of(&self, prompts: Range<usize>, samples: &[Tensor<4>]) -> Result<Vec<Pictures>, TrainError> {
        self.with_prompts(prompts, self.decoded(samples)?)
    }

    fn decoded(&self, samples: &[Tensor<4>]) -> Result<Vec<Tensor<4>>, TrainError> {
        let decode = |latents: &Tensor<4>| Ok::<_, TrainError>(self.world.pipeline.decode(latents.clone()));
        self.clock.time(Part::Decoding, || in_order(samples, &self.world.workers, decode))
    }

    /// Returns pixels by run with the prompts that they show.
    fn with_prompts(&self, prompts: Range<usize>, pixels: Vec<Tensor<4>>) -> Result<Vec<Pictures>, TrainError> {
        let group = self.texts.group;
        let text = |prompt: &usize| std::iter::repeat_n(self.world.prompt(*prompt), group);
        let prompts: Vec<String> = self.prompts[prompts].iter().flat_map(text).collect();
        let of_run = |pixels| Pictures::new(pixels, prompts.clone(), group).map_err(TrainError::from);
        pixels.into_iter().map(of_run).collect()
    }

    /// Returns the scores of every run, and takes their spread in.
    pub(crate) fn score(&self, pictures: &[Pictures], statistics: &mut Statistics) -> Result<RunScores, TrainError> {
        let scores = self.scored(pictures)?;
        statistics.follow(self.world, &self.prompts, &scores);
        Ok(scores)
    }

    fn scored(&self, pictures: &[Pictures]) -> Result<RunScores, TrainError> {
        let score = |pictures: &Pictures| Ok::<_, TrainError>(self.world.scorer.score(pictures)?.columns);
        self.clock.time(Part::Scoring, || in_order(pictures, &self.world.workers, score))
    }

    /// Returns the advantages of every run's images, for the parts of its objective that `counts` lets through.
    pub(crate) fn advantages(
        &self,
        scores: &RunScores,
        statistics: &Statistics,
        counts: &dyn Fn(usize) -> bool,
    ) -> Vec<Advantages> {
        let spec = self.world.spec;
        let settings = spec.training.advantages;
        let of_run = |run: usize| {
            let objective = self.objective(run).iter().enumerate();
            let shares: Vec<f64> =
                objective.map(|(reward, share)| share * f64::from(u8::from(counts(reward)))).collect();
            // Where a prompt is compared with other epochs, its own group's spread says nothing of how far off that is.
            let over_epochs = matches!(settings.spread, Spread::Running { .. }) || statistics.baselines.is_some();
            let running = over_epochs.then(|| statistics.spreads.of(run));
            let expected = statistics.baselines.as_ref().map(|baselines| baselines.of(run, &self.prompts));
            let against = Against { spreads: running.as_deref(), expected: expected.as_deref() };
            let mut own = advantages(&scores[run], &shares, against, self.texts.group, spec.combine, settings.clip);
            let rewarded = own.values.len() - self.rehearsed() * self.texts.group;
            own.values[rewarded..].fill(0.0);
            own
        };
        (0..self.world.members()).map(of_run).collect()
    }
}

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
