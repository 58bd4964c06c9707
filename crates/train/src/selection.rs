//! Which images of an epoch are trained on, and what they are to the method: advantages, weights or labels.
//!
//! An image's gradient is its advantage times a direction that is mostly noise: images of middling advantage cost as much
//! as any and teach little. For normal advantages the half with the largest magnitudes holds 93 % of their squares.

use std::ops::Range;

use burn::tensor::Tensor;
use moa_device::{from_host, indices_from_host};

use moa_core::experiment::AdvantageSpec;

use crate::Advantages;
use crate::batches::slices;
use crate::rollout::{Trajectory, by_member};

/// Rows of one pass through the trained denoiser: those of adapter 0 first.
pub(crate) struct TrainingSlice {
    /// Which sample of its adapter each row is.
    pub(crate) samples: Vec<usize>,
    /// What the rows are to the method, `[rows]`: see [`Choice::values`].
    pub(crate) values: Tensor<1>,
    /// The sample before each step and after the last, each `[rows, c, h, w]`.
    pub(crate) latents: Vec<Tensor<4>>,
    /// The mean of each step when it was drawn, where means are kept, each `[rows, c, h, w]`.
    pub(crate) means: Vec<Tensor<4>>,
    /// Mean squared distance of each step's next sample to its mean when it was drawn, each `[rows]`.
    pub(crate) distances: Vec<Tensor<1>>,
}

/// What is trained on of one run's images.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// Which images, in the order of rows.
    pub(crate) samples: Vec<usize>,
    /// What each is to the method: its advantage, its weight, the share of votes for it.
    pub(crate) values: Vec<f32>,
}

/// Returns the slices to train on: of every adapter the share of images with the largest advantages by magnitude, at least
/// one ([`AdvantageSpec::trained`]); all of them, as they were rolled out, for a share of 1.
pub(crate) fn select(
    trajectories: &[Trajectory],
    advantages: &[Advantages],
    spec: &AdvantageSpec,
    micro_batch: usize,
) -> Vec<TrainingSlice> {
    let count = advantages.first().map_or(0, |advantages| advantages.values.len());
    let keep = spec.trained(count);
    if keep == count {
        return trajectories.iter().map(|trajectory| whole(trajectory, advantages)).collect();
    }
    let choice = |advantages: &Advantages| {
        let samples = largest(&advantages.values, keep);
        Choice { values: samples.iter().map(|sample| advantages.values[*sample]).collect(), samples }
    };
    let choices: Vec<Choice> = advantages.iter().map(choice).collect();
    chosen(trajectories, &choices, 1, micro_batch)
}

/// Returns the slices of images that were chosen, as many of every adapter; each `unit` of neighbours stays together.
pub(crate) fn chosen(
    trajectories: &[Trajectory],
    choices: &[Choice],
    unit: usize,
    micro_batch: usize,
) -> Vec<TrainingSlice> {
    let members = choices.len();
    let latents = joined(trajectories, members, |trajectory| &trajectory.latents);
    let means = joined(trajectories, members, |trajectory| &trajectory.means);
    let distances = joined(trajectories, members, |trajectory| &trajectory.distances);
    let device = latents[0].device();
    let count = latents[0].dims()[0] / members;
    let slice = |units: Range<usize>| {
        let range = unit * units.start..unit * units.end;
        let of_range = |choice: &Choice| choice.samples[range.clone()].to_vec();
        let samples: Vec<usize> = choices.iter().flat_map(of_range).collect();
        let values: Vec<f32> = choices.iter().flat_map(|choice| choice.values[range.clone()].to_vec()).collect();
        let rows = samples.iter().enumerate().map(|(row, sample)| ((row / range.len()) * count + sample) as i64);
        let rows = indices_from_host(rows.collect(), &device);
        TrainingSlice {
            values: from_host(values, [samples.len()], &device),
            latents: latents.iter().map(|tensor| tensor.clone().select(0, rows.clone())).collect(),
            means: means.iter().map(|tensor| tensor.clone().select(0, rows.clone())).collect(),
            distances: distances.iter().map(|tensor| tensor.clone().select(0, rows.clone())).collect(),
            samples,
        }
    };
    let units = choices.first().map_or(0, |choice| choice.samples.len()) / unit;
    slices(units, members, micro_batch / unit).into_iter().map(slice).collect()
}

fn whole(trajectory: &Trajectory, advantages: &[Advantages]) -> TrainingSlice {
    let samples: Vec<usize> = advantages.iter().flat_map(|_| trajectory.slice.clone()).collect();
    let value = |(row, sample): (usize, &usize)| advantages[row / trajectory.slice.len()].values[*sample];
    let values: Vec<f32> = samples.iter().enumerate().map(value).collect();
    TrainingSlice {
        values: from_host(values, [samples.len()], &trajectory.latents[0].device()),
        latents: trajectory.latents.clone(),
        means: trajectory.means.clone(),
        distances: trajectory.distances.clone(),
        samples,
    }
}

/// Joins what slices keep of each step (`[members · slice, …]` each) to `[members · samples, …]`.
fn joined<const D: usize>(
    trajectories: &[Trajectory],
    members: usize,
    of: impl Fn(&Trajectory) -> &Vec<Tensor<D>>,
) -> Vec<Tensor<D>> {
    let steps = trajectories.first().map_or(0, |trajectory| of(trajectory).len());
    let step = |step: usize| {
        let slices: Vec<Tensor<D>> = trajectories.iter().map(|trajectory| of(trajectory)[step].clone()).collect();
        Tensor::cat(by_member(&slices, members), 0)
    };
    (0..steps).map(step).collect()
}

/// Returns the places of values, the largest first; of equal ones the first.
pub(crate) fn falling(values: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*j].total_cmp(&values[*i]).then(i.cmp(j)));
    order
}

/// Returns the places of the `keep` largest values by magnitude, rising; of equal ones the first.
pub(crate) fn largest(values: &[f32], keep: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*j].abs().total_cmp(&values[*i].abs()).then(i.cmp(j)));
    order.truncate(keep);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// Two adapters with five samples each in slices of two and three; a row's value says adapter, sample and step.
    fn trajectories() -> Vec<Trajectory> {
        let tensor = |slice: &Range<usize>, step: usize| {
            let values: Vec<f32> = (0..2usize)
                .flat_map(|member| slice.clone().map(move |sample| (100 * member + 10 * sample + step) as f32))
                .collect();
            let rows = values.len();
            Tensor::<4>::from_data(TensorData::new(values, [rows, 1, 1, 1]), &Device::flex())
        };
        let trajectory = |slice: Range<usize>| Trajectory {
            latents: (0..3).map(|step| tensor(&slice, step)).collect(),
            means: Vec::new(),
            distances: (0..2).map(|step| tensor(&slice, step).flatten(0, 3)).collect(),
            previous: None,
            slice,
        };
        vec![trajectory(0..2), trajectory(2..5)]
    }

    fn advantages() -> [Advantages; 2] {
        [[0.1, -2.0, 0.3, 1.0, 0.0], [1.5, 0.2, -0.1, 0.2, -3.0]]
            .map(|values| Advantages { values: values.to_vec(), silent_groups: 0.0 })
    }

    fn share(trained_share: f64) -> AdvantageSpec {
        AdvantageSpec { trained_share, ..AdvantageSpec::default() }
    }

    fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
        tensor.clone().into_data().try_into_vec().unwrap()
    }

    #[test]
    fn the_largest_advantages_keep_their_own_trajectories() {
        let found = select(&trajectories(), &advantages(), &share(0.4), 100);
        let [slice] = &found[..] else { panic!("{} slices", found.len()) };
        assert_eq!(slice.samples, [1, 3, 0, 4]);
        assert_eq!(host(&slice.values), [-2.0, 1.0, 1.5, -3.0]);
        assert_eq!(host(&slice.latents[2]), [12.0, 32.0, 102.0, 142.0]);
        assert_eq!(host(&slice.distances[1]), [11.0, 31.0, 101.0, 141.0]);
        assert_eq!(select(&trajectories(), &advantages(), &share(0.4), 2).len(), 2, "slices keep to the micro-batch");
    }

    #[test]
    fn a_share_of_one_changes_nothing() {
        let found = select(&trajectories(), &advantages(), &share(1.0), 2);
        assert_eq!(found.len(), 2, "the slices of the rollout");
        assert_eq!(found[1].samples, [2, 3, 4, 2, 3, 4]);
        assert_eq!(host(&found[1].values), [0.3, 1.0, 0.0, -0.1, 0.2, -3.0]);
        assert_eq!(host(&found[1].latents[0]), [20.0, 30.0, 40.0, 120.0, 130.0, 140.0]);
    }

    #[test]
    fn at_least_one_picture_is_trained_on() {
        let found = select(&trajectories(), &advantages(), &share(1e-9), 100);
        assert_eq!(found[0].samples, [1, 4]);
    }
}
