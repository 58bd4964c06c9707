//! The gradient of rewards that have one, and policy gradient for the others.

use serde::{Deserialize, Serialize};

use super::{DifferentiableSpec, Method, MethodSpec, Number, Passes, PolicyGradientSpec, Through};
use crate::experiment::ExperimentSpec;
use crate::experiment::finding::Finding;

/// Both ways in one run: what has a gradient is differentiated, what has none gets advantages, and each pulls as its share says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixedSpec {
    /// For rewards without a gradient; `updates_per_epoch` is 1.
    pub policy_gradient: PolicyGradientSpec,
    /// For rewards with a gradient; through the last steps of the same images.
    pub differentiable: DifferentiableSpec,
}

impl Method for MixedSpec {
    fn name(&self) -> &'static str {
        "Mixed"
    }

    fn numbers(&self) -> Vec<Number> {
        let policy = [
            "policy_gradient.train_steps",
            "policy_gradient.updates_per_epoch",
            "policy_gradient.clip",
            "policy_gradient.window",
            "policy_gradient.window.steps",
            "policy_gradient.window.every",
        ];
        let gradient = ["differentiable.through", "differentiable.through.from", "differentiable.through.to"];
        let renamed = |(name, (_, bounds, value)): (&'static str, Number)| (name, bounds, value);
        let policy = policy.into_iter().zip(self.policy_gradient.listed());
        policy.chain(gradient.into_iter().zip(self.differentiable.listed())).map(renamed).collect()
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        let policy = format!("{field}.policy_gradient");
        self.policy_gradient.check(spec, &policy)?;
        if self.policy_gradient.updates_per_epoch != 1 {
            let way_out = "give 1: both gradients are added up to one update";
            let value = self.policy_gradient.updates_per_epoch.to_string();
            return Err(Finding::value(format!("{policy}.updates_per_epoch"), value, way_out));
        }
        let gradient = format!("{field}.differentiable");
        if !matches!(self.differentiable.through, Through::LastSteps(_) | Through::Random(_)) {
            let way_out = "give LastSteps(1) or Random(4): the images are those that advantages are taken of";
            return Err(Finding::state(format!("{gradient}.through"), "LowVariance or SingleStep", way_out));
        }
        self.differentiable.check_steps(spec, &gradient)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let policy = self.policy_gradient.passes(spec);
        let share = spec.training.advantages.trained_share;
        let training = policy.training * share + self.differentiable.cost(spec.sampler.steps).training;
        Passes { training, selects: false, ..policy }
    }

    fn smallest(&self) -> MethodSpec {
        let (policy_gradient, differentiable) = (self.policy_gradient.least(), self.differentiable.least());
        MethodSpec::Mixed(Self { policy_gradient, differentiable })
    }
}
