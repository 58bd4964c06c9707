//! How several rewards steer one run: by what rule they are joined, and what must hold.

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::finding::Finding;
use super::{ExperimentSpec, MethodSpec, ProbePrompts};

/// How a weighting joins its rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Scalarisation {
    /// Their sum, by shares: reaches the convex parts of a front.
    #[default]
    Linear,
    /// The smooth Chebyshev distance of the mean rewards to an ideal (Lin et al., 2402.19078): after each probe a reward's share is
    /// w·softmax(w·(ideal − gain)/smoothing), so that the one that is furthest behind for its share pulls most. Reaches parts of a front
    /// that no sum does.
    Chebyshev {
        /// μ, in the base's standard deviations: towards 0 the worst reward alone counts, far above it all do. Default: 0.2.
        #[serde(default = "smoothing")]
        smoothing: f64,
        /// By how much every reward should rise above the base, in its standard deviations; more than any does. Default: 3.
        #[serde(default = "ideal")]
        ideal: f64,
    },
    /// The sum by shares, turned as little as it takes to oppose no reward's own gradient: a quadratic programme over the gradients of
    /// a run's rewards (GEM, 1706.08840; MGDA, 1810.04650; MARBLE, 2605.06507). Needs a method that differentiates, and a backward pass for each reward.
    Unopposed,
}

fn smoothing() -> f64 {
    0.2
}

fn ideal() -> f64 {
    3.0
}

/// A mean that every run must keep up, by a primal–dual method: after each probe the constraint's multiplier rises by how far the mean is
/// below the bound, and falls by how far it is above it, in the base's standard deviations; it is added to the reward's share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstraintSpec {
    /// The reward, whether a weighting gives it a share or not.
    pub reward: String,
    /// What its mean must reach.
    pub at_least: Threshold,
    /// By how much the multiplier changes after a probe, for a standard deviation. Default: 1.
    #[serde(default = "rate")]
    pub rate: f64,
    /// With what confidence the mean over further prompts must reach it, as far as those of the probe can tell: what counts as the mean
    /// is the lower end of a one-sided interval over prompts. Default: 0.5, the mean itself.
    #[serde(default = "confidence")]
    pub confidence: f64,
}

fn rate() -> f64 {
    1.0
}

fn confidence() -> f64 {
    0.5
}

/// What a mean must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Threshold {
    /// The base's mean on the same prompts, and so much more.
    Base {
        /// In the reward's own unit; may be negative. Default: 0.
        #[serde(default)]
        plus: f64,
    },
    /// A mean score.
    Value(f64),
}

/// μ of Chebyshev's distance.
pub(super) const SMOOTHING: Bounds = Bounds::Above(0.0, 1000.0);
/// The ideal of Chebyshev's distance.
pub(super) const IDEAL: Bounds = Bounds::Above(0.0, 1000.0);
/// The rate of a constraint's multiplier.
pub(super) const RATE: Bounds = Bounds::Above(0.0, 1000.0);
/// The confidence with which a constraint must hold.
pub(super) const CONFIDENCE: Bounds = Bounds::Closed(0.5, 0.999);

impl ExperimentSpec {
    /// Returns whether what a run maximises depends on how its rewards stand.
    pub fn is_steered(&self) -> bool {
        matches!(self.scalarisation, Scalarisation::Chebyshev { .. }) || !self.constraints.is_empty()
    }

    /// Checks what joins rewards.
    pub(super) fn check_steering(&self) -> Result<(), Finding> {
        let names = self.reward_names();
        for (index, constraint) in self.constraints.iter().enumerate() {
            let field = format!("constraints[{index}]");
            super::validate::check_known(&format!("{field}.reward"), &constraint.reward, "reward", &names)?;
            super::validate::check_number(format!("{field}.rate"), RATE, constraint.rate)?;
            super::validate::check_number(format!("{field}.confidence"), CONFIDENCE, constraint.confidence)?;
            let (name, value) = match constraint.at_least {
                Threshold::Base { plus } => ("at_least.plus", plus),
                Threshold::Value(value) => ("at_least", value),
            };
            super::validate::check_number(format!("{field}.{name}"), super::bounds::SCALE, value)?;
            let same = |other: &ConstraintSpec| other.reward == constraint.reward;
            if let Some(first) = self.constraints[..index].iter().position(same) {
                let way_out = format!("constraints[{first}] is about it already: give one of them");
                return Err(Finding::value(format!("{field}.reward"), format!("{:?}", constraint.reward), way_out));
            }
        }
        let method = &self.training.method;
        if self.scalarisation == Scalarisation::Unopposed && !matches!(method, MethodSpec::Differentiable(_)) {
            let way_out = format!(
                "training.method {} has no gradient of each reward: give Linear, or train with Differentiable()",
                method.name()
            );
            return Err(Finding::value("scalarisation", "Unopposed", way_out));
        }
        if !self.is_steered() {
            return Ok(());
        }
        let what = if self.constraints.is_empty() { "the shares of Chebyshev" } else { "multipliers of constraints" };
        let probe = &self.training.probe;
        if probe.times(self.training.epochs) < 2 {
            let epochs = self.training.epochs;
            let give = if epochs > 1 { format!("give 1 to {}", epochs - 1) } else { "give more epochs".into() };
            let way_out = format!(
                "{what} go by what probes find, and in training.epochs {epochs} that is fewer than two: {give}"
            );
            return Err(Finding::value("training.probe.every", probe.every.to_string(), way_out));
        }
        if probe.of == ProbePrompts::HeldOut {
            let way_out = format!("{what} go by what probes find, and held-out prompts may decide nothing: give Train");
            return Err(Finding::value("training.probe.of", "HeldOut", way_out));
        }
        Ok(())
    }
}
