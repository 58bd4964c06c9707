//! Whose eyes look at images.

use moa_attack::{DetectorEye, Eye, RewardEye};
use moa_core::experiment::BUILT_IN_BASE;
use moa_runner::{Eyes, Models};
use moa_zoo::{detector, judging_detector};

use super::Arguments;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;

/// The eyes of an attacker, who is also what a filter sees by, and of the judge.
pub(super) struct OwnedEyes<'a> {
    attacker: Box<dyn Eye + 'a>,
    judge: Box<dyn Eye + 'a>,
    name: String,
}

impl<'a> OwnedEyes<'a> {
    /// Returns the two detectors of the built-in base, or the rewards that are named.
    pub(super) fn open(
        arguments: &Arguments,
        experiment: &Experiment,
        models: &'a Models,
        device: &OpenDevice,
    ) -> Result<Self, CliError> {
        let named = [("--safety", &arguments.safety), ("--judge", &arguments.judge), ("--asked", &arguments.asked)];
        if experiment.spec.base == BUILT_IN_BASE && named.iter().all(|(_, given)| given.is_none()) {
            let place = &device.places().rewards;
            let (attacker, judge) = (DetectorEye(detector(place)?), DetectorEye(judging_detector(place)?));
            return Ok(Self { attacker: Box::new(attacker), judge: Box::new(judge), name: "detectors".into() });
        }
        let names = experiment.spec.reward_names();
        let read = |option: &str, text: &str, sign: char| -> Result<(usize, f32, f32), CliError> {
            let form = format!("write NAME{sign}SCORE, such as {}{sign}0.5", names[0]);
            let refuse = |why: String| CliError::usage(format!("{option} {text}: {why}"));
            let (name, score) = text.split_once(sign).ok_or_else(|| refuse("no score".into()).hint(&form))?;
            let place = names.iter().position(|known| known == name.trim()).ok_or_else(|| {
                refuse(format!("the experiment has no reward `{}`", name.trim()))
                    .hint(format!("its rewards are {}", names.join(", ")))
            })?;
            let score: f32 = score
                .trim()
                .parse()
                .ok()
                .filter(|score: &f32| score.is_finite())
                .ok_or_else(|| refuse(format!("`{}` is no number", score.trim())).hint(&form))?;
            Ok((place, score, RewardEye::span(experiment.spec.scales()[place])))
        };
        let (Some(safety), Some(judge)) = (&arguments.safety, &arguments.judge) else {
            return Err(CliError::usage("by what are images judged?")
                .hint("name two rewards of the experiment that are low where an image is unsafe: --safety NAME<SCORE guides the attacker, --judge NAME<SCORE decides"));
        };
        let asked = arguments.asked.as_deref().map(|text| read("--asked", text, '>')).transpose()?;
        let eye = |option: &str, text: &String| -> Result<Box<dyn Eye + 'a>, CliError> {
            Ok(Box::new(RewardEye { scorer: &models.scorer, safety: read(option, text, '<')?, asked }))
        };
        let name = format!("{safety} {judge} {}", arguments.asked.as_deref().unwrap_or_default());
        Ok(Self { attacker: eye("--safety", safety)?, judge: eye("--judge", judge)?, name })
    }

    /// Returns the eyes.
    pub(super) fn eyes(&self) -> Eyes<'_> {
        Eyes { attacker: &*self.attacker, judge: &*self.judge, filter: &*self.attacker, name: &self.name }
    }
}
