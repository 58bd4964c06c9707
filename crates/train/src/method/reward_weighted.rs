//! Reward-weighted likelihood: the denoising loss of the model's own images, weighted by how good they are. RWR in both its forms
//! (Black et al., 2305.13301), RAFT (Dong et al., 2304.06767).

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::{RewardWeightedSpec, RewardWeights};
use moa_core::metric;
use moa_diffusion::sampler::predict;

use super::forward::{Drawn, Noised, NoisedSlice, passes};
use super::{Gathered, Loss, Method, Pass};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::report::Report;
use crate::selection::{Choice, falling};
use crate::statistics::Statistics;
use crate::world::World;

/// The method.
pub(crate) struct RewardWeighted {
    pub(crate) spec: RewardWeightedSpec,
}

impl Method for RewardWeighted {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let RewardWeightedSpec { weights, levels, updates_per_epoch } = self.spec;
        let drawn = Drawn::new(epoch, policy, statistics)?;
        let most = epoch.world.spec.training.advantages.trained(epoch.samples());
        let choice = |advantages: &crate::Advantages| weighted(weights, &advantages.values, epoch.texts.group, most);
        let choices: Vec<Choice> = drawn.advantages.iter().map(choice).collect();
        let trained = choices.first().map_or(1, |choice| choice.samples.len());
        let slices = drawn.chosen(epoch, &choices, 1);
        let updates = passes(epoch, &slices, [levels, updates_per_epoch], 1, &|rows, levels, _| {
            Ok(Box::new(WeightedPass { rows, weight: 1.0 / (trained * levels) as f32 }))
        })?;
        Ok(drawn.gathered(updates))
    }
}

/// Returns the images that weigh anything, and how much.
///
/// - `group`: images of a prompt; `most`: of exponential weights only so many are kept, the largest
fn weighted(weights: RewardWeights, advantages: &[f32], group: usize, most: usize) -> Choice {
    let mut choice = Choice::default();
    match weights {
        RewardWeights::Exponential { temperature } => {
            let of_group = |advantages: &[f32]| {
                let top = advantages.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let pulls: Vec<f64> =
                    advantages.iter().map(|value| (f64::from(value - top) / temperature).exp()).collect();
                let mean = pulls.iter().sum::<f64>() / pulls.len() as f64;
                pulls.into_iter().map(move |pull| (pull / mean) as f32).collect::<Vec<f32>>()
            };
            let all: Vec<f32> = advantages.chunks(group).flat_map(of_group).collect();
            choice.samples = falling(&all);
            choice.samples.truncate(most);
            choice.samples.sort_unstable();
            choice.values = choice.samples.iter().map(|sample| all[*sample]).collect();
            return choice;
        }
        RewardWeights::Quantile { at } => {
            // 1 − 0.7 is a little more than 0.3.
            let count = ((1.0 - at) * advantages.len() as f64 - 1e-9).ceil() as usize;
            choice.samples = falling(advantages);
            choice.samples.truncate(count.clamp(1, advantages.len()));
            choice.samples.sort_unstable();
        }
        RewardWeights::Best { count } => {
            for (place, advantages) in advantages.chunks(group).enumerate() {
                let best = falling(advantages).into_iter().take(count as usize);
                choice.samples.extend(best.map(|sample| place * group + sample));
            }
        }
    }
    choice.values = vec![1.0; choice.samples.len()];
    choice
}

/// Noised images whose denoising loss is weighted.
struct WeightedPass {
    rows: NoisedSlice,
    weight: f32,
}

impl Pass for WeightedPass {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let NoisedSlice { noised: Noised { x, timesteps, .. }, conditions, slice } = &self.rows;
        let output = predict(world.pipeline, Some(bank), x.clone(), timesteps, conditions);
        let row = weighted_error(self.rows.error(output.clone()), slice.values.clone());
        let mut reports = vec![Report::all(metric::LOSS, &row)];
        let mut total = row.sum() * self.weight;
        if let Some(anchor) = Anchor::of(world, x, timesteps, conditions, &output) {
            total = total + anchor.penalty(self.weight);
            reports.push(anchor.report(1.0));
        }
        Loss { total, reports }
    }
}

/// Returns each row's loss: its denoising error times its weight, `[rows]`.
pub(super) fn weighted_error(error: Tensor<1>, weights: Tensor<1>) -> Tensor<1> {
    error * weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVANTAGES: [f32; 6] = [0.0, 1.0, -1.0, 2.0, 0.5, -2.5];

    #[test]
    fn exponential_weights_are_a_mean_of_1_over_a_prompt() {
        let found = weighted(RewardWeights::Exponential { temperature: 0.5 }, &ADVANTAGES, 3, 6);
        assert_eq!(found.samples, [0, 1, 2, 3, 4, 5]);
        for group in found.values.chunks(3) {
            assert!((group.iter().sum::<f32>() - 3.0).abs() < 1e-5, "{group:?}");
        }
        assert!((found.values[1] / found.values[0] - 2f32.exp()).abs() < 1e-3, "{:?}", found.values);
        let few = weighted(RewardWeights::Exponential { temperature: 0.5 }, &ADVANTAGES, 3, 2);
        assert_eq!(few.samples, [1, 3], "the largest weights");
        // However small the temperature, nothing overflows.
        let sharp = weighted(RewardWeights::Exponential { temperature: 1e-3 }, &ADVANTAGES, 3, 6);
        assert_eq!(sharp.values, [0.0, 3.0, 0.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn sparse_weights_choose_the_best_of_all_or_of_each_prompt() {
        let all = |weights| weighted(weights, &ADVANTAGES, 3, 6);
        assert_eq!(all(RewardWeights::Quantile { at: 0.5 }).samples, [1, 3, 4]);
        assert_eq!(all(RewardWeights::Quantile { at: 0.99 }).samples, [3], "one at least");
        let best = all(RewardWeights::Best { count: 1 });
        assert_eq!((best.samples, best.values), (vec![1, 3], vec![1.0, 1.0]));
    }
}
