//! Where preferences come from, for the methods that learn from them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Number;
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Where pairs come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PairSource {
    /// The rewards, on new images of the adapter in each epoch.
    Own {
        /// Pairs of each prompt's images: the best with the worst, the second best with the second worst, and so on; at most half as
        /// many as there are images. Default: 2.
        #[serde(default = "per_prompt")]
        per_prompt: u32,
    },
    /// A file.
    File(PreferenceFile),
}

/// Where single images come from that are good or bad.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LabelSource {
    /// The rewards, on new images of the adapter in each epoch.
    #[default]
    Own,
    /// A file.
    File(PreferenceFile),
}

/// A file of preferences (`docs/preferences.md`). An epoch takes `prompts_per_epoch` × `images_per_prompt` images of it, and draws none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferenceFile {
    /// The file, `preferences.jsonl`; a relative path counts from the experiment file.
    pub path: PathBuf,
    /// Who decides. Default: `Outcome`.
    #[serde(default)]
    pub decided_by: DecidedBy,
}

fn per_prompt() -> u32 {
    2
}

impl Default for PairSource {
    fn default() -> Self {
        Self::Own { per_prompt: per_prompt() }
    }
}

/// Who decides between the images of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecidedBy {
    /// Whoever made the file. A record that has rewards' names among its tags counts for these, with their shares; one that has none
    /// counts for every run.
    #[default]
    Outcome,
    /// The experiment's rewards, as if the adapter had drawn the images.
    Rewards,
}

/// How a weighting enters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mix {
    /// The mixture of rewards decides which image is better.
    #[default]
    Rewards,
    /// Each reward decides on its own, and the losses are mixed: with the same pairs, an image is preferred by the sum of the shares of
    /// those rewards that prefer it.
    Losses,
}

impl PreferenceFile {
    /// Refuses what a file cannot decide; `field` is the source's.
    fn check(&self, spec: &ExperimentSpec, field: &str, mix: Mix, mix_field: &str) -> Result<(), Finding> {
        if self.path.as_os_str().is_empty() {
            let way_out = "name a file of preferences, such as \"preferences.jsonl\"";
            return Err(Finding::state(format!("{field}.path"), "a file without a name", way_out));
        }
        if self.decided_by == DecidedBy::Outcome {
            if mix == Mix::Losses {
                let way_out = format!(
                    "{field} decides by its own outcomes, and no reward does: give Rewards, or {field}.decided_by: Rewards"
                );
                return Err(Finding::value(mix_field, "Losses", way_out));
            }
            return Ok(());
        }
        let found = spec.rewards.iter().find(|reward| reward.kind.compares());
        found.map_or(Ok(()), |reward| {
            let way_out = format!(
                "`{}` compares the images that an adapter draws for a prompt, and a file's are not such: give Outcome, or leave the reward \
                 out",
                reward.name
            );
            Err(Finding::value(format!("{field}.decided_by"), "Rewards", way_out))
        })
    }
}

impl PairSource {
    /// Returns the settings as a field of the method's.
    pub(super) fn listed(&self, name: &'static str) -> Number {
        let value = match self {
            Self::Own { per_prompt } => Some(f64::from(*per_prompt)),
            Self::File(_) => None,
        };
        (name, Bounds::Whole(1, 512), value)
    }

    /// Refuses more pairs than there are images for, and what a file cannot decide; `field` is the method's.
    pub(super) fn check(&self, spec: &ExperimentSpec, field: &str, mix: Mix) -> Result<(), Finding> {
        match self {
            Self::Own { per_prompt } => check_pairs(&format!("{field}.pairs.per_prompt"), *per_prompt, spec),
            Self::File(file) => file.check(spec, &format!("{field}.pairs"), mix, &format!("{field}.mix")),
        }
    }

    /// Returns the share of an epoch's images that is in pairs.
    pub(super) fn paired(&self, spec: &ExperimentSpec) -> f64 {
        match self {
            Self::Own { per_prompt } => paired(*per_prompt, spec),
            Self::File(_) => 1.0,
        }
    }

    /// Returns how many passes draw an image.
    pub(super) fn rollout(&self, spec: &ExperimentSpec) -> f64 {
        if matches!(self, Self::File(_)) { 0.0 } else { spec.sampler.steps.into() }
    }
}

impl LabelSource {
    /// Refuses what a file cannot decide; `field` is the method's.
    pub(super) fn check(&self, spec: &ExperimentSpec, field: &str, mix: Mix) -> Result<(), Finding> {
        match self {
            Self::Own => Ok(()),
            Self::File(file) => file.check(spec, &format!("{field}.labels"), mix, &format!("{field}.mix")),
        }
    }
}

/// Refuses more pairs of a prompt's images than there are images for.
pub(super) fn check_pairs(field: &str, per_prompt: u32, spec: &ExperimentSpec) -> Result<(), Finding> {
    let pictures = spec.training.images_per_prompt;
    if per_prompt <= pictures / 2 {
        return Ok(());
    }
    let most = pictures / 2;
    let way_out = format!("give at most {most}: training.images_per_prompt is {pictures}, and an image is in one pair");
    Err(Finding::value(field, per_prompt.to_string(), way_out))
}

/// Returns the share of an epoch's images that so many pairs of each prompt's hold.
pub(super) fn paired(per_prompt: u32, spec: &ExperimentSpec) -> f64 {
    2.0 * f64::from(per_prompt) / f64::from(spec.training.images_per_prompt)
}
