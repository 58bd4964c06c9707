//! Whole groups of a prompt's images, by what the denoising loss implies.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// The reward that an adapter implies, β·(the base's denoising loss − its own), held against advantages over whole groups: of each
/// prompt's images, at one noise level and with one noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSpec {
    /// How it is held against them. Default: `Preference`.
    pub loss: GroupLoss,
    /// Noise levels that each group is trained at per epoch, drawn at random. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
    /// β: by what the difference of mean squared errors to the base's is multiplied. Default: 1000.
    pub beta: f64,
}

/// How implied rewards are held against advantages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupLoss {
    /// The group's images, weighted by advantage, are preferred as one pair is: −ln σ(mean of advantage × implied reward)
    /// (DGPO, 2510.08425).
    #[default]
    Preference,
    /// Implied rewards, centred over the group, are fitted to centred advantages (CRD, 2603.14128).
    Regression,
}

impl Default for GroupSpec {
    fn default() -> Self {
        Self { loss: GroupLoss::default(), levels: 2, updates_per_epoch: 1, beta: 1000.0 }
    }
}

impl Method for GroupSpec {
    fn name(&self) -> &'static str {
        "Group"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("beta", super::BETA, Some(self.beta)),
        ]
    }

    fn check(&self, _: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let training = f64::from(self.levels);
        Passes { rollout: spec.sampler.steps.into(), training, base: training, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::Group(Self { levels: 1, updates_per_epoch: 1, ..*self })
    }
}
