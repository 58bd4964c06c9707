//! The rewards' own gradient, through decoder and sampler: DRaFT-K and DRaFT-LV (Clark et al., 2309.17400), AlignProp (Prabhudesai
//! et al., 2310.03739), ReFL (Xu et al., 2304.05977).
//!
//! The chain is cut at the finished sample: rewards and decoder give ∂reward/∂x₀ once for all images, in whole groups and without
//! the denoiser's graph; then passes through the denoiser's last steps are trained on ⟨x₀, ∂reward/∂x₀⟩, whose gradient is the
//! whole chain's. It costs one more pass forward for each step, and lets a reward compare images, or live on another device,
//! whatever the size of a micro-batch.

use std::ops::Range;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::{DifferentiableSpec, Scalarisation, Through};
use moa_core::{NoiseKey, metric};
use moa_diffusion::sampler::{Next, advance, keyed_noise, predict};
use moa_diffusion::{Conditions, NoiseLevel, StepRule};
use moa_reward::Pictures;

use super::{Gathered, Loss, Method, Pass};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::batches::in_order;
use crate::clock::Part;
use crate::course::Course;
use crate::epoch::{Epoch, RunScores};
use crate::factors::Factors;
use crate::rollout::{Keep, Trajectory, by_slice, finished};
use crate::statistics::Statistics;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// The method.
pub(crate) struct Differentiable {
    pub(crate) spec: DifferentiableSpec,
}

/// What lies between a noisy sample and the finished one, with the gradient going through it.
#[derive(Clone)]
pub(super) enum Tail {
    /// The sampler's last steps.
    Steps(Vec<StepRule>),
    /// The clean sample as predicted in one go.
    Clean(NoiseLevel),
}

/// Samples on their way: what a slice's tail starts from.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) slice: Range<usize>,
    /// `[members · slice, c, h, w]`
    pub(super) x: Tensor<4>,
    /// What the step before leaves to a second-order step.
    pub(super) previous: Option<Tensor<4>>,
}

impl Start {
    /// Returns the `place`-th sample that a trajectory keeps; what the step before left belongs to the first.
    pub(super) fn of(trajectory: &Trajectory, place: usize) -> Self {
        let previous = if place == 0 { trajectory.previous.clone() } else { None };
        Self { slice: trajectory.slice.clone(), x: trajectory.latents[place].clone(), previous }
    }

    /// Returns finished samples noised again to a level, from which a tail that needs no step before it starts.
    pub(super) fn noised(slice: Range<usize>, sample: &Tensor<4>, noise: Tensor<4>, level: &NoiseLevel) -> Self {
        Self { slice, x: sample.clone() * level.signal + noise * level.noise, previous: None }
    }
}

impl Method for Differentiable {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let world = epoch.world;
        let bank = world.bank(policy);
        let rules = world.sampler.rules();
        let steps = rules.len();
        let (from, tail) = match self.spec.through {
            Through::LastSteps(_) | Through::Random(_) => {
                let from = steps - last_steps(self.spec.through, epoch).min(steps);
                (from, Tail::Steps(rules[from..].to_vec()))
            }
            Through::LowVariance(_) => {
                // Of first order, whatever the sampler: noised samples come from no step.
                let first_order = world.pipeline.schedule().deterministic(steps);
                (steps, Tail::Steps(first_order[steps - 1..].to_vec()))
            }
            Through::SingleStep { from, to } => {
                let index = single_step(epoch, from, to);
                (index, Tail::Clean(world.pipeline.schedule().level_of(&rules[index])))
            }
        };
        // Towards a single step the rollout ends there; otherwise it goes to the end.
        let walked = if matches!(tail, Tail::Clean(_)) { &rules[..from] } else { rules };
        let trajectories = epoch.roll_out(&bank, walked, Keep { from, means: false })?;
        let starts: Vec<Start> = trajectories.iter().map(|trajectory| Start::of(trajectory, 0)).collect();
        let samples = match tail {
            Tail::Steps(_) => finished(&trajectories),
            Tail::Clean(_) => ahead(epoch, &bank, &starts, &tail)?,
        };
        let pictures = epoch.pictures(&samples)?;
        let scores = epoch.score(&pictures, statistics)?;
        let objective = coefficients(epoch, &scores, statistics, &|_| true);
        // One part for all rewards together, or one for each.
        let parts: Vec<Option<usize>> = if world.spec.scalarisation == Scalarisation::Unopposed {
            let counts = |reward: &usize| objective.iter().any(|own| own[*reward] != 0.0);
            (0..world.spec.rewards.len()).filter(counts).map(Some).collect()
        } else {
            vec![None]
        };
        let mut noised: Vec<(Vec<Start>, Vec<Tensor<4>>, Vec<Pictures>)> = Vec::new();
        if let Through::LowVariance(count) = self.spec.through {
            let level = world.pipeline.schedule().level_of(&rules[steps - 1]);
            for copy in 0..count {
                let name = format!("low-variance-{copy}");
                let again = |start: &Start| {
                    let noise = keyed_noise(world.pipeline, &epoch.keys(&name, &epoch.rows(&start.slice)));
                    Start::noised(start.slice.clone(), &start.x, noise, &level)
                };
                let starts: Vec<Start> = starts.iter().map(again).collect();
                let samples = ahead(epoch, &bank, &starts, &tail)?;
                let pictures = epoch.pictures(&samples)?;
                noised.push((starts, samples, pictures));
            }
        } else {
            noised.push((starts, samples, pictures));
        }
        let share = 1.0 / noised.len() as f32;
        let mut passes = Vec::new();
        for part in parts {
            let own = coefficients(epoch, &scores, statistics, &|reward| part.is_none_or(|part| part == reward));
            for (starts, samples, pictures) in &noised {
                let gradients = gradients(epoch, samples, pictures, &own)?;
                passes.extend(tail_passes(epoch, starts.clone(), &tail, gradients, share, part));
            }
        }
        Ok(Gathered { metrics: objective_metrics(&scores, &objective), scores, updates: vec![passes] })
    }

    fn course(&self, epoch: &Epoch<'_>) -> Course {
        let rules = epoch.world.sampler.rules();
        let Through::SingleStep { from, to } = self.spec.through else { return Course::whole(rules) };
        let index = single_step(epoch, from, to);
        let level = epoch.world.pipeline.schedule().level_of(&rules[index]);
        Course { walked: rules[..index].to_vec(), ahead: Some(level) }
    }
}

/// Returns the step from which an epoch predicts clean samples in one go, drawn from those that the settings allow.
fn single_step(epoch: &Epoch<'_>, from: u32, to: u32) -> usize {
    from as usize - 1 + epoch.below("through", (to - from + 1) as usize)
}

/// Returns through how many last steps the gradient goes in an epoch: as many as the settings say, or a number drawn up to that.
pub(super) fn last_steps(through: Through, epoch: &Epoch<'_>) -> usize {
    match through {
        Through::LastSteps(count) => count as usize,
        Through::Random(most) => 1 + epoch.below("through", most as usize),
        Through::LowVariance(_) | Through::SingleStep { .. } => 1,
    }
}

/// Returns by run what each reward counts: its share over its standard deviation within prompts, so that none wins by its scale;
/// 0 where it does not vary, or where `counts` does not let it through.
pub(super) fn coefficients(
    epoch: &Epoch<'_>,
    scores: &RunScores,
    statistics: &Statistics,
    counts: &dyn Fn(usize) -> bool,
) -> Vec<Vec<f32>> {
    let members = epoch.world.members();
    debug_assert_eq!(scores.len(), members);
    let of_run = |run: usize| {
        let objective = epoch.objective(run);
        let pairs = objective.iter().zip(statistics.spreads.of(run)).enumerate();
        let coefficient = |(reward, (share, spread)): (usize, (&f64, f64))| {
            if counts(reward) && spread > 0.0 { (share / spread) as f32 } else { 0.0 }
        };
        pairs.map(coefficient).collect()
    };
    (0..members).map(of_run).collect()
}

/// Returns by run its loss: minus the mean over images of what is maximised.
fn objective_metrics(scores: &RunScores, coefficients: &[Vec<f32>]) -> Vec<EpochMetrics> {
    let of_run = |(columns, coefficients): (&Vec<Vec<f32>>, &Vec<f32>)| {
        let mean =
            |column: &Vec<f32>| column.iter().map(|score| f64::from(*score)).sum::<f64>() / column.len().max(1) as f64;
        let pairs = columns.iter().zip(coefficients);
        let value: f64 = pairs.map(|(column, coefficient)| mean(column) * f64::from(*coefficient)).sum();
        EpochMetrics::from([(metric::LOSS.to_owned(), -value)])
    };
    scores.iter().zip(coefficients).map(of_run).collect()
}

/// Returns the gradient of what each run maximises, summed over images, with respect to finished samples: a tensor per slice.
///
/// - `samples`: a tensor per slice, and `pictures` what they look like, by run
pub(super) fn gradients(
    epoch: &Epoch<'_>,
    samples: &[Tensor<4>],
    pictures: &[Pictures],
    coefficients: &[Vec<f32>],
) -> Result<Vec<Tensor<4>>, TrainError> {
    let world = epoch.world;
    let runs: Vec<(&Pictures, &Vec<f32>)> = pictures.iter().zip(coefficients).collect();
    let gradient = |(pictures, coefficients): &(&Pictures, &Vec<f32>)| {
        Ok::<_, TrainError>(world.scorer.gradient(pictures, coefficients)?)
    };
    let pixels = epoch.clock.time(Part::Scoring, || in_order(&runs, &world.workers, gradient))?;
    let pixels: Vec<Tensor<4>> = pixels.into_iter().map(|pixels| epoch.without_rehearsed(pixels)).collect();
    let pairs: Vec<(&Tensor<4>, Tensor<4>)> = samples.iter().zip(by_slice(&pixels, &epoch.slices())).collect();
    let decode = |(samples, pixels): &(&Tensor<4>, Tensor<4>)| {
        let leaf = (*samples).clone().autodiff().require_grad();
        let decoded = world.pipeline.decode(leaf.clone());
        let mut graph = (decoded * Tensor::from_inner(pixels.clone())).sum().backward();
        let gradient = leaf.grad_remove(&mut graph);
        Ok(gradient.unwrap_or_else(|| unreachable!("images are decoded from the samples")))
    };
    epoch.clock.time(Part::Decoding, || in_order(&pairs, &world.workers, decode))
}

/// Goes through a tail without a gradient: a tensor of finished samples per slice.
pub(super) fn ahead(
    epoch: &Epoch<'_>,
    bank: &AdapterBank,
    starts: &[Start],
    tail: &Tail,
) -> Result<Vec<Tensor<4>>, TrainError> {
    let world = epoch.world;
    let walk = |start: &Start| {
        let rows = TailRows::new(epoch, &start.slice, tail);
        let finished = rows.walk(world, bank, start, tail, &mut |_, _, _| ());
        epoch.meter.forward(rows.keys.len() * tail.passes());
        Ok(finished)
    };
    epoch.clock.time(Part::Rollout, || in_order(starts, &world.workers, walk))
}

/// Returns the passes that train a tail; `share` is what its loss weighs, and `reward` the one that they are about alone, to which as
/// much of the distance to the base belongs as it has of the objective.
pub(super) fn tail_passes(
    epoch: &Epoch<'_>,
    starts: Vec<Start>,
    tail: &Tail,
    gradients: Vec<Tensor<4>>,
    share: f32,
    reward: Option<usize>,
) -> Vec<Box<dyn Pass>> {
    let weight = share / epoch.samples() as f32;
    let reward = reward.map(|reward| {
        let of_run = |run: usize| {
            let objective = epoch.objective(run);
            (objective[reward] / objective.iter().sum::<f64>()) as f32
        };
        (reward, (0..epoch.world.members()).map(of_run).collect::<Vec<f32>>())
    });
    let pass = |(start, gradient): (Start, Tensor<4>)| -> Box<dyn Pass> {
        let rows = TailRows::new(epoch, &start.slice, tail);
        Box::new(TailPass { rows, start, tail: tail.clone(), gradient, weight, reward: reward.clone() })
    };
    starts.into_iter().zip(gradients).map(pass).collect()
}

impl Tail {
    /// Returns the passes through the denoiser.
    fn passes(&self) -> usize {
        match self {
            Self::Steps(rules) => rules.len(),
            Self::Clean(_) => 1,
        }
    }

    /// Returns the finished sample.
    ///
    /// - `predict`: the model at a timestep; `noise`: that of the tail's steps, counted from 0
    /// - `seen` is shown every sample with its timestep and what was predicted from it
    pub(super) fn walk(
        &self,
        start: &Start,
        predict: &dyn Fn(Tensor<4>, f32) -> Tensor<4>,
        noise: &dyn Fn(usize) -> Tensor<4>,
        seen: &mut dyn FnMut(&Tensor<4>, f32, &Tensor<4>),
    ) -> Tensor<4> {
        let Start { mut x, mut previous, .. } = start.clone();
        match self {
            Self::Clean(level) => {
                let output = predict(x.clone(), level.timestep);
                seen(&x, level.timestep, &output);
                x * level.clean[0] + output * level.clean[1]
            }
            Self::Steps(rules) => {
                for (index, rule) in rules.iter().enumerate() {
                    let output = predict(x.clone(), rule.timestep);
                    seen(&x, rule.timestep, &output);
                    let taken = advance(rule, x, output, previous.as_ref(), Next::Draw(&|| noise(index)));
                    (x, previous) = (taken.next, Some(taken.kept));
                }
                x
            }
        }
    }
}

/// What the rows of a slice are conditioned on in a tail, and the noise of its steps.
struct TailRows {
    conditions: Conditions,
    keys: Vec<NoiseKey>,
    /// The place of the tail's first step in the sampler, which names its noise.
    from: usize,
}

impl TailRows {
    fn new(epoch: &Epoch<'_>, slice: &Range<usize>, tail: &Tail) -> Self {
        let rows = epoch.rows(slice);
        let from = epoch.world.sampler.rules().len() - tail.passes();
        Self { conditions: epoch.texts.conditions(&rows), keys: epoch.keys("rollout", &rows), from }
    }

    /// Walks from a start through a tail, by a bank: see [`Tail::walk`].
    fn walk(
        &self,
        world: &World<'_>,
        bank: &AdapterBank,
        start: &Start,
        tail: &Tail,
        seen: &mut dyn FnMut(&Tensor<4>, f32, &Tensor<4>),
    ) -> Tensor<4> {
        let model =
            |x, timestep| predict(world.pipeline, Some(bank), x, &vec![timestep; self.keys.len()], &self.conditions);
        let noise = |index: usize| {
            let keys: Vec<NoiseKey> = self.keys.iter().map(|key| key.with((1 + self.from + index) as u64)).collect();
            keyed_noise(world.pipeline, &keys)
        };
        tail.walk(start, &model, &noise, seen)
    }
}

/// Some samples that go through a tail with the gradient on.
struct TailPass {
    rows: TailRows,
    start: Start,
    tail: Tail,
    /// ∂objective/∂x₀ of every row, `[rows, c, h, w]`.
    gradient: Tensor<4>,
    /// What a row weighs: 1 / images, over the copies of each.
    weight: f32,
    /// The reward that the gradient is of alone, and by run how much of the distance to the base belongs to it.
    reward: Option<(usize, Vec<f32>)>,
}

impl Pass for TailPass {
    fn rows(&self) -> usize {
        self.rows.keys.len() * self.tail.passes()
    }

    fn reward(&self) -> Option<usize> {
        self.reward.as_ref().map(|(reward, _)| *reward)
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let TailRows { conditions, keys, .. } = &self.rows;
        let mut anchors = Vec::new();
        let finished = self.rows.walk(world, bank, &self.start, &self.tail, &mut |x, timestep, output| {
            anchors.extend(Anchor::of(world, x, &vec![timestep; keys.len()], conditions, output));
        });
        let mut total = uphill(finished, &self.gradient, self.weight);
        let mut reports = Vec::new();
        let share = self.weight / self.tail.passes() as f32;
        for anchor in anchors {
            let anchor = match &self.reward {
                Some((_, shares)) => anchor.shared(shares),
                None => anchor,
            };
            total = total + anchor.penalty(share);
            reports.push(anchor.report(1.0));
        }
        Loss { total, reports }
    }
}

/// Returns −weight·⟨x₀, ∂objective/∂x₀⟩, `[1]`: its gradient is that of −weight·objective.
///
/// # Shapes
/// Both `[rows, c, h, w]`, the samples with autodiff and the gradient without.
pub(super) fn uphill(finished: Tensor<4>, gradient: &Tensor<4>, weight: f32) -> Tensor<1> {
    (finished * Tensor::from_inner(gradient.clone())).sum() * -weight
}
