//! An adversary in the loop of training.

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::finding::Finding;
use super::{BUILT_IN_BASE, ExperimentSpec};

/// An adversary that looks for prompts which make a run's adapter draw what it should not, again and again while that is trained: what it
/// finds joins the run's training prompts, and is scored as the prompt whose goal it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversarySpec {
    /// How it looks. Default: `Evolution`.
    #[serde(default)]
    pub attack: AdversaryAttack,
    /// Epochs from one search to the next; the first is after so many. Default: 10.
    #[serde(default = "every")]
    pub every: u32,
    /// Goals that each search attacks, drawn from `prompts`. Default: 4.
    #[serde(default = "goals")]
    pub goals: u32,
    /// Passes through the denoiser that a search may spend on each goal; a backward pass counts as two. Default: 300.
    #[serde(default = "budget")]
    pub budget: u32,
    /// The share of an epoch's prompts that is taken from what was found, 0 to 1. Default: 0.5.
    #[serde(default = "share")]
    pub share: f64,
    /// How many found prompts are kept for a run; the oldest give way. Default: 64.
    #[serde(default = "keep")]
    pub keep: u32,
    /// The training prompts that ask for what should not be drawn. Default: `[]`, those that name something unsafe, which is known of captions of
    /// the built-in scenes.
    #[serde(default)]
    pub prompts: Vec<String>,
    /// The reward by which the adversary sees. Default: `None`, the built-in detector of objects.
    #[serde(default)]
    pub eye: Option<AdversaryEye>,
}

/// How an adversary looks for prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum AdversaryAttack {
    /// None: the goals as they are, more often than they come up otherwise. What a search adds is what it adds to this.
    Plain,
    /// Synonyms, misspellings, other languages, templates and added context.
    Paraphrase,
    /// Edits of prompts, and edits of those that come nearer.
    #[default]
    Evolution,
    /// Exchanges of tokens by gradients through the denoiser.
    Gradient,
}

/// A reward as the adversary's eye.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryEye {
    /// The reward, which is low where an image shows what it should not.
    pub reward: String,
    /// Below which score that is so.
    pub below: f64,
}

fn every() -> u32 {
    10
}

fn goals() -> u32 {
    4
}

fn budget() -> u32 {
    300
}

fn share() -> f64 {
    0.5
}

fn keep() -> u32 {
    64
}

/// `adversary.every`, `goals` and `keep`.
pub(super) const COUNTS: Bounds = Bounds::Whole(1, 100_000);
/// `adversary.budget`.
pub(super) const PASSES: Bounds = Bounds::Whole(1, 10_000_000);
/// `adversary.share`.
pub(super) const SHARE: Bounds = Bounds::Closed(0.0, 1.0);

impl Default for AdversarySpec {
    fn default() -> Self {
        Self {
            attack: AdversaryAttack::default(),
            every: every(),
            goals: goals(),
            budget: budget(),
            share: share(),
            keep: keep(),
            prompts: Vec::new(),
            eye: None,
        }
    }
}

impl AdversarySpec {
    /// Returns whether something is looked for when so many epochs are done.
    pub fn is_due(&self, epochs_done: u32) -> bool {
        epochs_done > 0 && epochs_done.is_multiple_of(self.every.max(1))
    }

    /// Returns how often is searched in a training of so many epochs.
    pub fn times(&self, epochs: u32) -> u32 {
        epochs.saturating_sub(1) / self.every.max(1)
    }
}

impl ExperimentSpec {
    /// Checks an adversary's numbers and names.
    pub(super) fn check_adversary(&self) -> Result<(), Finding> {
        let Some(adversary) = &self.adversary else { return Ok(()) };
        let counts = [("every", adversary.every), ("goals", adversary.goals), ("keep", adversary.keep)];
        for (name, value) in counts {
            super::validate::check_number(format!("adversary.{name}"), COUNTS, f64::from(value))?;
        }
        super::validate::check_number("adversary.budget", PASSES, f64::from(adversary.budget))?;
        super::validate::check_number("adversary.share", SHARE, adversary.share)?;
        if self.training.method.passes(self).rollout <= 0.0 {
            let way_out = format!(
                "training.method {} draws no images, and so none of what an adversary finds: train with another method",
                self.training.method.name()
            );
            return Err(Finding::state("adversary", "given", way_out));
        }
        if adversary.times(self.training.epochs) == 0 {
            let way_out =
                format!("in training.epochs {} nothing would be looked for: give less than that", self.training.epochs);
            return Err(Finding::value("adversary.every", adversary.every.to_string(), way_out));
        }
        if let Some(eye) = &adversary.eye {
            super::validate::check_known("adversary.eye.reward", &eye.reward, "reward", &self.reward_names())?;
            super::validate::check_number("adversary.eye.below", super::bounds::SCALE, eye.below)?;
        } else if self.base != BUILT_IN_BASE {
            let way_out = "no detector knows what images of this base show: name a reward that is low where they are unsafe, \
                           e.g. (reward: \"safety\", below: 0.5)";
            return Err(Finding::state("adversary.eye", "None", way_out));
        }
        if adversary.prompts.is_empty() && self.base != BUILT_IN_BASE {
            let way_out = "name the training prompts that ask for what should not be drawn";
            return Err(Finding::state("adversary.prompts", "empty", way_out));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_due_after_every_so_many_epochs_but_the_last() {
        let adversary = AdversarySpec { every: 10, ..AdversarySpec::default() };
        let due: Vec<u32> = (0..30).filter(|done| adversary.is_due(*done)).collect();
        assert_eq!(due, [10, 20]);
        assert_eq!([adversary.times(30), adversary.times(31), adversary.times(10)], [2, 3, 0]);
    }
}
