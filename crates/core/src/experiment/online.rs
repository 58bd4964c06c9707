//! Prompts that arrive while adapters are trained, and adapters that are released meanwhile.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::finding::Finding;
use super::{Baseline, ExperimentSpec};

/// Online alignment: prompts that arrive in a file while adapters are trained join the training prompts; every so many epochs each run's
/// adapter is measured and becomes a version, which is released where no alarm says that something drifts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineSpec {
    /// The file to which prompts are appended, a line each: `{"prompt": "…"}`, or the prompt itself. A relative path counts from the folder of the
    /// experiment file. The file need not be there yet. `arrivals.jsonl` of other results is read as what arrived there, at the same epochs. No
    /// default.
    pub inbox: PathBuf,
    /// Epochs from one look at the inbox to the next, and from one version to the next. Default: 10.
    #[serde(default = "every")]
    pub every: u32,
    /// The share of an epoch's prompts that is taken from those which arrived, 0 to 1. Default: 0.5.
    #[serde(default = "share")]
    pub share: f64,
    /// How many of the prompts that arrived last are returned to. Default: 1000.
    #[serde(default = "keep")]
    pub keep: u32,
    /// New prompts that each look waits for; at 0 training goes on with what there is. Default: 0.
    #[serde(default)]
    pub waits_for: u32,
    /// Training prompts on which versions are measured, and with which those that arrive are compared. Default: 64.
    #[serde(default = "reference")]
    pub reference: u32,
    /// Images of each of them, and of prompts that arrived. Default: 2.
    #[serde(default = "images_per_prompt")]
    pub images_per_prompt: u32,
    /// What an alarm does. Default: `Hold`.
    #[serde(default)]
    pub on_alarm: OnAlarm,
    /// Of how many versions of each run the training state is kept, so that training can go back to them; the last ones that are sound.
    /// Default: 3.
    #[serde(default = "states")]
    pub states: u32,
}

/// What is done with a version at which something is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum OnAlarm {
    /// It is released all the same.
    Warn,
    /// It is not released: the last sound one stays. Training goes on.
    #[default]
    Hold,
    /// It is not released, and the sweep stops, once all runs have their version.
    Stop,
}

fn every() -> u32 {
    10
}

fn share() -> f64 {
    0.5
}

fn keep() -> u32 {
    1000
}

fn reference() -> u32 {
    64
}

fn images_per_prompt() -> u32 {
    2
}

fn states() -> u32 {
    3
}

/// `online.every`, `keep` and `reference`.
pub(super) const COUNTS: Bounds = Bounds::Whole(1, 100_000);
/// `online.waits_for`.
pub(super) const WAITS: Bounds = Bounds::Whole(0, 100_000);
/// `online.images_per_prompt`.
pub(super) const IMAGES: Bounds = Bounds::Whole(1, 64);
/// `online.share`.
pub(super) const SHARE: Bounds = Bounds::Closed(0.0, 1.0);
/// `online.states`.
pub(super) const STATES: Bounds = Bounds::Whole(0, 1000);

impl OnlineSpec {
    /// Returns the settings for an inbox, all else at its default.
    pub fn new(inbox: impl Into<PathBuf>) -> Self {
        Self {
            inbox: inbox.into(),
            every: every(),
            share: share(),
            keep: keep(),
            waits_for: 0,
            reference: reference(),
            images_per_prompt: images_per_prompt(),
            on_alarm: OnAlarm::default(),
            states: states(),
        }
    }

    /// Returns whether the inbox is looked at when so many epochs are done, and a version is made of what was trained in them.
    pub fn is_due(&self, epochs_done: u32) -> bool {
        epochs_done.is_multiple_of(self.every.max(1))
    }

    /// Returns how many versions a training of so many epochs has.
    pub fn versions(&self, epochs: u32) -> u32 {
        epochs / self.every.max(1)
    }
}

impl ExperimentSpec {
    /// Checks the numbers of what happens online, and what does not go with it.
    pub(super) fn check_online(&self) -> Result<(), Finding> {
        let Some(online) = &self.online else { return Ok(()) };
        if online.inbox.as_os_str().is_empty() {
            let way_out = "name the file to which prompts are appended, e.g. \"inbox.jsonl\"";
            return Err(Finding::value("online.inbox", "\"\"", way_out));
        }
        let numbers = [
            ("every", COUNTS, online.every),
            ("keep", COUNTS, online.keep),
            ("waits_for", WAITS, online.waits_for),
            ("reference", COUNTS, online.reference),
            ("images_per_prompt", IMAGES, online.images_per_prompt),
            ("states", STATES, online.states),
        ];
        for (name, bounds, value) in numbers {
            super::validate::check_number(format!("online.{name}"), bounds, f64::from(value))?;
        }
        super::validate::check_number("online.share", SHARE, online.share)?;
        let epochs = self.training.epochs;
        if !epochs.is_multiple_of(online.every) {
            let way_out = format!(
                "training.epochs is {epochs}, and a version is made of the last epoch, too: give a number that divides it"
            );
            return Err(Finding::value("online.every", online.every.to_string(), way_out));
        }
        if self.rounds > 1 {
            let way_out = "online works with one round only: give rounds: 1, or leave online out";
            return Err(Finding::value("rounds", self.rounds.to_string(), way_out));
        }
        if self.training.method.passes(self).rollout <= 0.0 {
            let way_out = format!(
                "training.method {} draws no images of prompts that arrive: train with another method",
                self.training.method.name()
            );
            return Err(Finding::state("online", "given", way_out));
        }
        if self.training.advantages.baseline != Baseline::Group {
            let way_out = "what is expected of prompts that arrive is not known beforehand: give Group";
            return Err(Finding::state("training.advantages.baseline", "one of prompts known beforehand", way_out));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_at_the_beginning_and_after_every_so_many_epochs() {
        let online = OnlineSpec { every: 10, ..OnlineSpec::new("inbox.jsonl") };
        assert_eq!((0..=30).filter(|done| online.is_due(*done)).collect::<Vec<u32>>(), [0, 10, 20, 30]);
        assert_eq!([online.versions(30), online.versions(9)], [3, 0]);
    }

    #[test]
    fn what_does_not_go_with_it_is_refused() {
        let refused = |change: &dyn Fn(&mut ExperimentSpec)| {
            let mut spec = ExperimentSpec { online: Some(OnlineSpec::new("inbox.jsonl")), ..ExperimentSpec::default() };
            spec.training.epochs = 20;
            spec.validate().unwrap();
            change(&mut spec);
            spec.validate().unwrap_err().to_string()
        };
        let every = refused(&|spec| spec.training.epochs = 25);
        assert!(every.contains("online.every is 10") && every.contains("25"), "{every}");
        let share = refused(&|spec| spec.online = Some(OnlineSpec { share: 1.5, ..OnlineSpec::new("a") }));
        assert!(share.contains("online.share is 1.5"), "{share}");
        let nan = refused(&|spec| spec.online = Some(OnlineSpec { share: f64::NAN, ..OnlineSpec::new("a") }));
        assert!(nan.contains("online.share"), "{nan}");
        assert!(refused(&|spec| spec.online = Some(OnlineSpec::new(""))).contains("online.inbox"));
        assert!(refused(&|spec| spec.rounds = 2).contains("rounds"));
        let baseline = refused(&|spec| spec.training.advantages.baseline = Baseline::Prompt { decay: 0.9 });
        assert!(baseline.contains("baseline"), "{baseline}");
    }
}
