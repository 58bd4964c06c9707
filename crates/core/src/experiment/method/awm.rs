//! Advantage-weighted matching.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Advantage-weighted matching (Xue et al., 2509.25050): policy gradient whose log-probability is minus the denoising loss at a
/// random noise level, so that any sampler draws its images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwmSpec {
    /// Noise levels that each image is trained at per epoch, drawn at random. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
    /// Half-width of the clipped ratio of exp(−loss), new to old. Default: 0.2.
    pub clip: f64,
}

impl Default for AwmSpec {
    fn default() -> Self {
        Self { levels: 2, updates_per_epoch: 1, clip: 0.2 }
    }
}

impl Method for AwmSpec {
    fn name(&self) -> &'static str {
        "Awm"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("clip", Bounds::Above(0.0, 1.0), Some(self.clip)),
        ]
    }

    fn check(&self, _: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let levels = f64::from(self.levels);
        // Before the first update old and new are one.
        let reference = if self.updates_per_epoch > 1 { levels } else { 0.0 };
        let rollout = spec.sampler.steps.into();
        Passes { rollout, training: levels, reference, selects: true, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::Awm(Self { levels: 1, updates_per_epoch: 1, ..*self })
    }
}
