//! Policy gradient on the sampler's stochastic steps: DDPO (Black et al., 2305.13301), Flow-GRPO (Liu et al., 2505.05470), with
//! GDPO's normalisation, MixGRPO's windows and GRPO-Guard's ratio as settings.

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::{PolicyGradientSpec, Ratio, StepWeights};
use moa_core::metric;
use moa_device::from_host;
use moa_diffusion::sampler::{Next, Step, step};
use moa_diffusion::{Conditions, StepRule};

use super::{Gathered, Loss, Method, Pass, Rows, by_step, mean_squares};
use crate::anchor::Anchor;
use crate::course::Course;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::report::Report;
use crate::rollout::{Keep, Trajectory};
use crate::selection::{TrainingSlice, select};
use crate::statistics::Statistics;
use crate::surrogate::{approx_kl, clipped, log_ratio, normalised_ratio, outside};
use crate::trainer::EpochMetrics;
use crate::world::World;
use crate::{Advantages, TrainError, clip_range};

/// The share of the clip range that a deviation may take up. GPUs round a pass with autodiff otherwise than one without; as long as
/// that is small against the range, what is clipped is still what the update did.
const SHARE_OF_RANGE: f64 = 0.25;

/// The method.
pub(crate) struct PolicyGradient {
    pub(crate) spec: PolicyGradientSpec,
}

impl Method for PolicyGradient {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let rules = self.rules(epoch);
        let keep = Keep { from: 0, means: self.spec.ratio == Ratio::Normalised };
        let (trajectories, scores) = epoch.draw_and_score(&epoch.world.bank(policy), &rules, keep, statistics)?;
        let advantages = epoch.advantages(&scores, statistics, &|_| true);
        let updates = self.updates(epoch, &rules, &trajectories, &advantages, &vec![1.0; epoch.world.members()]);
        Ok(Gathered { scores, metrics: silent(&advantages), updates })
    }

    fn course(&self, epoch: &Epoch<'_>) -> Course {
        Course::whole(&self.rules(epoch))
    }

    fn check(&self, world: &World<'_>, update: usize, rows: &Rows) -> Result<(), TrainError> {
        if update > 0 {
            return Ok(());
        }
        let ratios = rows.get(metric::RATIO_MEAN).into_iter().flatten().flatten();
        // A ratio that is not a number has no gradient either, and the trainer says of which run.
        let numbers = ratios.filter(|ratio| !ratio.is_nan());
        let deviation = numbers.map(|ratio| (f64::from(*ratio) - 1.0).abs()).fold(0.0, f64::max);
        let range = clip_range(self.spec.clip, world.pipeline.latent_dims());
        let precision = world.pipeline.precision();
        let most = precision.ratio_rounding().max(SHARE_OF_RANGE * range);
        if deviation > most {
            Err(TrainError::RatioOff { deviation, most, precision: precision.name() })
        } else {
            Ok(())
        }
    }
}

/// Returns the share of silent groups by run.
pub(super) fn silent(advantages: &[Advantages]) -> Vec<EpochMetrics> {
    let of_run =
        |advantages: &Advantages| EpochMetrics::from([(metric::SILENT_GROUPS.to_owned(), advantages.silent_groups)]);
    advantages.iter().map(of_run).collect()
}

/// Returns the steps that an epoch trains, `count` stochastic ones drawn at random.
pub(super) fn trained_steps(epoch: &Epoch<'_>, rules: &[StepRule], count: u32) -> Vec<usize> {
    let stochastic: Vec<usize> = (0..rules.len()).filter(|index| rules[*index].std > 0.0).collect();
    let order = epoch.world.key("steps").with(u64::from(epoch.number)).permutation(stochastic.len());
    let mut steps: Vec<usize> = order.into_iter().map(|place| stochastic[place]).collect();
    steps.truncate(count as usize);
    steps
}

impl PolicyGradient {
    /// Returns the epoch's steps: those in its window are stochastic.
    pub(super) fn rules(&self, epoch: &Epoch<'_>) -> Vec<StepRule> {
        let sampler = &epoch.world.sampler;
        let steps = sampler.rules().len();
        sampler.within(&self.spec.window.of(epoch.number, steps, |places| epoch.below("window", places)))
    }

    /// Returns how much a step weighs: all alike, or by one over the size of its gradient, so that the mean over the stochastic
    /// steps is 1. With the model's output m, μ = … + c·m and noise s, the gradient of ln ρ with respect to m is ε·c/s, that of
    /// the normalised ratio ε·c.
    pub(super) fn weight(&self, rules: &[StepRule], index: usize) -> f32 {
        if self.spec.step_weights == StepWeights::Equal {
            return 1.0;
        }
        let inverse = |rule: &StepRule| match self.spec.ratio {
            Ratio::Plain => rule.std / rule.output.abs(),
            Ratio::Normalised => 1.0 / rule.output.abs(),
        };
        let all: Vec<f32> = rules.iter().filter(|rule| rule.std > 0.0).map(inverse).collect();
        inverse(&rules[index]) * all.len() as f32 / all.iter().sum::<f32>()
    }

    /// Returns what the epoch's updates train on; `pull` is how much each run's advantages weigh.
    pub(super) fn updates(
        &self,
        epoch: &Epoch<'_>,
        rules: &[StepRule],
        trajectories: &[Trajectory],
        advantages: &[Advantages],
        pull: &[f32],
    ) -> Vec<Vec<Box<dyn Pass>>> {
        let training = &epoch.world.spec.training;
        let trained = training.advantages.trained(epoch.samples());
        let chosen =
            select(trajectories, advantages, &training.advantages, epoch.world.micro_batch(trained * pull.len()));
        let range = clip_range(self.spec.clip, epoch.world.pipeline.latent_dims());
        let chosen: Vec<Arc<Chosen>> = chosen
            .into_iter()
            .map(|slice| {
                let share = slice.samples.len() / pull.len();
                let pull = pull.iter().flat_map(|pull| std::iter::repeat_n(*pull, share)).collect::<Vec<_>>();
                let pull = from_host(pull, [slice.samples.len()], epoch.world.device());
                let conditions = epoch.texts.conditions(&slice.samples);
                Arc::new(Chosen { slice, pull, conditions })
            })
            .collect();
        let steps = trained_steps(epoch, rules, self.spec.train_steps);
        by_step(&steps, self.spec.updates_per_epoch, &chosen, |chosen, index, steps| {
            let loss = StepLoss {
                rule: rules[index],
                index,
                weight: self.weight(rules, index) / (epoch.samples() * steps) as f32,
                tie: 1.0 / (trained * steps) as f32,
                range,
                ratio: self.spec.ratio,
            };
            Box::new(StepPass { chosen: chosen.clone(), loss })
        })
    }
}

/// A slice of images to train on, and what they are conditioned on.
struct Chosen {
    slice: TrainingSlice,
    /// How much each row's advantage weighs, `[rows]`.
    pull: Tensor<1>,
    conditions: Conditions,
}

/// One step of a slice of images, scored again by the adapters as they are now.
struct StepPass {
    chosen: Arc<Chosen>,
    loss: StepLoss,
}

impl Pass for StepPass {
    fn rows(&self) -> usize {
        self.chosen.slice.samples.len()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let (Chosen { slice, pull, conditions }, StepLoss { rule, index, .. }) = (&*self.chosen, &self.loss);
        let (x, next) = (&slice.latents[*index], &slice.latents[index + 1]);
        let taken = step(world.pipeline, Some(bank), rule, x.clone(), conditions, None, Next::Score(next));
        let anchor = Anchor::of(world, x, &vec![rule.timestep; self.rows()], conditions, &taken.output);
        self.loss.of(slice, pull, taken, anchor.as_ref())
    }
}

/// The loss of one step's rows: what they weigh times the clipped surrogate, and the distance to the base.
pub(super) struct StepLoss {
    pub(super) rule: StepRule,
    /// The step's place.
    pub(super) index: usize,
    /// What the surrogate of a row weighs: 1 / (images drawn · steps), times the step's own weight. Images that were not chosen
    /// count as surrogates of about 0.
    pub(super) weight: f32,
    /// What the distance to the base of a row weighs: 1 / (images trained on · steps).
    pub(super) tie: f32,
    pub(super) range: f64,
    pub(super) ratio: Ratio,
}

impl StepLoss {
    /// Returns the loss of rows whose next samples the trained policy has scored.
    ///
    /// - `slice`, `pull`: what was drawn, and how much each row's advantage weighs, `[rows]`
    /// - `taken`: the step by the trained policy, with autodiff
    pub(super) fn of(&self, slice: &TrainingSlice, pull: &Tensor<1>, taken: Step, anchor: Option<&Anchor>) -> Loss {
        let Self { rule, index, range, .. } = self;
        let old = slice.distances[*index].clone();
        let log = log_ratio(taken.squared_distance.clone(), old.clone(), rule.std);
        let plain = log.clone().exp();
        let mut reports =
            vec![Report::all(metric::APPROX_KL, &log).mapped(approx_kl), Report::all(metric::RATIO_MEAN, &plain)];
        let ratio = match self.ratio {
            Ratio::Plain => plain,
            Ratio::Normalised => {
                let moved = mean_squares(taken.mean - slice.means[*index].clone());
                normalised_ratio(taken.squared_distance, old, moved, rule.std)
            }
        };
        let most = *range;
        reports.push(Report::all(metric::CLIP_FRACTION, &ratio).mapped(move |ratio| outside(ratio, most)));
        let mut total = (clipped(ratio, slice.values.clone(), *range) * pull.clone()).sum() * self.weight;
        if let Some(anchor) = anchor {
            // KL of two Gaussians of one variance, a mean over dimensions: ‖Δμ‖² / 2s² with Δμ = c·Δm.
            let scale = rule.output * rule.output / (2.0 * rule.std * rule.std);
            total = total + anchor.penalty(scale * self.tie);
            reports.push(anchor.report(scale));
        }
        Loss { total, reports }
    }
}
