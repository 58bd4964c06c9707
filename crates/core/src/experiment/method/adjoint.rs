//! Adjoint matching.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_stochastic, check_updates, differentiable};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Adjoint matching (Domingo-Enrich et al., 2409.08861), in the sampler's own steps: the rewards' gradient is carried back along each
/// image's course through the *base*, and what the adapter changes at each stochastic step is fitted to it. It aims at the base's
/// images weighed by exp(strength × reward), where the sampler forgets its noise: `FlowSde(noise: 1.4142)` does in many steps,
/// `Cps(eta: 1)` and `Ddim(eta: 1)` nearly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdjointSpec {
    /// How many of the sampler's stochastic steps are trained per epoch, drawn at random. Default: 3.
    pub train_steps: u32,
    /// Optimiser updates per epoch; divides `train_steps`. Default: 1.
    pub updates_per_epoch: u32,
    /// How much the rewards weigh, each in its standard deviations within prompts, against the distance to the base. Default: 1.
    pub strength: f64,
}

impl Default for AdjointSpec {
    fn default() -> Self {
        Self { train_steps: 3, updates_per_epoch: 1, strength: 1.0 }
    }
}

impl Method for AdjointSpec {
    fn name(&self) -> &'static str {
        "AdjointMatching"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("train_steps", Bounds::Whole(1, 999), Some(self.train_steps.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("strength", Bounds::Above(0.0, 1_000_000.0), Some(self.strength)),
        ]
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        differentiable::check_gradients(spec, field, self.name())?;
        check_stochastic(spec, field, self.train_steps)?;
        check_updates(field, self.updates_per_epoch, "train_steps", self.train_steps)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let steps = f64::from(spec.sampler.steps);
        let training = f64::from(self.train_steps);
        // Back through the base: a pass forward and backward for each step, as dear as three, and the steps that are trained among them.
        Passes { rollout: steps, training, reference: 3.0 * steps - training, base: training, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::AdjointMatching(Self { train_steps: 1, updates_per_epoch: 1, ..*self })
    }
}
