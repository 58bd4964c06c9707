//! The gradient of rewards that have one, and policy gradient for those that have none, on the same images and in one update.

use moa_core::experiment::{MixedSpec, Ratio};

use super::differentiable::{Start, Tail, coefficients, gradients, last_steps, tail_passes};
use super::policy_gradient::{PolicyGradient, silent};
use super::{Gathered, Method, Rows};
use crate::TrainError;
use crate::course::Course;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::rollout::{Keep, finished};
use crate::statistics::Statistics;
use crate::world::World;

/// The method.
pub(crate) struct Mixed {
    pub(crate) spec: MixedSpec,
}

impl Mixed {
    fn policy(&self) -> PolicyGradient {
        PolicyGradient { spec: self.spec.policy_gradient }
    }
}

impl Method for Mixed {
    fn gather(
        &self,
        epoch: &Epoch<'_>,
        factors: &Factors,
        statistics: &mut Statistics,
    ) -> Result<Gathered, TrainError> {
        let world = epoch.world;
        let policy = self.policy();
        let rules = policy.rules(epoch);
        let keep = Keep { from: 0, means: policy.spec.ratio == Ratio::Normalised };
        let trajectories = epoch.roll_out(&world.bank(factors), &rules, keep)?;
        let finished = finished(&trajectories);
        let pictures = epoch.pictures(&finished)?;
        let scores = epoch.score(&pictures, statistics)?;
        let smooth = |reward: usize| world.spec.rewards[reward].kind.has_gradient();
        // Advantages are whitened to one size, so each run's weigh as much as the shares of what they are made of.
        let advantages = epoch.advantages(&scores, statistics, &|reward| !smooth(reward));
        let of_scores = |run: usize| {
            let objective = epoch.objective(run).iter().enumerate();
            objective.filter(|(reward, _)| !smooth(*reward)).map(|(_, share)| *share as f32).sum()
        };
        let pull: Vec<f32> = (0..world.members()).map(of_scores).collect();
        let mut updates = policy.updates(epoch, &rules, &trajectories, &advantages, &pull);
        let from = rules.len() - last_steps(self.spec.differentiable.through, epoch).min(rules.len());
        let tail = Tail::Steps(rules[from..].to_vec());
        let objective = coefficients(epoch, &scores, statistics, &smooth);
        if objective.iter().flatten().any(|coefficient| *coefficient != 0.0) {
            let gradients = gradients(epoch, &finished, &pictures, &objective)?;
            let starts = trajectories.iter().map(|trajectory| Start::of(trajectory, from)).collect();
            let passes = tail_passes(epoch, starts, &tail, gradients, 1.0, None);
            match updates.last_mut() {
                Some(update) => update.extend(passes),
                None => updates.push(passes),
            }
        }
        Ok(Gathered { scores, metrics: silent(&advantages), updates })
    }

    fn course(&self, epoch: &Epoch<'_>) -> Course {
        self.policy().course(epoch)
    }

    fn check(&self, world: &World<'_>, update: usize, rows: &Rows) -> Result<(), TrainError> {
        self.policy().check(world, update, rows)
    }
}
