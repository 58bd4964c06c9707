//! D3PO (Yang et al., 2311.13231): direct preference optimisation over the log-probabilities of the sampler's steps, on pairs of the
//! adapter's own images.

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::D3poSpec;
use moa_diffusion::StepRule;
use moa_diffusion::sampler::{Next, advance, predict};

use super::forward::{Conditioned, Drawn};
use super::implied::{Judge, implied, judged, preference};
use super::pairs::pairs;
use super::policy_gradient::trained_steps;
use super::{Gathered, Loss, Method, Pass, by_step};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::statistics::Statistics;
use crate::world::World;

/// The method.
pub(crate) struct D3po {
    pub(crate) spec: D3poSpec,
}

impl Method for D3po {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let D3poSpec { per_prompt, mix, train_steps, updates_per_epoch, beta } = self.spec;
        let rules = epoch.world.sampler.rules();
        let drawn = Drawn::with_steps(epoch, policy, statistics)?;
        let choices = pairs(epoch, &drawn, per_prompt, mix);
        let count = choices.first().map_or(2, |choice| choice.samples.len()) / 2;
        let slices = drawn.chosen(epoch, &choices, 2);
        let judge: Judge = Arc::new(preference);
        let steps = trained_steps(epoch, rules, train_steps);
        let updates = by_step(&steps, updates_per_epoch, &slices, |rows, index, steps| {
            let (rows, judge, weight) = (rows.clone(), judge.clone(), 1.0 / (count * steps) as f32);
            Box::new(StepPairs { rows, rule: rules[index], index, beta, weight, judge })
        });
        Ok(drawn.gathered(updates))
    }
}

/// One step of pairs of images, scored again by the adapters as they are now and by the base.
struct StepPairs {
    rows: Conditioned,
    rule: StepRule,
    /// The step's place.
    index: usize,
    beta: f64,
    /// What a pair weighs: 1 / (pairs · steps).
    weight: f32,
    judge: Judge,
}

impl Pass for StepPairs {
    fn rows(&self) -> usize {
        self.rows.slice.samples.len()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let Self { rows: Conditioned { slice, conditions }, rule, index, .. } = self;
        let (x, next) = (&slice.latents[*index], &slice.latents[index + 1]);
        let timesteps = vec![rule.timestep; self.rows()];
        let base = predict(world.pipeline, None, x.clone(), &timesteps, conditions);
        let new = predict(world.pipeline, Some(bank), x.clone(), &timesteps, conditions);
        let implied = step_reward(rule, x, next, new.clone(), base.clone(), self.beta);
        let anchor = Anchor::known(world, &new, &base);
        judged(implied, slice.values.clone(), anchor, &self.judge, None, [self.weight, self.weight / 2.0])
    }
}

/// Returns β·(ln p_new − ln p_base) of each row's step from `x` to `next`, the mean log-probability over dimensions, `[rows]`.
///
/// # Shapes
/// `x`, `next`, and the predictions `new` (with autodiff) and `base`: `[rows, c, h, w]`
pub(super) fn step_reward(
    rule: &StepRule,
    x: &Tensor<4>,
    next: &Tensor<4>,
    new: Tensor<4>,
    base: Tensor<4>,
    beta: f64,
) -> Tensor<1> {
    let mean = |output| advance(rule, x.clone(), output, None, Next::Score(next)).mean;
    implied(mean(new), mean(base), next, beta / f64::from(2.0 * rule.std * rule.std))
}
