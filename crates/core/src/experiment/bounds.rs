//! Which numbers are valid in an experiment. A value outside of these bounds is refused as a mistake.

use std::fmt;

use super::{
    Baseline, ExperimentSpec, Guard, PromptSource, SamplerKind, Scalarisation, Spread, method, phases, steering,
};

/// An interval of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bounds {
    /// Whole numbers, both ends included.
    Whole(u32, u32),
    /// Both ends included.
    Closed(f64, f64),
    /// The lower end left out.
    Above(f64, f64),
    /// The upper end left out.
    Below(f64, f64),
    /// Both ends left out.
    Open(f64, f64),
}

impl Bounds {
    pub(super) fn hold(self, value: f64) -> bool {
        match self {
            Self::Whole(least, most) => f64::from(least) <= value && value <= f64::from(most),
            Self::Closed(least, most) => least <= value && value <= most,
            Self::Above(least, most) => least < value && value <= most,
            Self::Below(least, most) => least <= value && value < most,
            Self::Open(least, most) => least < value && value < most,
        }
    }

    /// Returns the value as messages show it.
    pub(super) fn show(self, value: f64) -> String {
        let short = value as f32;
        match self {
            Self::Whole(..) => format!("{value}"),
            // What was a 32-bit number reads as one.
            _ if f64::from(short).to_bits() == value.to_bits() => format!("{short:?}"),
            _ => format!("{value:?}"),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(least, most) => write!(f, "{least} to {most}"),
            Self::Closed(least, most) => write!(f, "{least} to {most}"),
            Self::Above(least, most) => write!(f, "more than {least}, up to {most}"),
            Self::Below(least, most) => write!(f, "{least} to less than {most}"),
            Self::Open(least, most) => write!(f, "more than {least}, less than {most}"),
        }
    }
}

/// A number of the experiment; `None` where the experiment has no such value.
pub(super) type Get = fn(&ExperimentSpec) -> Option<f64>;

/// The numbers with one place each: path, bounds, value. See the paths in lists below.
pub(super) const NUMBERS: &[(&str, Bounds, Get)] = &[
    ("prompts.held_out.share", Bounds::Open(0.0, 1.0), |spec| match spec.prompts.held_out {
        PromptSource::Split { share, .. } => Some(share),
        _ => None,
    }),
    ("sampler.kind.noise", Bounds::Above(0.0, 10.0), |spec| match spec.sampler.kind {
        SamplerKind::FlowSde { noise } => Some(noise.into()),
        _ => None,
    }),
    ("sampler.kind.eta", Bounds::Above(0.0, 1.0), |spec| match spec.sampler.kind {
        SamplerKind::Ddim { eta } | SamplerKind::Cps { eta } => Some(eta.into()),
        _ => None,
    }),
    ("sampler.kind.order", Bounds::Whole(1, 2), |spec| match spec.sampler.kind {
        SamplerKind::Ode { order } => Some(order.into()),
        _ => None,
    }),
    ("sampler.steps", Bounds::Whole(2, 1000), |spec| Some(spec.sampler.steps.into())),
    ("sampler.guidance", Bounds::Closed(0.0, 100.0), |spec| Some(spec.sampler.guidance.into())),
    ("lora.rank", Bounds::Whole(1, 1024), |spec| Some(spec.lora.rank.into())),
    ("lora.alpha", Bounds::Above(0.0, 10_000.0), |spec| Some(spec.lora.alpha.into())),
    ("optimiser.learning_rate", Bounds::Above(0.0, 1.0), |spec| Some(spec.optimiser.learning_rate)),
    ("optimiser.beta1", Bounds::Below(0.0, 1.0), |spec| Some(spec.optimiser.beta1)),
    ("optimiser.beta2", Bounds::Below(0.0, 1.0), |spec| Some(spec.optimiser.beta2)),
    ("optimiser.epsilon", Bounds::Above(0.0, 1.0), |spec| Some(spec.optimiser.epsilon)),
    ("optimiser.weight_decay", Bounds::Closed(0.0, 10.0), |spec| Some(spec.optimiser.weight_decay)),
    ("optimiser.max_grad_norm", Bounds::Above(0.0, 1_000_000.0), |spec| Some(spec.optimiser.max_grad_norm)),
    ("optimiser.ema", Bounds::Open(0.0, 1.0), |spec| spec.optimiser.ema),
    ("training.epochs", Bounds::Whole(1, 100_000), |spec| Some(spec.training.epochs.into())),
    ("training.prompts_per_epoch", Bounds::Whole(1, 4096), |spec| Some(spec.training.prompts_per_epoch.into())),
    ("training.images_per_prompt", Bounds::Whole(2, 1024), |spec| Some(spec.training.images_per_prompt.into())),
    ("training.kl", KL, |spec| Some(spec.training.kl)),
    ("training.advantages.clip", Bounds::Above(0.0, 1000.0), |spec| Some(spec.training.advantages.clip)),
    ("training.advantages.trained_share", Bounds::Above(0.0, 1.0), |spec| Some(spec.training.advantages.trained_share)),
    ("training.advantages.spread.decay", Bounds::Below(0.0, 1.0), |spec| match spec.training.advantages.spread {
        Spread::Running { decay } => Some(decay),
        Spread::Group => None,
    }),
    ("training.advantages.baseline.decay", Bounds::Below(0.0, 1.0), |spec| match spec.training.advantages.baseline {
        Baseline::Prompt { decay } | Baseline::Value { decay, .. } => Some(decay),
        Baseline::Group => None,
    }),
    ("training.advantages.baseline.ridge", Bounds::Closed(0.001, 1_000_000.0), |spec| {
        match spec.training.advantages.baseline {
            Baseline::Value { ridge, .. } => Some(ridge),
            Baseline::Group | Baseline::Prompt { .. } => None,
        }
    }),
    ("scalarisation.smoothing", steering::SMOOTHING, |spec| match spec.scalarisation {
        Scalarisation::Chebyshev { smoothing, .. } => Some(smoothing),
        Scalarisation::Linear | Scalarisation::Unopposed => None,
    }),
    ("scalarisation.ideal", steering::IDEAL, |spec| match spec.scalarisation {
        Scalarisation::Chebyshev { ideal, .. } => Some(ideal),
        Scalarisation::Linear | Scalarisation::Unopposed => None,
    }),
    ("continual.replay", phases::REPLAY, |spec| Some(spec.continual.replay)),
    ("continual.importance", phases::IMPORTANCE, |spec| Some(spec.continual.importance)),
    ("continual.average", phases::AVERAGE, |spec| Some(spec.continual.average)),
    ("training.probe.every", Bounds::Whole(0, 100_000), |spec| Some(spec.training.probe.every.into())),
    ("training.probe.prompts", Bounds::Whole(2, 4096), |spec| Some(spec.training.probe.prompts.into())),
    ("training.probe.images_per_prompt", Bounds::Whole(2, 1024), |spec| {
        Some(spec.training.probe.images_per_prompt.into())
    }),
    ("training.guard.factor", Bounds::Above(1.0, 1000.0), |spec| match spec.training.guard {
        Guard::Tighten { factor, .. } => Some(factor),
        Guard::Off | Guard::Stop => None,
    }),
    ("training.guard.from", Bounds::Above(0.0, 1000.0), |spec| match spec.training.guard {
        Guard::Tighten { from, .. } => Some(from),
        Guard::Off | Guard::Stop => None,
    }),
    ("training.micro_batch", Bounds::Whole(1, 4096), |spec| Some(spec.training.micro_batch.into())),
    ("evaluation.prompts", Bounds::Whole(1, 100_000), |spec| spec.evaluation.prompts.map(f64::from)),
    ("evaluation.images_per_prompt", Bounds::Whole(2, 1024), |spec| Some(spec.evaluation.images_per_prompt.into())),
    ("evaluation.steps", Bounds::Whole(1, 1000), |spec| Some(spec.evaluation.steps.into())),
    ("evaluation.guidance", Bounds::Closed(0.0, 100.0), |spec| Some(spec.evaluation.guidance.into())),
    ("evaluation.resamples", Bounds::Whole(100, 1_000_000), |spec| Some(spec.evaluation.resamples.into())),
    ("evaluation.grid_prompts", Bounds::Whole(0, 64), |spec| Some(spec.evaluation.grid_prompts.into())),
];

/// What stands before the settings of a training method.
pub(super) const METHOD: &str = "training.method.";
/// What stands before the fields that a phase changes.
pub(super) const PHASES: &str = "phases[].";
/// JPEG quality, `rewards[].kind.quality`.
pub(super) const JPEG_QUALITY: Bounds = Bounds::Whole(1, 100);
/// `rewards[].kind.pessimism`, in standard deviations.
pub(super) const PESSIMISM: Bounds = Bounds::Closed(0.0, 10.0);
/// The whole numbers of `feedback`.
pub(super) const FEEDBACK: Bounds = Bounds::Whole(1, 100_000);
/// Images in one request, `rewards[].kind.batch`.
pub(super) const BATCH: Bounds = Bounds::Whole(1, 1024);
/// Requests at once, `rewards[].kind.in_flight`.
pub(super) const IN_FLIGHT: Bounds = Bounds::Whole(1, 64);
/// `rewards[].kind.timeout_seconds` and `rewards[].kind.start_seconds`.
pub(super) const SECONDS: Bounds = Bounds::Whole(1, 86_400);
/// `rewards[].kind.retries`.
pub(super) const RETRIES: Bounds = Bounds::Whole(0, 100);
/// `feedback.from.retries` and seconds of a question to a model.
pub(super) const AI_RETRIES: Bounds = Bounds::Whole(0, 20);
pub(super) const AI_SECONDS: Bounds = Bounds::Whole(1, 3600);
/// Height and width in pixels, `rewards[].kind.size[]` and `rewards[].kind.resize[]`.
pub(super) const SIDE: Bounds = Bounds::Whole(1, 4096);
/// `rewards[].kind.mean[]`.
pub(super) const MEAN: Bounds = Bounds::Closed(-1000.0, 1000.0);
/// `rewards[].kind.std[]`.
pub(super) const DEVIATION: Bounds = Bounds::Above(0.0, 1000.0);
/// `rewards[].kind.index`.
pub(super) const INDEX: Bounds = Bounds::Whole(0, 1_000_000);
/// `rewards[].kind.white`.
pub(super) const WHITE: Bounds = Bounds::Above(0.0, 65_535.0);
/// `rewards[].kind.softmax_axis` and `rewards[].kind.reduce[].axis`.
pub(super) const AXIS: Bounds = Bounds::Whole(1, 8);
/// `training.kl` and `rewards[].kl`.
pub(super) const KL: Bounds = Bounds::Closed(0.0, 1000.0);
/// `weightings[].divisions`, `soups[].divisions` and `blends[].divisions`.
pub(super) const DIVISIONS: Bounds = Bounds::Whole(1, 100);
/// `weightings[].count`.
pub(super) const DRAWS: Bounds = Bounds::Whole(1, MOST_RUNS as u32);
/// `rounds`.
pub(super) const ROUNDS: Bounds = Bounds::Whole(1, 32);
/// `weightings[].count` of weightings that are chosen.
pub(super) const NEXT: Bounds = Bounds::Whole(1, 64);
/// `weightings[].budget`.
pub(super) const BUDGET: Bounds = Bounds::Closed(1.0, 1e15);
/// Rewards that weightings are chosen by: hypervolumes of more take too long.
pub(super) const MOST_CHOSEN_BY: usize = 6;
/// `weightings[].concentration`.
pub(super) const CONCENTRATION: Bounds = Bounds::Closed(0.01, 1000.0);
/// The shares of a listed weighting, before they are divided by their sum.
pub(super) const SHARE: Bounds = Bounds::Closed(0.0, 1_000_000.0);
/// `rewards[].beside`.
pub(super) const BESIDE: Bounds = Bounds::Closed(0.0, 10.0);
/// The values of a hypervolume scale.
pub(super) const SCALE: Bounds = Bounds::Closed(-1_000_000.0, 1_000_000.0);

/// Runs of one experiment.
pub(super) const MOST_RUNS: u64 = 10_000;
/// Soups, or blends, of one experiment.
pub(super) const MOST_SOUPS: u64 = 1000;
/// Phases of one experiment.
pub(super) const MOST_PHASES: usize = 32;
/// Objects that a reward avoids.
pub(super) const MOST_AVOIDED: usize = 64;
/// Rewards of one experiment.
pub(super) const MOST_REWARDS: usize = 16;
/// Prompts of one list.
pub(super) const MOST_PROMPTS: usize = 100_000;
/// Characters of one prompt.
pub const LONGEST_PROMPT: usize = 1000;
/// Characters of the experiment's and the rewards' names, which name folders.
pub(super) const LONGEST_NAME: usize = 64;
/// Bytes of an experiment file.
pub(super) const LARGEST_FILE: u64 = 1_000_000;
/// Bytes of a file of prompts.
pub(super) const LARGEST_PROMPT_FILE: u64 = 16_000_000;

/// Returns the bounds of the number at `path`, list indices left out (`weightings[].divisions`).
pub(super) fn bounds_of(path: &str) -> Option<Bounds> {
    match path {
        "rewards[].kl" => Some(KL),
        "rewards[].kind.quality" => Some(JPEG_QUALITY),
        "rewards[].kind.pessimism" => Some(PESSIMISM),
        "feedback.every" | "feedback.pairs" | "feedback.first" | "feedback.prompts" | "feedback.images_per_prompt" => {
            Some(FEEDBACK)
        }
        "feedback.from.retries" => Some(AI_RETRIES),
        "feedback.from.timeout_seconds" => Some(AI_SECONDS),
        "feedback.from.flips" => Some(super::feedback::FLIPS),
        "adversary.every" | "adversary.goals" | "adversary.keep" => Some(super::adversary::COUNTS),
        "adversary.budget" => Some(super::adversary::PASSES),
        "adversary.share" => Some(super::adversary::SHARE),
        "online.every" | "online.keep" | "online.reference" => Some(super::online::COUNTS),
        "online.waits_for" => Some(super::online::WAITS),
        "online.images_per_prompt" => Some(super::online::IMAGES),
        "online.share" => Some(super::online::SHARE),
        "online.states" => Some(super::online::STATES),
        "rewards[].kind.batch" => Some(BATCH),
        "rewards[].kind.in_flight" | "feedback.from.in_flight" => Some(IN_FLIGHT),
        "rewards[].kind.timeout_seconds" | "rewards[].kind.start_seconds" => Some(SECONDS),
        "rewards[].kind.retries" => Some(RETRIES),
        "rewards[].kind.size[]" | "rewards[].kind.resize[]" => Some(SIDE),
        "rewards[].kind.mean[]" => Some(MEAN),
        "rewards[].kind.std[]" => Some(DEVIATION),
        "rewards[].kind.white" => Some(WHITE),
        "rewards[].kind.softmax_axis" | "rewards[].kind.reduce[].axis" => Some(AXIS),
        "rewards[].kind.index" | "rewards[].kind.reduce[].of[]" => Some(INDEX),
        "rewards[].kind.range[]" | "constraints[].at_least.plus" | "adversary.eye.below" => Some(SCALE),
        "weightings[].divisions" | "soups[].divisions" | "blends[].divisions" => Some(DIVISIONS),
        "weightings[].count" => Some(DRAWS),
        "weightings[].concentration" => Some(CONCENTRATION),
        "weightings[].budget" => Some(BUDGET),
        "rounds" => Some(ROUNDS),
        "phases[].until" => Some(phases::UNTIL),
        "continual.onto.old" => Some(phases::OLD),
        "constraints[].rate" => Some(steering::RATE),
        "constraints[].confidence" => Some(steering::CONFIDENCE),
        _ if ["weightings[][].", "soups[][].", "blends[][]."].iter().any(|list| path.starts_with(list)) => Some(SHARE),
        _ if path.starts_with("rewards[].beside.") => Some(BESIDE),
        _ if path.starts_with(PHASES) => bounds_of(&path[PHASES.len()..]),
        _ if path.starts_with(METHOD) => method::bounds_of(&path[METHOD.len()..]),
        _ if path.starts_with("hypervolume.reference.") || path.starts_with("hypervolume.best.") => Some(SCALE),
        _ => NUMBERS.iter().find(|(field, ..)| *field == path).map(|(_, bounds, _)| *bounds),
    }
}
