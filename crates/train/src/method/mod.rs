//! The training methods, one file each: what a method draws and scores in an epoch, and the loss of each pass that it trains.
//!
//! A method reads like its paper: [`Method::gather`] is what happens before the update, [`Pass::loss`] is the formula. Bank, threads,
//! optimiser, averages, checkpoints, probes and guard are the trainer's. To add one: its settings in `core/src/experiment/method`, its
//! file here, a line in [`method`].

mod adjoint;
mod awm;
mod d3po;
mod differentiable;
mod dpo;
mod forward;
mod group;
mod implied;
mod kto;
mod mixed;
mod nft;
mod pairs;
mod policy_gradient;
mod reward_weighted;

#[cfg(test)]
mod golden_tests;

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::MethodSpec;
use moa_optimiser::{StateError, StateReader, StateWriter};

use crate::TrainError;
use crate::course::Course;
use crate::epoch::{Epoch, RunScores};
use crate::factors::Factors;
use crate::report::Report;
use crate::statistics::Statistics;
use crate::trainer::EpochMetrics;
use crate::world::World;

pub(crate) use forward::Noised;
pub(crate) use pairs::{share, votes};

/// What a method has gathered in an epoch.
pub(crate) struct Gathered {
    /// The scores of the images drawn.
    pub(crate) scores: RunScores,
    /// Metrics of the method's own, by run.
    pub(crate) metrics: Vec<EpochMetrics>,
    /// What each update of the adapters trains on.
    pub(crate) updates: Vec<Vec<Box<dyn Pass>>>,
}

/// A training method.
pub(crate) trait Method: Send + Sync {
    /// Draws and scores an epoch's images.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn or scored.
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError>;

    /// Returns how the images that [`Method::gather`] scores come about in an epoch.
    fn course(&self, epoch: &Epoch<'_>) -> Course {
        Course::whole(epoch.world.sampler.rules())
    }

    /// Looks at what an update saw, before the adapters change.
    ///
    /// # Errors
    /// Says what cannot be.
    fn check(&self, _world: &World<'_>, _update: usize, _rows: &Rows) -> Result<(), TrainError> {
        Ok(())
    }

    /// Is told how an epoch ended: the adapters after it, and every run's metrics.
    fn after(&mut self, _epoch: u32, _policy: &Factors, _metrics: &[EpochMetrics]) {}

    /// Goes on with the runs at `places` alone.
    fn keep(&mut self, _places: &[usize]) {}

    /// Adds the method's own state to a checkpoint.
    fn save(&self, _file: &mut StateWriter) {}

    /// Takes it from one.
    ///
    /// # Errors
    /// Refuses state that is incomplete or of another shape.
    fn load(&mut self, _file: &StateReader<'_>, _like: &Factors, _world: &World<'_>) -> Result<(), StateError> {
        Ok(())
    }
}

/// Some rows of every run that pass through the trained denoiser together.
pub(crate) trait Pass: Send + Sync {
    /// Returns the rows, of all runs.
    fn rows(&self) -> usize;

    /// Returns the reward that the pass is about alone; of such passes the gradients are combined by reward.
    fn reward(&self) -> Option<usize> {
        None
    }

    /// Returns the loss of the rows: a mean over all rows that the update trains on of a run, so that the losses of an update's passes
    /// add up to it.
    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss;
}

/// What a pass computes.
pub(crate) struct Loss {
    /// Summed over the pass's rows and runs, `[1]`, with autodiff.
    pub(crate) total: Tensor<1>,
    /// What is reported of the rows.
    pub(crate) reports: Vec<Report>,
}

/// What an update saw of its rows: by metric, a list for each run.
pub(crate) type Rows = BTreeMap<&'static str, Vec<Vec<f32>>>;

/// Returns the method that an experiment asks for; `policy` are the factors before training.
pub(crate) fn method(spec: &MethodSpec, policy: &Factors) -> Box<dyn Method> {
    let members = policy.values().next().map_or(0, |factor| factor.dims()[0]);
    match spec {
        MethodSpec::PolicyGradient(spec) => Box::new(policy_gradient::PolicyGradient { spec: *spec }),
        MethodSpec::Differentiable(spec) => Box::new(differentiable::Differentiable { spec: *spec }),
        MethodSpec::Mixed(spec) => Box::new(mixed::Mixed { spec: *spec }),
        MethodSpec::Nft(spec) => Box::new(nft::Nft::new(*spec, policy)),
        MethodSpec::Awm(spec) => Box::new(awm::Awm { spec: *spec }),
        MethodSpec::RewardWeighted(spec) => Box::new(reward_weighted::RewardWeighted { spec: *spec }),
        MethodSpec::Dpo(spec) => Box::new(dpo::Dpo { spec: spec.clone() }),
        MethodSpec::D3po(spec) => Box::new(d3po::D3po { spec: *spec }),
        MethodSpec::Kto(spec) => Box::new(kto::Kto::new(spec.clone(), members)),
        MethodSpec::Group(spec) => Box::new(group::Group { spec: *spec }),
        MethodSpec::AdjointMatching(spec) => Box::new(adjoint::AdjointMatching { spec: *spec }),
    }
}

/// Returns the mean of squares of each row, `[rows]`.
fn mean_squares(x: Tensor<4>) -> Tensor<1> {
    let [rows, ..] = x.dims();
    x.powi_scalar(2).reshape([rows as i64, -1]).mean_dim(1).reshape([rows])
}

/// Returns the passes of an epoch's updates over steps of the sampler: each slice at every step of its update.
///
/// - `made`: the pass of a slice at a step, in an update of so many steps
fn by_step<S>(
    steps: &[usize],
    updates: u32,
    slices: &[S],
    made: impl Fn(&S, usize, usize) -> Box<dyn Pass>,
) -> Vec<Vec<Box<dyn Pass>>> {
    let of_update = |steps: Vec<usize>| {
        let pairs = slices.iter().flat_map(|slice| steps.iter().map(move |index| (slice, *index)));
        pairs.map(|(slice, index)| made(slice, index, steps.len())).collect()
    };
    shared_out(steps, updates).into_iter().map(of_update).collect()
}

/// Shares the parts of what is trained out among an epoch's updates, as evenly as they divide.
fn shared_out(parts: &[usize], updates: u32) -> Vec<Vec<usize>> {
    let share = parts.len().div_ceil(updates.max(1) as usize).max(1);
    parts.chunks(share).map(<[usize]>::to_vec).collect()
}
