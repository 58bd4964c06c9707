//! Rollouts: trajectories of pictures for all adapters of a bank.

use std::ops::Range;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_diffusion::sampler::{Next, keyed_noise, step};
use moa_diffusion::{Conditions, Pipeline, StepRule, TextContext};

/// What rows are conditioned on: one entry per prompt of the batch, and what stands for no prompt in guidance.
pub(crate) struct TextStates {
    /// The prompts' contexts.
    pub(crate) prompts: TextContext,
    /// The context of no prompt and the strength of guidance.
    pub(crate) guidance: Option<(TextContext, f32)>,
    /// Pictures per prompt.
    pub(crate) group: usize,
}

impl TextStates {
    /// Returns the conditions of samples, one a row.
    pub(crate) fn conditions(&self, samples: &[usize]) -> Conditions {
        let prompts: Vec<usize> = samples.iter().map(|sample| sample / self.group).collect();
        Conditions { context: self.prompts.select(&prompts), guidance: self.guidance.clone() }
    }
}

/// The trajectories of one slice of samples for all adapters: rows of adapter 0 first.
pub(crate) struct Trajectory {
    /// Which samples.
    pub(crate) slice: Range<usize>,
    /// The sample before each step and after the last, each `[members · slice, c, h, w]`.
    pub(crate) latents: Vec<Tensor<4>>,
    /// Mean squared distance of each step's next sample to its mean, each `[members · slice]`.
    pub(crate) distances: Vec<Tensor<1>>,
}

/// Rolls out one slice: `keys` name the noise of every row.
pub(crate) fn roll_out(
    pipeline: &Pipeline,
    bank: &AdapterBank,
    rules: &[StepRule],
    texts: &TextStates,
    slice: &Range<usize>,
    keys: &[NoiseKey],
) -> Trajectory {
    let samples: Vec<usize> = (0..bank.members()).flat_map(|_| slice.clone()).collect();
    let conditions = texts.conditions(&samples);
    let mut latents = vec![keyed_noise(pipeline, keys)];
    let mut distances = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let noise = || keyed_noise(pipeline, &keys.iter().map(|key| key.with(1 + index as u64)).collect::<Vec<_>>());
        let taken = step(pipeline, Some(bank), rule, latents[index].clone(), &conditions, None, Next::Draw(&noise));
        latents.push(taken.next);
        distances.push(taken.squared_distance);
    }
    Trajectory { slice: slice.clone(), latents, distances }
}

/// Sorts the rows of slices (`[members · slice, …]` each) by adapter: `[samples, …]` for each of them.
pub(crate) fn by_member<const D: usize>(slices: &[Tensor<D>], members: usize) -> Vec<Tensor<D>> {
    (0..members)
        .map(|member| {
            let part = |rows: &Tensor<D>| {
                let share = rows.dims()[0] / members;
                rows.clone().narrow(0, member * share, share)
            };
            Tensor::cat(slices.iter().map(part).collect(), 0)
        })
        .collect()
}
