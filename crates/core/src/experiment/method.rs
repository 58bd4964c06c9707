//! How adapters learn: one file for each method.

mod awm;
mod differentiable;
mod mixed;
mod nft;
mod policy_gradient;

use serde::{Deserialize, Serialize};

pub use awm::AwmSpec;
pub use differentiable::{DifferentiableSpec, Through};
pub use mixed::MixedSpec;
pub use nft::NftSpec;
pub use policy_gradient::{PolicyGradientSpec, Ratio, StepWeights, Window};

use super::ExperimentSpec;
use super::bounds::Bounds;
use super::finding::Finding;

/// A training method with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum MethodSpec {
    /// Policy gradient on the sampler's stochastic steps (DDPO, 2305.13301; Flow-GRPO, 2505.05470).
    PolicyGradient(PolicyGradientSpec),
    /// The rewards' own gradient, through decoder and sampler (DRaFT, 2309.17400; AlignProp, 2310.03739; ReFL, 2304.05977).
    Differentiable(DifferentiableSpec),
    /// The gradient of rewards that have one, and policy gradient for those that have none, in the same updates.
    Mixed(MixedSpec),
    /// DiffusionNFT (2509.16117): contrasts good and bad pictures in the forward process.
    Nft(NftSpec),
    /// Advantage-weighted matching (2509.25050): the denoising loss of pictures, weighted by advantage.
    Awm(AwmSpec),
}

impl Default for MethodSpec {
    fn default() -> Self {
        Self::PolicyGradient(PolicyGradientSpec::default())
    }
}

/// Passes that a method takes for each picture, before guidance doubles them; means where a method draws how many it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passes {
    /// Forward, to draw it.
    pub rollout: f64,
    /// Forward and backward; of the pictures that are trained on.
    pub training: f64,
    /// Forward beside the training passes, whatever the distance to the base weighs.
    pub reference: f64,
    /// Whether only the share of pictures with the largest advantages is trained on.
    pub selects: bool,
}

/// A number of a method's settings: the field below `training.method`, its bounds, its value where there is one.
pub(super) type Number = (&'static str, Bounds, Option<f64>);

/// What an experiment must know of a method.
pub(super) trait Method {
    /// Returns the numbers among the settings.
    fn numbers(&self) -> Vec<Number>;

    /// Refuses settings that cannot be beside the rest of the experiment; `field` is the method's.
    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding>;

    /// Returns what a picture costs.
    fn passes(&self, spec: &ExperimentSpec) -> Passes;
}

impl MethodSpec {
    /// Returns the method's name in experiment files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PolicyGradient(_) => "PolicyGradient",
            Self::Differentiable(_) => "Differentiable",
            Self::Mixed(_) => "Mixed",
            Self::Nft(_) => "Nft",
            Self::Awm(_) => "Awm",
        }
    }

    /// Returns whether rewards' gradients are computed.
    pub fn differentiates(&self) -> bool {
        matches!(self, Self::Differentiable(_) | Self::Mixed(_))
    }

    /// Returns the method with as few passes as it can do with, to try out what they cost.
    pub fn smallest(&self) -> Self {
        let policy = |spec: &PolicyGradientSpec| PolicyGradientSpec {
            train_steps: 1,
            updates_per_epoch: 1,
            window: Window::All,
            ..*spec
        };
        let through = |through: Through| match through {
            Through::LastSteps(_) | Through::Random(_) => Through::LastSteps(1),
            Through::LowVariance(_) => Through::LowVariance(1),
            Through::SingleStep { .. } => Through::SingleStep { from: 1, to: 1 },
        };
        match self {
            Self::PolicyGradient(spec) => Self::PolicyGradient(policy(spec)),
            Self::Differentiable(spec) => Self::Differentiable(DifferentiableSpec { through: through(spec.through) }),
            Self::Mixed(MixedSpec { policy_gradient, differentiable }) => Self::Mixed(MixedSpec {
                policy_gradient: policy(policy_gradient),
                differentiable: DifferentiableSpec { through: through(differentiable.through) },
            }),
            Self::Nft(spec) => Self::Nft(NftSpec { levels: 1, updates_per_epoch: 1, ..*spec }),
            Self::Awm(spec) => Self::Awm(AwmSpec { levels: 1, updates_per_epoch: 1, ..*spec }),
        }
    }

    fn method(&self) -> &dyn Method {
        match self {
            Self::PolicyGradient(method) => method,
            Self::Differentiable(method) => method,
            Self::Mixed(method) => method,
            Self::Nft(method) => method,
            Self::Awm(method) => method,
        }
    }

    /// Every method at its defaults.
    fn all() -> [Self; 5] {
        [
            Self::default(),
            Self::Differentiable(DifferentiableSpec::default()),
            Self::Mixed(MixedSpec::default()),
            Self::Nft(NftSpec::default()),
            Self::Awm(AwmSpec::default()),
        ]
    }

    /// Checks every setting.
    pub(super) fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        for (name, bounds, value) in self.method().numbers() {
            if let Some(value) = value {
                super::validate::check_number(format!("{field}.{name}"), bounds, value)?;
            }
        }
        self.method().check(spec, field)
    }

    /// Returns the passes that a picture takes in an experiment.
    pub fn passes(&self, spec: &ExperimentSpec) -> Passes {
        self.method().passes(spec)
    }
}

/// Returns the bounds of a number at a path below `training.method.`, of whichever method has it.
pub(super) fn bounds_of(path: &str) -> Option<Bounds> {
    let numbers = MethodSpec::all().into_iter().flat_map(|method| method.method().numbers());
    numbers.into_iter().find(|(name, ..)| *name == path).map(|(_, bounds, _)| bounds)
}

/// Returns what to write for a field below `training.method.` that is no number.
pub(super) fn form_of(path: &str) -> Option<&'static str> {
    let field = path.rsplit('.').next()?;
    Some(match field {
        "window" => "give All, Random(3) or Sliding(steps: 3, every: 10)",
        "step_weights" => "give Equal or Noise",
        "ratio" => "give Plain or Normalised",
        "through" => "give LastSteps(1), LowVariance(2), Random(4) or SingleStep(from: 4, to: 6)",
        "policy_gradient" | "differentiable" => "give the method's settings in parentheses, or () for its defaults",
        _ => return None,
    })
}

/// Refuses updates that do not divide what is trained of a picture in an epoch: `count` of `what`, a field of the same method.
fn check_updates(field: &str, updates: u32, what: &str, count: u32) -> Result<(), Finding> {
    if count.is_multiple_of(updates) {
        return Ok(());
    }
    let divisors: Vec<String> =
        (1..=count).filter(|divisor| count.is_multiple_of(*divisor)).map(|divisor| divisor.to_string()).collect();
    let way_out = format!("give a divisor of {field}.{what}, which is {count}: {}", divisors.join(", "));
    Err(Finding::value(format!("{field}.updates_per_epoch"), updates.to_string(), way_out))
}

/// Refuses a step beyond the sampler's last.
fn check_step(field: &str, step: u32, spec: &ExperimentSpec) -> Result<(), Finding> {
    let steps = spec.sampler.steps;
    if (1..=steps).contains(&step) {
        return Ok(());
    }
    Err(Finding::value(field, step.to_string(), format!("give 1 to {steps}, which sampler.steps is")))
}
