//! Judgements that are asked for while adapters are trained.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, FEEDBACK};
use super::finding::Finding;
use super::{AiSpec, ExperimentSpec, RewardKind, RewardSpec};

/// Judgements that are asked for while adapters are trained: of pairs of images of training prompts, by the base and by the adapters as
/// they are then. The reward `Feedback` is fitted to all of them again each time (Christiano et al., 1706.03741; online RLHF, 2405.07863).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackSpec {
    /// Who judges. No default.
    pub from: FeedbackFrom,
    /// Epochs from one time to the next; the first is before the first epoch. Default: 10.
    #[serde(default = "every")]
    pub every: u32,
    /// Pairs that are judged each time. Default: 20.
    #[serde(default = "pairs")]
    pub pairs: u32,
    /// Pairs that are judged before the first epoch. Default: 60.
    #[serde(default = "first")]
    pub first: u32,
    /// Training prompts of which images are drawn each time. Default: 16.
    #[serde(default = "prompts")]
    pub prompts: u32,
    /// Images of each of them by each model. Default: 2.
    #[serde(default = "images_per_prompt")]
    pub images_per_prompt: u32,
    /// How pairs are chosen. Default: `Prediction`.
    #[serde(default)]
    pub ask: AskBy,
    /// Whether training waits until all pairs are judged, or so many judgements have come in; if not, it goes on with what is judged by then.
    /// Default: true.
    #[serde(default = "waits")]
    pub waits: bool,
}

/// Who judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FeedbackFrom {
    /// People, on a page that the sweep serves on 127.0.0.1.
    Human,
    /// A model behind a chat endpoint.
    Ai(AiSpec),
    /// Whoever appends to a file of preferences meanwhile (docs/preferences.md): no images are drawn to be judged.
    Follow {
        /// The file, or the folder of a rating, which need not be there yet. A relative path counts from the experiment file's folder. The folder
        /// `feedback` of other results is read as what had come in there, time by time.
        file: PathBuf,
    },
    /// A formula that stands for a person's taste, the reward `Taste`: for trials.
    Simulated {
        /// The share of wrong answers on pairs that are closer than the median pair, 0 to 0.5. Default: 0.25, as between people.
        #[serde(default = "flips")]
        flips: f64,
    },
}

/// How pairs are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum AskBy {
    /// Those whose answers make predictions of all pairs surer.
    #[default]
    Prediction,
    /// Those whose answers say most about the reward.
    Bald,
    /// Any.
    Random,
}

fn every() -> u32 {
    10
}

fn pairs() -> u32 {
    20
}

fn first() -> u32 {
    60
}

fn prompts() -> u32 {
    16
}

fn images_per_prompt() -> u32 {
    2
}

fn waits() -> bool {
    true
}

fn flips() -> f64 {
    0.25
}

/// `feedback.from.flips`.
pub(super) const FLIPS: Bounds = Bounds::Closed(0.0, 0.5);

impl FeedbackSpec {
    /// Returns the settings with who judges, all else at its default.
    pub fn new(from: FeedbackFrom) -> Self {
        Self {
            from,
            every: every(),
            pairs: pairs(),
            first: first(),
            prompts: prompts(),
            images_per_prompt: images_per_prompt(),
            ask: AskBy::default(),
            waits: waits(),
        }
    }

    /// Returns how often is asked in so many epochs.
    pub fn times(&self, epochs: u32) -> u32 {
        epochs.div_ceil(self.every.max(1)).max(1)
    }

    /// Returns which time the model of an epoch is from; epochs count from 1, times from 0.
    pub fn time_of(&self, epoch: u32) -> u32 {
        epoch.saturating_sub(1) / self.every.max(1)
    }

    /// Returns how many pairs are judged at a time.
    pub fn pairs_at(&self, time: u32) -> u32 {
        if time == 0 { self.first } else { self.pairs }
    }
}

impl ExperimentSpec {
    /// Returns the reward that is fitted while adapters are trained, with its place.
    pub fn fitted_reward(&self) -> Option<(usize, &RewardSpec)> {
        self.rewards.iter().enumerate().find(|(_, reward)| matches!(reward.kind, RewardKind::Feedback { .. }))
    }

    /// Checks that feedback is asked for if, and only if, a reward is fitted to it.
    pub(super) fn check_feedback(&self) -> Result<(), Finding> {
        let fitted: Vec<usize> = self
            .rewards
            .iter()
            .enumerate()
            .filter(|(_, reward)| matches!(reward.kind, RewardKind::Feedback { .. }))
            .map(|(index, _)| index)
            .collect();
        if let [_, second, ..] = fitted[..] {
            let way_out = "one reward is fitted to all judgements: remove it";
            return Err(Finding::value(format!("rewards[{second}].kind"), "Feedback", way_out));
        }
        let Some(feedback) = &self.feedback else {
            return match fitted[..] {
                [] => Ok(()),
                [first, ..] => {
                    let way_out = "nobody judges: give feedback: (from: Human), (from: Ai(model: \"…\")), or Preference(model: \"…\"), which `moa fit` makes";
                    Err(Finding::value(format!("rewards[{first}].kind"), "Feedback", way_out))
                }
            };
        };
        if fitted.is_empty() {
            let way_out = "no reward is fitted to it: add (kind: Feedback()) to rewards, or leave feedback out";
            return Err(Finding::state("feedback", "given", way_out));
        }
        if self.rounds > 1 {
            let way_out = "feedback works with one round only: give rounds: 1, or leave feedback out";
            return Err(Finding::value("rounds", self.rounds.to_string(), way_out));
        }
        match &feedback.from {
            FeedbackFrom::Follow { file } if file.as_os_str().is_empty() => {
                let way_out = "name the file to which judgements are appended, e.g. \"ratings/preferences.jsonl\"";
                return Err(Finding::value("feedback.from.file", "\"\"", way_out));
            }
            FeedbackFrom::Human | FeedbackFrom::Follow { .. } => {}
            FeedbackFrom::Ai(ai) => ai.check("feedback.from")?,
            FeedbackFrom::Simulated { flips } => super::validate::check_number("feedback.from.flips", FLIPS, *flips)?,
        }
        let numbers = [
            ("every", feedback.every),
            ("pairs", feedback.pairs),
            ("first", feedback.first),
            ("prompts", feedback.prompts),
            ("images_per_prompt", feedback.images_per_prompt),
        ];
        numbers.iter().try_for_each(|(name, value)| {
            super::validate::check_number(format!("feedback.{name}"), FEEDBACK, f64::from(*value))
        })
    }
}
