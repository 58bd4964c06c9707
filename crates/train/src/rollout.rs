//! Rollouts: trajectories of images for all adapters of a bank.

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
    /// Images per prompt.
    pub(crate) group: usize,
}

impl TextStates {
    /// Returns the conditions of samples, one per row.
    pub(crate) fn conditions(&self, samples: &[usize]) -> Conditions {
        let prompts: Vec<usize> = samples.iter().map(|sample| sample / self.group).collect();
        Conditions { context: self.prompts.select(&prompts), guidance: self.guidance.clone() }
    }
}

/// The trajectories of one slice of samples for all adapters, from some step on: rows of adapter 0 first.
pub(crate) struct Trajectory {
    /// Which samples.
    pub(crate) slice: Range<usize>,
    /// The sample before each step that is kept and after the last, each `[members · slice, c, h, w]`.
    pub(crate) latents: Vec<Tensor<4>>,
    /// The mean of each step that is kept, where means are, each `[members · slice, c, h, w]`.
    pub(crate) means: Vec<Tensor<4>>,
    /// Mean squared distance of each step's next sample to its mean, each `[members · slice]`.
    pub(crate) distances: Vec<Tensor<1>>,
    /// What the step before the first that is kept leaves to it (see `moa_diffusion::sampler::Step::kept`).
    pub(crate) previous: Option<Tensor<4>>,
}

impl Trajectory {
    /// Returns the sample after the last step.
    pub(crate) fn last(&self) -> &Tensor<4> {
        self.latents
            .last()
            .unwrap_or_else(|| unreachable!("a trajectory has a sample, if only the noise that it starts from"))
    }
}

/// Returns the samples after the last step, one tensor per slice.
pub(crate) fn finished(trajectories: &[Trajectory]) -> Vec<Tensor<4>> {
    trajectories.iter().map(|trajectory| trajectory.last().clone()).collect()
}

/// Returns the finished samples of a range, by adapter: `[range, c, h, w]` for each. All of them must be in the trajectories.
pub(crate) fn samples_of(trajectories: &[Trajectory], members: usize, range: &Range<usize>) -> Vec<Tensor<4>> {
    let of_member = |member: usize| {
        let parts = trajectories.iter().filter_map(|trajectory| {
            let slice = &trajectory.slice;
            let (start, end) = (slice.start.max(range.start), slice.end.min(range.end));
            let row = member * slice.len() + start.saturating_sub(slice.start);
            (start < end).then(|| trajectory.last().clone().narrow(0, row, end - start))
        });
        Tensor::cat(parts.collect(), 0)
    };
    (0..members).map(of_member).collect()
}

/// What is kept of a trajectory.
#[derive(Clone, Copy)]
pub(crate) struct Keep {
    /// The first step.
    pub(crate) from: usize,
    /// Whether means are kept.
    pub(crate) means: bool,
}

/// Rolls out one slice: `keys` name the noise of every row.
pub(crate) fn roll_out(
    pipeline: &Pipeline,
    bank: &AdapterBank,
    rules: &[StepRule],
    texts: &TextStates,
    slice: &Range<usize>,
    keys: &[NoiseKey],
    keep: Keep,
) -> Trajectory {
    let samples: Vec<usize> = (0..bank.members()).flat_map(|_| slice.clone()).collect();
    let conditions = texts.conditions(&samples);
    let mut x = keyed_noise(pipeline, keys);
    let mut previous = None;
    let mut kept = Trajectory {
        slice: slice.clone(),
        latents: Vec::new(),
        means: Vec::new(),
        distances: Vec::new(),
        previous: None,
    };
    for (index, rule) in rules.iter().enumerate() {
        if index == keep.from {
            kept.previous.clone_from(&previous);
        }
        let noise = || keyed_noise(pipeline, &keys.iter().map(|key| key.with(1 + index as u64)).collect::<Vec<_>>());
        let taken = step(pipeline, Some(bank), rule, x.clone(), &conditions, previous.as_ref(), Next::Draw(&noise));
        if index >= keep.from {
            kept.latents.push(x);
            kept.distances.push(taken.squared_distance);
            if keep.means {
                kept.means.push(taken.mean);
            }
        }
        (x, previous) = (taken.next, Some(taken.kept));
    }
    if keep.from >= rules.len() {
        kept.previous = previous;
    }
    kept.latents.push(x);
    kept
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

/// Sorts adapters' rows (`[samples, …]` each) by slice: the inverse of [`by_member`].
pub(crate) fn by_slice<const D: usize>(members: &[Tensor<D>], slices: &[Range<usize>]) -> Vec<Tensor<D>> {
    let slice = |slice: &Range<usize>| {
        let part = |rows: &Tensor<D>| rows.clone().narrow(0, slice.start, slice.len());
        Tensor::cat(members.iter().map(part).collect(), 0)
    };
    slices.iter().map(slice).collect()
}
