//! DiffusionNFT (Zheng et al., 2509.16117): a positive and a negative policy, implied by the trained one and the one that drew, are
//! fitted to good and bad images in the forward process. No trajectories, no densities, any sampler.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::NftSpec;
use moa_core::metric;
use moa_diffusion::sampler::predict;
use moa_optimiser::{Average, StateError, StateReader, StateWriter};

use super::forward::{Drawn, Noised, NoisedSlice, passes, weight};
use super::{Gathered, Loss, Method, Pass, mean_squares};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::epoch::Epoch;
use crate::factors::{Factors, members};
use crate::report::Report;
use crate::statistics::Statistics;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// Errors count at least this much in the weights of the two fits.
const LEAST_ERROR: f64 = 1e-5;

/// The method, with the policy that draws.
pub(crate) struct Nft {
    spec: NftSpec,
    old: Average<3>,
}

impl Nft {
    pub(crate) fn new(spec: NftSpec, policy: &Factors) -> Self {
        Self { spec, old: Average::of(policy) }
    }
}

impl Method for Nft {
    fn gather(&self, epoch: &Epoch<'_>, _: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let NftSpec { levels, updates_per_epoch, beta, .. } = self.spec;
        let drawn = Drawn::new(epoch, self.old.tensors(), statistics)?;
        let old = epoch.world.bank(self.old.tensors());
        let most = epoch.world.spec.training.advantages.clip;
        let updates = passes(epoch, &drawn.selected(epoch), [levels, updates_per_epoch], 1, &|rows, levels, _| {
            Ok(Box::new(NftPass { rows, old: old.clone(), beta: beta as f32, most, weight: weight(epoch, levels) }))
        })?;
        Ok(drawn.gathered(updates))
    }

    fn after(&mut self, epoch: u32, policy: &Factors, _: &[EpochMetrics]) {
        self.old.follow(policy, self.spec.decay(epoch));
    }

    fn keep(&mut self, places: &[usize]) {
        self.old = Average::of(&members(self.old.tensors(), places));
    }

    fn save(&self, file: &mut StateWriter) {
        file.add_all("old", self.old.tensors());
    }

    fn load(&mut self, file: &StateReader<'_>, like: &Factors, world: &World<'_>) -> Result<(), StateError> {
        self.old = Average::of(&file.all("old", like, world.device())?);
        Ok(())
    }
}

/// Noised images that the trained policy is fitted to.
struct NftPass {
    rows: NoisedSlice,
    old: AdapterBank,
    beta: f32,
    /// Advantages of this size are certain.
    most: f64,
    weight: f32,
}

impl Pass for NftPass {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let NoisedSlice { noised, conditions, slice } = &self.rows;
        let Noised { x, timesteps, .. } = noised;
        let sample = slice.latents[0].clone();
        let new = predict(world.pipeline, Some(bank), x.clone(), timesteps, conditions);
        let old = predict(world.pipeline, Some(&self.old), x.clone(), timesteps, conditions);
        let good = optimality(slice.values.clone(), self.most);
        let row = nft(noised, new.clone(), old, &sample, good.clone(), self.beta) * self.most as f32;
        let mut reports = vec![Report::all(metric::LOSS, &row), Report::all(metric::GOOD_SHARE, &good)];
        let mut total = row.sum() * self.weight;
        if let Some(anchor) = Anchor::of(world, x, timesteps, conditions, &new) {
            total = total + anchor.penalty(self.weight);
            reports.push(anchor.report(1.0));
        }
        Loss { total, reports }
    }
}

/// Returns the probability that an image is a good one, r = clamp(A / 2A_max + ½, 0, 1), `[rows]`.
pub(super) fn optimality(advantages: Tensor<1>, most: f64) -> Tensor<1> {
    (advantages * (0.5 / most) + 0.5).clamp(0.0, 1.0)
}

/// Returns each row's loss r·‖x̂₀⁺ − x₀‖²/(β·w⁺) + (1−r)·‖x̂₀⁻ − x₀‖²/(β·w⁻): means over dimensions, with v± = (1∓β)·v_old ± β·v and w±
/// the mean absolute error of x̂₀±, without a gradient.
pub(super) fn nft(
    noised: &Noised,
    new: Tensor<4>,
    old: Tensor<4>,
    sample: &Tensor<4>,
    good: Tensor<1>,
    beta: f32,
) -> Tensor<1> {
    let fit = |output: Tensor<4>| {
        let off = noised.cleaned(output) - sample.clone();
        let [rows, ..] = off.dims();
        let error = off.clone().detach().abs().reshape([rows as i64, -1]).mean_dim(1).reshape([rows]);
        mean_squares(off) / error.clamp_min(LEAST_ERROR)
    };
    let positive = fit(old.clone() * (1.0 - beta) + new.clone() * beta);
    let negative = fit(old * (1.0 + beta) - new * beta);
    let bad = good.clone().neg() + 1.0;
    (good * positive + bad * negative) / beta
}
