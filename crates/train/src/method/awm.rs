//! Advantage-weighted matching (Xue et al., 2509.25050): policy gradient with log p := −mean‖m − m*‖², the denoising loss at a random
//! level; the same level and noise for the old and the new policy. What it pretrained on is what it is aligned on.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::AwmSpec;
use moa_core::metric;
use moa_diffusion::sampler::predict;

use super::forward::{Drawn, Noised, NoisedSlice, passes, weight};
use super::{Gathered, Loss, Method, Pass};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::report::Report;
use crate::statistics::Statistics;
use crate::surrogate::{clipped, outside};
use crate::world::World;

/// The method.
pub(crate) struct Awm {
    pub(crate) spec: AwmSpec,
}

impl Method for Awm {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let AwmSpec { levels, updates_per_epoch, clip } = self.spec;
        let world = epoch.world;
        let drawn = Drawn::new(epoch, policy, statistics)?;
        let bank = world.bank(policy);
        let selected = drawn.selected(epoch);
        let updates = passes(epoch, &selected, [levels, updates_per_epoch], 1, &|rows, levels, update| {
            // In the first update the old policy is the one that is trained: its loss is the new one's own.
            let old = (update > 0).then(|| {
                let Noised { x, timesteps, .. } = &rows.noised;
                let output = predict(world.pipeline, Some(&bank), x.clone(), timesteps, &rows.conditions);
                epoch.meter.forward(rows.rows());
                rows.error(output)
            });
            Ok(Box::new(AwmPass { rows, old, range: clip, weight: weight(epoch, levels) }))
        })?;
        Ok(drawn.gathered(updates))
    }
}

/// Noised images whose denoising loss is weighted by advantage.
struct AwmPass {
    rows: NoisedSlice,
    /// The old policy's loss, `[rows]`.
    old: Option<Tensor<1>>,
    range: f64,
    weight: f32,
}

impl Pass for AwmPass {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let NoisedSlice { noised, conditions, slice } = &self.rows;
        let Noised { x, timesteps, .. } = noised;
        let output = predict(world.pipeline, Some(bank), x.clone(), timesteps, conditions);
        let error = self.rows.error(output.clone());
        let losses = Report::all(metric::LOSS, &error);
        let ratio = matching_ratio(error, self.old.clone());
        let range = self.range;
        let mut reports = vec![
            losses,
            Report::all(metric::CLIP_FRACTION, &ratio).mapped(move |ratio| outside(ratio, range)),
            Report::all(metric::RATIO_MEAN, &ratio),
        ];
        let surrogate = clipped(ratio, slice.values.clone(), self.range);
        let mut total = surrogate.sum() * self.weight;
        if let Some(anchor) = Anchor::of(world, x, timesteps, conditions, &output) {
            total = total + anchor.penalty(self.weight);
            reports.push(anchor.report(1.0));
        }
        Loss { total, reports }
    }
}

/// Returns each row's ratio exp(log p_new − log p_old) with log p = −error, `[rows]`; without an old policy's error the new one's own,
/// at which the ratio is 1 and its gradient that of log p.
pub(super) fn matching_ratio(error: Tensor<1>, old: Option<Tensor<1>>) -> Tensor<1> {
    let old = old.map_or_else(|| error.clone().detach(), Tensor::from_inner);
    (old - error).exp()
}
