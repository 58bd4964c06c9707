//! How adapters learn: one file for each method.

mod adjoint;
mod awm;
mod d3po;
mod differentiable;
mod dpo;
mod group;
mod kto;
mod mixed;
mod nft;
mod policy_gradient;
mod preference;
mod reward_weighted;

use serde::{Deserialize, Serialize};

pub use adjoint::AdjointSpec;
pub use awm::AwmSpec;
pub use d3po::D3poSpec;
pub use differentiable::{DifferentiableSpec, Through};
pub use dpo::DpoSpec;
pub use group::{GroupLoss, GroupSpec};
pub use kto::KtoSpec;
pub use mixed::MixedSpec;
pub use nft::NftSpec;
pub use policy_gradient::{PolicyGradientSpec, Ratio, StepWeights, Window};
pub use preference::{DecidedBy, LabelSource, Mix, PairSource, PreferenceFile};
pub use reward_weighted::{RewardWeightedSpec, RewardWeights};

use super::bounds::Bounds;
use super::finding::Finding;
use super::{ExperimentSpec, SamplerKind};

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
    /// DiffusionNFT (2509.16117): contrasts good and bad images in the forward process.
    Nft(NftSpec),
    /// Advantage-weighted matching (2509.25050): the denoising loss of images, weighted by advantage.
    Awm(AwmSpec),
    /// Reward-weighted likelihood (RWR, 2305.13301; RAFT, 2304.06767): the denoising loss of the better images.
    RewardWeighted(RewardWeightedSpec),
    /// Diffusion-DPO (2311.12908), on stored pairs or the adapter's own.
    Dpo(DpoSpec),
    /// D3PO (2311.13231): direct preference optimisation over the sampler's steps.
    D3po(D3poSpec),
    /// Diffusion-KTO (2404.04465): single images, good or bad.
    Kto(KtoSpec),
    /// Whole groups held against what the denoising loss implies (DGPO, 2510.08425; CRD, 2603.14128).
    Group(GroupSpec),
    /// Adjoint matching (2409.08861): the rewards' gradient, carried back through the base.
    AdjointMatching(AdjointSpec),
}

impl Default for MethodSpec {
    fn default() -> Self {
        Self::PolicyGradient(PolicyGradientSpec::default())
    }
}

/// Passes that a method takes for each image, before guidance doubles them; means where a method draws how many it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Passes {
    /// Forward, to draw it.
    pub rollout: f64,
    /// Forward and backward; of the images that are trained on.
    pub training: f64,
    /// Forward through anything but the trained denoiser and the base, beside the training passes.
    pub reference: f64,
    /// Forward through the base, whatever the distance to it weighs; a tie to the base then costs no further pass.
    pub base: f64,
    /// Whether only the share of images with the largest advantages is trained on.
    pub selects: bool,
}

/// A number of a method's settings: the field below `training.method`, its bounds, its value where there is one.
pub(super) type Number = (&'static str, Bounds, Option<f64>);

/// β of the methods that hold an adapter's loss against the base's.
const BETA: Bounds = Bounds::Above(0.0, 1_000_000.0);

/// What an experiment must know of a method.
pub(super) trait Method {
    /// Returns the method's name in experiment files.
    fn name(&self) -> &'static str;

    /// Returns the numbers among the settings.
    fn numbers(&self) -> Vec<Number>;

    /// Refuses settings that cannot be beside the rest of the experiment; `field` is the method's.
    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding>;

    /// Returns what an image costs.
    fn passes(&self, spec: &ExperimentSpec) -> Passes;

    /// Returns the method with as few passes as it can do with.
    fn smallest(&self) -> MethodSpec;
}

impl MethodSpec {
    /// Returns the method's name in experiment files.
    pub fn name(&self) -> &'static str {
        self.method().name()
    }

    /// Returns whether rewards' gradients are computed.
    pub fn differentiates(&self) -> bool {
        matches!(self, Self::Differentiable(_) | Self::Mixed(_) | Self::AdjointMatching(_))
    }

    /// Returns the method with as few passes as it can do with, to try out what they cost.
    pub fn smallest(&self) -> Self {
        self.method().smallest()
    }

    /// Returns the file of preferences that the method learns from, if it does.
    pub fn preferences(&self) -> Option<&PreferenceFile> {
        match self {
            Self::Dpo(DpoSpec { pairs: PairSource::File(file), .. })
            | Self::Kto(KtoSpec { labels: LabelSource::File(file), .. }) => Some(file),
            _ => None,
        }
    }

    /// Returns the file of preferences, to change it.
    pub(super) fn preferences_mut(&mut self) -> Option<&mut PreferenceFile> {
        match self {
            Self::Dpo(DpoSpec { pairs: PairSource::File(file), .. })
            | Self::Kto(KtoSpec { labels: LabelSource::File(file), .. }) => Some(file),
            _ => None,
        }
    }

    /// Returns how many images are trained on together, and pass through the denoiser whatever the micro-batch: those of a pair or group.
    pub fn unit(&self, spec: &ExperimentSpec) -> u32 {
        match self {
            Self::Dpo(_) | Self::D3po(_) => 2,
            Self::Group(_) => spec.training.images_per_prompt,
            _ => 1,
        }
    }

    fn method(&self) -> &dyn Method {
        match self {
            Self::PolicyGradient(method) => method,
            Self::Differentiable(method) => method,
            Self::Mixed(method) => method,
            Self::Nft(method) => method,
            Self::Awm(method) => method,
            Self::RewardWeighted(method) => method,
            Self::Dpo(method) => method,
            Self::D3po(method) => method,
            Self::Kto(method) => method,
            Self::Group(method) => method,
            Self::AdjointMatching(method) => method,
        }
    }

    /// Every method at its defaults.
    fn all() -> [Self; 11] {
        [
            Self::default(),
            Self::Differentiable(DifferentiableSpec::default()),
            Self::Mixed(MixedSpec::default()),
            Self::Nft(NftSpec::default()),
            Self::Awm(AwmSpec::default()),
            Self::RewardWeighted(RewardWeightedSpec::default()),
            Self::Dpo(DpoSpec::default()),
            Self::D3po(D3poSpec::default()),
            Self::Kto(KtoSpec::default()),
            Self::Group(GroupSpec::default()),
            Self::AdjointMatching(AdjointSpec::default()),
        ]
    }

    /// Refuses a share of images by advantage where the method has its own way to choose.
    fn check_share(&self, spec: &ExperimentSpec) -> Result<(), Finding> {
        let share = spec.training.advantages.trained_share;
        let chooses = match self {
            Self::RewardWeighted(method) => !matches!(method.weights, RewardWeights::Exponential { .. }),
            Self::Dpo(_) | Self::D3po(_) | Self::Group(_) => true,
            _ => false,
        };
        if !chooses || share >= 1.0 {
            return Ok(());
        }
        let way_out = format!("training.method {} says itself which images are trained on: give 1", self.name());
        Err(Finding::value("training.advantages.trained_share", share.to_string(), way_out))
    }

    /// Checks every setting.
    pub(super) fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        for (name, bounds, value) in self.method().numbers() {
            if let Some(value) = value {
                super::validate::check_number(format!("{field}.{name}"), bounds, value)?;
            }
        }
        self.check_share(spec)?;
        self.method().check(spec, field)
    }

    /// Returns the passes that an image takes in an experiment.
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
        "weights" => "give Exponential(temperature: 1), Quantile(at: 0.5) or Best(count: 1)",
        "pairs" => "give Own(per_prompt: 2) or File(path: \"preferences.jsonl\")",
        "labels" => "give Own or File(path: \"preferences.jsonl\")",
        "path" => "give a text in quotes",
        "decided_by" => "give Outcome or Rewards",
        "mix" => "give Rewards or Losses",
        "loss" => "give Preference or Regression",
        "policy_gradient" | "differentiable" => "give the method's settings in parentheses, or () for its defaults",
        _ => return None,
    })
}

/// Refuses updates that do not divide what is trained of an image in an epoch: `count` of `what`, a field of the same method.
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

/// Refuses to train more of the sampler's steps than have a density: those with noise, which the last never has.
fn check_stochastic(spec: &ExperimentSpec, field: &str, train_steps: u32) -> Result<(), Finding> {
    check_density(spec)?;
    let steps = spec.sampler.steps;
    check_train_steps(field, train_steps, steps.saturating_sub(1), || {
        format!("sampler.steps is {steps} and the last step is never trained")
    })
}

/// Refuses samplers whose steps have no density.
fn check_density(spec: &ExperimentSpec) -> Result<(), Finding> {
    if let SamplerKind::Ode { .. } = spec.sampler.kind {
        let name = spec.training.method.name();
        let way_out = format!(
            "training.method {name} needs steps that have a density: give Cps(eta: 0.9), FlowSde(noise: 0.7) or Ddim(eta: 1)"
        );
        return Err(Finding::value("sampler.kind", "Ode", way_out));
    }
    Ok(())
}

/// Refuses to train more than `most` steps of the sampler.
fn check_train_steps(field: &str, train_steps: u32, most: u32, why: impl FnOnce() -> String) -> Result<(), Finding> {
    if train_steps <= most {
        return Ok(());
    }
    let way_out = format!("give at most {most}, as {}", why());
    Err(Finding::value(format!("{field}.train_steps"), train_steps.to_string(), way_out))
}
