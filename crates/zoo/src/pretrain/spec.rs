//! Pre-training files: `experiments/pretrain/*.ron`.

use moa_scenes::{HeldOut, Kinds, SceneDistribution};
use serde::{Deserialize, Serialize};

/// What is trained: a part of the zoo. Parts that build on others find them beside their own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A text encoder that reads compositions off captions.
    Captions,
    /// Text encoder and U-Net by rectified flow, from the text encoder of [`Target::Captions`] on.
    Denoiser,
    /// `emoji-32`: the denoiser of [`Target::Denoiser`] with guidance and steps distilled into it.
    Student,
    /// The CLIP that the rewards share, contrastively, from the text encoder of [`Target::Captions`] on.
    Clip,
    /// A second CLIP that only judges.
    JudgeClip,
    /// The detector of objects that rewards composition and safety.
    Detector,
    /// A second detector that only judges.
    JudgeDetector,
    /// The aesthetics head on the rewards' CLIP, and when an image matches its prompt.
    Heads,
}

impl Target {
    /// Returns the folder of the part, which is its file's name in `experiments/pretrain` too.
    pub fn part(self) -> &'static str {
        match self {
            Self::Captions => "captions",
            Self::Denoiser => "denoiser",
            Self::Student => "emoji-32",
            Self::Clip => "clip",
            Self::JudgeClip => "judge-clip",
            Self::Detector => "detector",
            Self::JudgeDetector => "judge-detector",
            Self::Heads => "heads",
        }
    }
}

/// How a part of the zoo is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainSpec {
    /// What is trained.
    pub target: Target,
    /// Seed of initial values, scenes and noise.
    #[serde(default)]
    pub seed: u64,
    /// Steps.
    pub steps: u64,
    /// Scenes a step.
    pub batch: usize,
    /// AdamW's learning rate at its height: after the warm-up level to 40 % of the steps, then a straight fall to 2 % of it.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises to its height.
    #[serde(default = "default_warm_up")]
    pub warm_up: u64,
    /// AdamW's weight decay.
    #[serde(default = "default_weight_decay")]
    pub weight_decay: f64,
    /// Largest norm of the gradient, beyond which it is scaled down.
    #[serde(default = "default_max_grad_norm")]
    pub max_grad_norm: f64,
    /// Decay of the moving average that becomes the model.
    #[serde(default = "default_average")]
    pub average: f64,
    /// Share of captions replaced by the empty one, for guidance (denoiser and student).
    #[serde(default = "default_dropout")]
    pub caption_dropout: f64,
    /// How often each kind of scenes is drawn, by weight.
    #[serde(default = "default_kinds")]
    pub kinds: Kinds,
    /// Steps between checkpoints.
    #[serde(default = "default_checkpoint_every")]
    pub checkpoint_every: u64,
}

/// Why a pre-training file is refused.
#[derive(Debug, thiserror::Error)]
pub enum PretrainSpecError {
    /// It is not RON, or has other fields.
    #[error("{}", .0.code)]
    Syntax(#[from] ron::error::SpannedError),
    /// A value is impossible.
    #[error("{field} is {value}: give {wanted}")]
    Impossible {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        wanted: &'static str,
    },
}

fn default_warm_up() -> u64 {
    200
}
fn default_weight_decay() -> f64 {
    0.01
}
fn default_max_grad_norm() -> f64 {
    1.0
}
fn default_average() -> f64 {
    0.999
}
fn default_dropout() -> f64 {
    0.1
}
fn default_kinds() -> Kinds {
    Kinds { single: 2.0, tinted: 1.0, pair: 3.0, tinted_pair: 2.0, several: 1.0, trio: 1.0 }
}
fn default_checkpoint_every() -> u64 {
    500
}

impl PretrainSpec {
    /// Reads a pre-training file.
    ///
    /// # Errors
    /// Says line, column and what is wrong; refuses impossible values.
    pub fn from_ron(text: &str) -> Result<Self, PretrainSpecError> {
        let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let spec: Self = options.from_str(text)?;
        let count = |n: u64| (n as f64, "1 or more", n > 0);
        let positive = |x: f64| (x, "a positive number", x > 0.0 && x.is_finite());
        let share = |x: f64| (x, "a share from 0 to 1", (0.0..=1.0).contains(&x));
        let kinds = |kinds: Kinds| {
            let wrong = kinds.wrong_weight();
            (f64::from(wrong.unwrap_or_default()), "weights of 0 or more, one of them positive", wrong.is_none())
        };
        let fields = [
            ("steps", count(spec.steps)),
            ("batch", count(spec.batch as u64)),
            ("checkpoint_every", count(spec.checkpoint_every)),
            ("learning_rate", positive(spec.learning_rate)),
            ("max_grad_norm", positive(spec.max_grad_norm)),
            (
                "weight_decay",
                (spec.weight_decay, "0 or more", spec.weight_decay >= 0.0 && spec.weight_decay.is_finite()),
            ),
            ("average", share(spec.average)),
            ("caption_dropout", share(spec.caption_dropout)),
            ("kinds", kinds(spec.kinds)),
        ];
        match fields.into_iter().find(|(_, (_, _, sound))| !sound) {
            Some((field, (value, wanted, _))) => Err(PretrainSpecError::Impossible { field, value, wanted }),
            None => Ok(spec),
        }
    }

    /// Returns how scenes are drawn, all concepts alike.
    pub fn scenes(&self, held_out: HeldOut) -> SceneDistribution {
        SceneDistribution { kinds: self.kinds, unsafe_share: None, held_out }
    }

    /// Returns the learning rate of a step.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let warm_up = ((step as f64 + 1.0) / self.warm_up.max(1) as f64).min(1.0);
        let share = step as f64 / self.steps.max(1) as f64;
        let fall = if share < 0.4 { 1.0 } else { (1.0 - (share - 0.4) / 0.6).max(0.02) };
        self.learning_rate * warm_up * fall
    }
}
