//! The rewards' own gradient, through decoder and sampler.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_step};
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;
use crate::experiment::{ExperimentSpec, RewardSpec};

/// Training through differentiable rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DifferentiableSpec {
    /// Through which of the sampler's steps the gradient goes. Default: `LastSteps(1)`.
    pub through: Through,
}

/// Through which of the sampler's steps the gradient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Through {
    /// The last k (DRaFT-K, 2309.17400): 1 gives the most for its cost.
    LastSteps(u32),
    /// The last one, n times: the finished sample is noised again to that step's level with noise of its own each time (DRaFT-LV).
    LowVariance(u32),
    /// A number of last steps that is drawn for each epoch, 1 to this (AlignProp, 2310.03739).
    Random(u32),
    /// One step drawn for each epoch, from which the clean sample is predicted in one go (ReFL, 2304.05977). Steps count from 1.
    SingleStep {
        /// The earliest.
        from: u32,
        /// The latest, at most `sampler.steps`.
        to: u32,
    },
}

impl Default for Through {
    fn default() -> Self {
        Self::LastSteps(1)
    }
}

impl DifferentiableSpec {
    /// Returns the settings as fields below the method's.
    pub(super) fn listed(&self) -> [Number; 3] {
        let whole = Bounds::Whole(1, 1000);
        let (count, from, to) = match self.through {
            Through::LastSteps(count) | Through::LowVariance(count) | Through::Random(count) => {
                (Some(count), None, None)
            }
            Through::SingleStep { from, to } => (None, Some(from), Some(to)),
        };
        [
            ("through", whole, count.map(f64::from)),
            ("through.from", whole, from.map(f64::from)),
            ("through.to", whole, to.map(f64::from)),
        ]
    }

    /// Returns the settings with as few passes as there can be.
    pub(super) fn least(&self) -> Self {
        let through = match self.through {
            Through::LastSteps(_) | Through::Random(_) => Through::LastSteps(1),
            Through::LowVariance(_) => Through::LowVariance(1),
            Through::SingleStep { .. } => Through::SingleStep { from: 1, to: 1 },
        };
        Self { through }
    }

    /// Refuses steps that the sampler does not have.
    pub(super) fn check_steps(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        match self.through {
            Through::LastSteps(count) | Through::Random(count) => check_step(&format!("{field}.through"), count, spec),
            Through::LowVariance(_) => Ok(()),
            Through::SingleStep { from, to } => {
                check_step(&format!("{field}.through.to"), to, spec)?;
                if from > to {
                    let way_out = format!("give at most {to}, which {field}.through.to is");
                    return Err(Finding::value(format!("{field}.through.from"), from.to_string(), way_out));
                }
                Ok(())
            }
        }
    }

    /// Returns what an image costs with a sampler of so many steps.
    pub(super) fn cost(&self, steps: u32) -> Passes {
        let steps = f64::from(steps);
        let (rollout, training) = match self.through {
            Through::LastSteps(count) => (steps, f64::from(count)),
            Through::LowVariance(count) => (steps + f64::from(count), f64::from(count)),
            Through::Random(most) => (steps, f64::from(most + 1) / 2.0),
            Through::SingleStep { from, to } => (f64::from(from + to) / 2.0, 1.0),
        };
        Passes { rollout, training, ..Passes::default() }
    }
}

impl Method for DifferentiableSpec {
    fn name(&self) -> &'static str {
        "Differentiable"
    }

    fn numbers(&self) -> Vec<Number> {
        self.listed().to_vec()
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        self.check_steps(spec, field)?;
        check_gradients(spec, field, self.name())
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        self.cost(spec.sampler.steps)
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::Differentiable(self.least())
    }
}

/// Refuses rewards that count and have no gradient, for a method that needs one.
pub(super) fn check_gradients(spec: &ExperimentSpec, field: &str, method: &str) -> Result<(), Finding> {
    let weightings = spec.weightings();
    let held = |name: &String| spec.constraints.iter().any(|constraint| constraint.reward == *name);
    let weighted = |index: usize| {
        held(&spec.rewards[index].name)
            || weightings.iter().any(|(_, weighting)| weighting.shares().get(index).is_some_and(|share| *share > 0.0))
    };
    let methods = "train with Mixed(), PolicyGradient(), Nft() or others that need none";
    for (index, reward) in spec.rewards.iter().enumerate().filter(|(_, reward)| !reward.kind.has_gradient()) {
        let name = &reward.name;
        if weighted(index) {
            let way_out = format!(
                "{field} is {method}, and `{name}` has no gradient: {methods}, or leave it out of weightings and constraints"
            );
            return Err(Finding::value(format!("rewards[{index}].kind"), reward.kind.default_name(), way_out));
        }
        let keeps_up = |(_, other): &(usize, &RewardSpec)| other.beside.get(name).is_some_and(|share| *share > 0.0);
        let mut others = spec.rewards.iter().enumerate().filter(|(other, _)| weighted(*other));
        if let Some((other, keeping)) = others.find(keeps_up) {
            let way_out = format!("{field} is {method}, and `{name}` has no gradient: {methods}, or take it out there");
            return Err(Finding::value(
                format!("rewards[{other}].beside.{name}"),
                keeping.beside[name].to_string(),
                way_out,
            ));
        }
    }
    Ok(())
}
