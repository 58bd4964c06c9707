//! Diffusion-DPO (Wallace et al., 2311.12908): of two images of a prompt, noised alike, the better one's denoising loss should fall below
//! the base's by more than the worse one's. Pairs are the adapter's own or a file's.

use std::sync::Arc;

use moa_core::experiment::{DpoSpec, PairSource, PreferenceFile};

use super::forward::{Drawn, passes};
use super::implied::{ImpliedPass, Judge, preference, stored};
use super::pairs::pairs;
use super::{Gathered, Method};
use crate::TrainError;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::statistics::Statistics;

/// The method.
pub(crate) struct Dpo {
    pub(crate) spec: DpoSpec,
}

impl Method for Dpo {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let DpoSpec { pairs: source, mix, levels, updates_per_epoch, beta } = &self.spec;
        let judge: Judge = Arc::new(preference);
        let per_prompt = match source {
            PairSource::Own { per_prompt } => per_prompt,
            PairSource::File(PreferenceFile { decided_by, .. }) => {
                let file = epoch.world.stored();
                let units = [2, file.units(epoch)];
                let slices = file.slices(epoch, *decided_by, *mix)?;
                return stored(epoch, slices, [*levels, *updates_per_epoch], units, *beta, &|_| judge.clone());
            }
        };
        let drawn = Drawn::new(epoch, policy, statistics)?;
        let choices = pairs(epoch, &drawn, *per_prompt, *mix);
        let count = choices.first().map_or(2, |choice| choice.samples.len()) / 2;
        let slices = drawn.chosen(epoch, &choices, 2);
        let updates = passes(epoch, &slices, [*levels, *updates_per_epoch], 2, &|rows, levels, _| {
            Ok(Box::new(ImpliedPass::new(rows, *beta, [2, count, levels], judge.clone())))
        })?;
        Ok(drawn.gathered(updates))
    }
}
