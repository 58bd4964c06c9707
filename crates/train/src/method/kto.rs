//! Diffusion-KTO (Li et al., 2404.04465): single images are good or bad. The utility of the reward that the adapter implies is taken
//! against the mean that it implies of all, from the epoch before.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::sigmoid};
use moa_core::experiment::{KtoSpec, LabelSource, PreferenceFile};
use moa_core::metric;
use moa_device::from_host;
use moa_optimiser::{StateError, StateReader, StateWriter};

use super::forward::{Drawn, passes};
use super::implied::{ImpliedPass, Judge, Judged, stored};
use super::pairs::good;
use super::{Gathered, Method};
use crate::TrainError;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::selection::{Choice, largest};
use crate::state::{load_list, save_list};
use crate::statistics::Statistics;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// How much of the mean stays when an epoch adds its own.
const DECAY: f32 = 0.9;

/// The method, with the mean of the rewards that each run's adapter implies.
pub(crate) struct Kto {
    spec: KtoSpec,
    means: Vec<f32>,
}

impl Kto {
    pub(crate) fn new(spec: KtoSpec, members: usize) -> Self {
        Self { spec, means: vec![0.0; members] }
    }
}

impl Method for Kto {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let KtoSpec { labels, mix, levels, updates_per_epoch, beta } = &self.spec;
        let judge = |rows: usize| -> Judge {
            let share = rows / self.means.len();
            let means: Vec<f32> = self.means.iter().flat_map(|mean| std::iter::repeat_n(*mean, share)).collect();
            let means = from_host(means, [rows], epoch.world.device());
            Arc::new(move |implied, values| Judged {
                losses: utility(implied, means.clone(), values),
                reports: Vec::new(),
            })
        };
        if let LabelSource::File(PreferenceFile { decided_by, .. }) = labels {
            let file = epoch.world.stored();
            let units = [1, file.units(epoch)];
            let slices = file.slices(epoch, *decided_by, *mix)?;
            return stored(epoch, slices, [*levels, *updates_per_epoch], units, *beta, &judge);
        }
        let drawn = Drawn::new(epoch, policy, statistics)?;
        let count = epoch.world.spec.training.advantages.trained(epoch.samples());
        let choice = |(run, good): (usize, Vec<f32>)| {
            let samples = largest(&drawn.advantages[run].values, count);
            Choice { values: samples.iter().map(|sample| good[*sample]).collect(), samples }
        };
        let choices: Vec<Choice> = good(epoch, &drawn, *mix).into_iter().enumerate().map(choice).collect();
        let slices = drawn.chosen(epoch, &choices, 1);
        let updates = passes(epoch, &slices, [*levels, *updates_per_epoch], 1, &|rows, levels, _| {
            let judge = judge(rows.rows());
            Ok(Box::new(ImpliedPass::new(rows, *beta, [1, count, levels], judge)))
        })?;
        Ok(drawn.gathered(updates))
    }

    fn after(&mut self, _: u32, _: &Factors, metrics: &[EpochMetrics]) {
        for (mean, metrics) in self.means.iter_mut().zip(metrics) {
            if let Some(seen) = metrics.get(metric::IMPLIED_REWARD) {
                *mean = *mean * DECAY + *seen as f32 * (1.0 - DECAY);
            }
        }
    }

    fn keep(&mut self, places: &[usize]) {
        self.means = places.iter().map(|place| self.means[*place]).collect();
    }

    fn save(&self, file: &mut StateWriter) {
        save_list(file, PART, &self.means);
    }

    fn load(&mut self, file: &StateReader<'_>, _: &Factors, _: &World<'_>) -> Result<(), StateError> {
        load_list(file, PART, &mut self.means)
    }
}

const PART: &str = "implied/means";

/// Returns each row's loss −g·σ(r − z) − (1 − g)·σ(z − r), `[rows]`.
///
/// - `means`: z, what the policy implies on the whole, at least 0; `good`: g, the share of votes that call the image good
pub(super) fn utility(implied: Tensor<1>, means: Tensor<1>, good: Tensor<1>) -> Tensor<1> {
    let above = implied - Tensor::from_inner(means.clamp_min(0.0));
    let good = Tensor::from_inner(good);
    let bad = good.clone().neg() + 1.0;
    (good * sigmoid(above.clone()) + bad * sigmoid(above.neg())).neg()
}
