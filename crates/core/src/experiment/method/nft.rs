//! DiffusionNFT: good and bad images contrasted in the forward process.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// DiffusionNFT (Zheng et al., 2509.16117): needs no densities, so any sampler draws its images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NftSpec {
    /// Noise levels that each image is trained at per epoch, drawn at random. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
    /// β: how far the two implied policies lie from the old one. Default: 1.
    pub beta: f64,
    /// The policy that draws follows the trained one with decay min(rate × epoch, most). Default: 0.001.
    pub old_rate: f64,
    /// The largest decay. Default: 0.5.
    pub old_most: f64,
}

impl Default for NftSpec {
    fn default() -> Self {
        Self { levels: 2, updates_per_epoch: 1, beta: 1.0, old_rate: 0.001, old_most: 0.5 }
    }
}

impl NftSpec {
    /// Returns how much of the old policy stays after an epoch.
    pub fn decay(&self, epoch: u32) -> f64 {
        (self.old_rate * f64::from(epoch)).min(self.old_most)
    }
}

impl Method for NftSpec {
    fn name(&self) -> &'static str {
        "Nft"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("beta", Bounds::Above(0.0, 100.0), Some(self.beta)),
            ("old_rate", Bounds::Closed(0.0, 1.0), Some(self.old_rate)),
            ("old_most", Bounds::Below(0.0, 1.0), Some(self.old_most)),
        ]
    }

    fn check(&self, _: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let (rollout, levels) = (spec.sampler.steps.into(), self.levels.into());
        Passes { rollout, training: levels, reference: levels, selects: true, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::Nft(Self { levels: 1, updates_per_epoch: 1, ..*self })
    }
}
