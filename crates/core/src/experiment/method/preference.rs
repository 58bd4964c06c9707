//! Where preferences come from, for the methods that learn from them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Number;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;
use crate::experiment::{ExperimentSpec, RewardKind};

/// Where preferences come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PreferenceSource {
    /// The rewards, about pictures that the adapter draws anew in each epoch.
    Own {
        /// Pairs of each prompt's pictures: the best with the worst, the second best with the second worst, and so on; at most half as
        /// many as there are pictures. Methods of single pictures take all. Default: 2.
        #[serde(default = "per_prompt")]
        per_prompt: u32,
    },
    /// A file of preferences (`docs/preferences.md`), whose relative path counts from the experiment file. An epoch takes
    /// `prompts_per_epoch` × `pictures_per_prompt` pictures of it, and draws none.
    File {
        /// The file, `preferences.jsonl`.
        path: PathBuf,
        /// Who decides. Default: `Outcome`.
        #[serde(default)]
        decided_by: DecidedBy,
    },
}

fn per_prompt() -> u32 {
    2
}

impl Default for PreferenceSource {
    fn default() -> Self {
        Self::Own { per_prompt: per_prompt() }
    }
}

/// Who decides between the pictures of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecidedBy {
    /// Whoever made the file. A record that has rewards' names among its tags counts for these, with their shares; one that has none
    /// counts for every run.
    #[default]
    Outcome,
    /// The experiment's rewards, as if the adapter had drawn the pictures.
    Rewards,
}

/// How a weighting enters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mix {
    /// The mixture of rewards decides which picture is better.
    #[default]
    Rewards,
    /// Each reward decides on its own, and the losses are mixed: with the same pairs, a picture is preferred by the sum of the shares of
    /// those rewards that prefer it.
    Losses,
}

impl PreferenceSource {
    /// Returns the file, where preferences come from one.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Own { .. } => None,
            Self::File { path, .. } => Some(path),
        }
    }

    /// Returns the settings as a field of the method's.
    pub(super) fn listed(&self, name: &'static str) -> Number {
        let value = match self {
            Self::Own { per_prompt } => Some(f64::from(*per_prompt)),
            Self::File { .. } => None,
        };
        (name, Bounds::Whole(1, 512), value)
    }

    /// Refuses more pairs than there are pictures for, and files without a name; `field` is the source's.
    pub(super) fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        match self {
            Self::Own { per_prompt } => {
                let pictures = spec.training.pictures_per_prompt;
                if *per_prompt > pictures / 2 {
                    let way_out = format!(
                        "give at most {}: training.pictures_per_prompt is {pictures}, and a picture is in one pair",
                        pictures / 2
                    );
                    return Err(Finding::value(format!("{field}.per_prompt"), per_prompt.to_string(), way_out));
                }
                Ok(())
            }
            Self::File { path, .. } if path.as_os_str().is_empty() => {
                let way_out = "name a file of preferences, such as \"preferences.jsonl\"";
                Err(Finding::state(format!("{field}.path"), "a file without a name", way_out))
            }
            Self::File { decided_by: DecidedBy::Rewards, .. } => {
                // Diversity compares the pictures that one adapter draws for a prompt; those of a file are of anyone.
                let compares =
                    |kind: &RewardKind| matches!(kind, RewardKind::Diversity | RewardKind::ClipDiversity { .. });
                let found = spec.rewards.iter().find(|reward| compares(&reward.kind));
                found.map_or(Ok(()), |reward| {
                    let way_out = format!(
                        "`{}` compares the pictures that an adapter draws for a prompt, and a file's are not such: give Outcome, or leave \
                         the reward out",
                        reward.name
                    );
                    Err(Finding::value(format!("{field}.decided_by"), "Rewards", way_out))
                })
            }
            Self::File { .. } => Ok(()),
        }
    }

    /// Returns the share of an epoch's pictures that is in pairs.
    pub(super) fn paired(&self, spec: &ExperimentSpec) -> f64 {
        match self {
            Self::Own { per_prompt } => 2.0 * f64::from(*per_prompt) / f64::from(spec.training.pictures_per_prompt),
            Self::File { .. } => 1.0,
        }
    }

    /// Returns how many passes draw a picture.
    pub(super) fn rollout(&self, spec: &ExperimentSpec) -> f64 {
        if self.file().is_some() { 0.0 } else { spec.sampler.steps.into() }
    }
}
