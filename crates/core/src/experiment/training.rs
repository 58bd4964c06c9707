//! How long and how adapters are trained.

use serde::{Deserialize, Serialize};

use super::MethodSpec;

/// The training loop: each epoch draws images, scores them, and updates every adapter by a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSpec {
    /// Rollouts per run. Default: 20.
    pub epochs: u32,
    /// Prompts drawn per epoch; the same for all runs. Default: 8.
    pub prompts_per_epoch: u32,
    /// Images per prompt and epoch: the group that advantages are taken in, 2 or more. Default: 8.
    pub images_per_prompt: u32,
    /// How adapters learn from what was drawn. Default: `PolicyGradient()`.
    pub method: MethodSpec,
    /// How scores become advantages, for the methods that use them.
    pub advantages: AdvantageSpec,
    /// Weight of the distance to the base, per trained pass: the KL divergence of a step in policy gradient, the mean squared
    /// difference of predictions elsewhere. Default: 0.
    pub kl: f64,
    /// Images per pass through the denoiser. Changes memory and time, and results by rounding alone. Default: 32.
    pub micro_batch: u32,
    /// Whether the backward pass computes the denoiser's blocks again rather than keeping their activations: less memory, and a third
    /// more time. Changes results by rounding alone. Default: `None`, which does so for denoisers of more than 16.8 million weights in linear layers.
    pub gradient_checkpointing: Option<bool>,
    /// Probes during training.
    pub probe: ProbeSpec,
    /// What is done when a judge falls while its reward rises. Default: `Stop`.
    pub guard: Guard,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            prompts_per_epoch: 8,
            images_per_prompt: 8,
            method: MethodSpec::default(),
            advantages: AdvantageSpec::default(),
            kl: 0.0,
            micro_batch: 32,
            gradient_checkpointing: None,
            probe: ProbeSpec::default(),
            guard: Guard::default(),
        }
    }
}

/// How scores become advantages: how much better an image is than its group, in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdvantageSpec {
    /// By which standard deviation scores are divided. Default: `Group`.
    pub spread: Spread,
    /// What scores are compared with; other than `Group`, they are divided by a running standard deviation. Default: `Group`.
    pub baseline: Baseline,
    /// Advantages are clamped to ± this, in standard deviations. Default: 5.
    pub clip: f64,
    /// The share of each run's images that is trained on: those with the largest advantages by magnitude, which hold most of
    /// what there is to learn. Default: 1.
    pub trained_share: f64,
}

impl Default for AdvantageSpec {
    fn default() -> Self {
        Self { spread: Spread::Group, baseline: Baseline::Group, clip: 5.0, trained_share: 1.0 }
    }
}

impl AdvantageSpec {
    /// Returns how many of so many images are trained on: their share, rounded up, at least one.
    pub fn trained(&self, pictures: usize) -> usize {
        ((pictures as f64 * self.trained_share).ceil() as usize).clamp(1, pictures.max(1))
    }
}

/// By which standard deviation a reward's scores are divided, before they are weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Spread {
    /// That of the prompt's own images (GRPO, GDPO): every prompt pulls alike, those on which the reward hardly varies too.
    #[default]
    Group,
    /// A running root mean square of all groups' standard deviations: prompts on which the reward varies pull more.
    Running {
        /// Decay per epoch, 0 to below 1. Default: 0.9.
        #[serde(default = "running_decay")]
        decay: f64,
    },
}

/// What an image's score is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Baseline {
    /// The mean of the prompt's images in this epoch (GRPO).
    #[default]
    Group,
    /// A running mean of the prompt's images over the epochs (DDPO, 2305.13301).
    Prompt {
        /// Decay per visit of the prompt, 0 to below 1. Default: 0.9.
        #[serde(default = "running_decay")]
        decay: f64,
    },
    /// What the prompt's text lets expect (DPOK's value function, 2305.16381): a linear function of its embedding, fitted to all scores so
    /// far, older ones fading. Lends a prompt what others taught.
    Value {
        /// The weight of the fit's coefficients; the less, the closer to the prompt's own mean. Default: 1.
        #[serde(default = "ridge")]
        ridge: f64,
        /// Decay per epoch, 0 to below 1. Default: 0.9.
        #[serde(default = "running_decay")]
        decay: f64,
    },
}

fn ridge() -> f64 {
    1.0
}

impl Baseline {
    /// Returns its name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::Prompt { .. } => "Prompt",
            Self::Value { .. } => "Value",
        }
    }
}

fn running_decay() -> f64 {
    0.9
}

/// Probes during training: images of the same prompts from the same noise by base and adapters, drawn as in
/// evaluation. What the curves of gains are made of, and what [`Guard`] decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeSpec {
    /// After every so many epochs, and after the last; 0 never looks, and compares no epoch with the base on its own prompts. Default: 10.
    pub every: u32,
    /// Which prompts. Default: `Train`.
    pub of: ProbePrompts,
    /// So many of them, spread evenly over the list; all where there are fewer. Below 32 the guard finds nothing. Default: 48.
    pub prompts: u32,
    /// Images of each, 2 or more. Default: 2.
    pub images_per_prompt: u32,
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self { every: 10, of: ProbePrompts::Train, prompts: 48, images_per_prompt: 2 }
    }
}

impl ProbeSpec {
    /// Returns whether adapters are looked at after an epoch, which counts from 1.
    pub fn is_due(&self, epoch: u32, epochs: u32) -> bool {
        self.every > 0 && (epoch.is_multiple_of(self.every) || epoch == epochs)
    }

    /// Returns how often adapters are looked at in so many epochs.
    pub fn times(&self, epochs: u32) -> u32 {
        (1..=epochs).filter(|epoch| self.is_due(*epoch, epochs)).count() as u32
    }
}

/// Which prompts a probe draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbePrompts {
    /// Training prompts: what is decided by them leaves the evaluation untouched.
    #[default]
    Train,
    /// Held-out prompts, to follow what generalises; nothing may be decided by them then (`guard: Off`).
    HeldOut,
}

/// What is done with a run when, at a probe, a reward that it is trained for has risen while a judge that watches it has fallen, both
/// beyond chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Guard {
    /// Nothing.
    Off,
    /// The run ends, and its adapter of the last probe that was sound is kept.
    #[default]
    Stop,
    /// The run goes back to its adapter of the last sound probe, and its distance to the base weighs more from there on.
    Tighten {
        /// By what the weight is multiplied, more than 1. Default: 2.
        #[serde(default = "tighten_factor")]
        factor: f64,
        /// The weight that counts where a run had none. Default: 0.1.
        #[serde(default = "tighten_from")]
        from: f64,
    },
}

fn tighten_factor() -> f64 {
    2.0
}

fn tighten_from() -> f64 {
    0.1
}
