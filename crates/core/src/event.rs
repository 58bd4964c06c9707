//! Events: the only way in which the trainer and the runner speak. Progress bars, the store and the terminal UI are
//! sinks; a finished run can be replayed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EpochRecord, EvaluationRecord, RunId, RunRecord};

/// The parts of a sweep, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The base model is evaluated on the held-out prompts.
    Base,
    /// Adapters are trained.
    Training,
    /// Adapters are evaluated on the held-out prompts.
    Evaluation,
    /// Images and plots are drawn.
    Drawing,
}

/// A finding that does not stop the sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// The run it concerns, if it concerns one.
    pub run: Option<RunId>,
    /// What was found, in a sentence.
    pub message: String,
}

/// How far the judgements are that are asked for while adapters are trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judging {
    /// The epochs that are trained.
    pub after_epoch: u32,
    /// What is answered, of what was asked now; when the reward is fitted, of everything.
    pub answered: u32,
    /// What was asked.
    pub wanted: u32,
    /// The page where people judge, or the file to which judgements are appended; nothing where neither is, and when the reward is fitted. A page's has
    /// its token, and is written nowhere.
    #[serde(skip)]
    pub address: Option<String>,
}

impl Judging {
    /// Returns where judgements are given or awaited, in a few words; nothing where they are not waited for.
    pub fn place(&self) -> Option<String> {
        let address = self.address.as_ref()?;
        let is_page = address.starts_with("http");
        Some(if is_page { format!("judge at {address}") } else { format!("they are awaited in {address}") })
    }
}

/// Something that happened in online training, while adapters are trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnlineNews {
    /// Training waits for prompts.
    Waiting {
        /// The epochs that are trained.
        after_epoch: u32,
        /// The prompts that arrived since the look before.
        arrived: u32,
        /// How many are waited for.
        wanted: u32,
    },
    /// The inbox was looked at.
    Arrived {
        /// The epochs that are trained.
        after_epoch: u32,
        /// The prompts that arrived since the look before.
        prompts: u32,
        /// Lines that are no prompts to train on.
        refused: u32,
    },
    /// A run has a new version.
    Version {
        /// The run.
        run: RunId,
        /// The version's number.
        number: u32,
        /// The epochs that are trained.
        after_epoch: u32,
        /// Whether it is released.
        released: bool,
    },
}

impl fmt::Display for OnlineNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { after_epoch, arrived, wanted } => {
                write!(f, "after epoch {after_epoch}: waiting for prompts, {arrived} of {wanted} have arrived")
            }
            Self::Arrived { after_epoch, prompts, refused } => {
                let plural = if *prompts == 1 { "" } else { "s" };
                write!(f, "after epoch {after_epoch}: {prompts} new prompt{plural} arrived")?;
                match refused {
                    0 => Ok(()),
                    1 => write!(f, ", 1 line was refused"),
                    more => write!(f, ", {more} lines were refused"),
                }
            }
            Self::Version { run, number, after_epoch, released } => {
                let what = if *released { "released" } else { "held back" };
                write!(f, "after epoch {after_epoch}: version {number} of {run} is {what}")
            }
        }
    }
}

/// Something that happened in a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunEvent {
    /// The sweep begins, or resumes from what an earlier call left.
    SweepStarted {
        /// The experiment's name.
        experiment: String,
        /// The device in use, by name.
        device: String,
        /// The rewards, in the experiment's order.
        rewards: Vec<String>,
        /// The runs as they stand.
        runs: Vec<RunRecord>,
    },
    /// A part of the sweep begins.
    PhaseStarted {
        /// The part.
        phase: Phase,
        /// How many units of work it holds (epochs in training, images elsewhere).
        units: u64,
    },
    /// Units of work inside an epoch or evaluation are finished; a sign of life between larger events.
    Progress {
        /// The part of the sweep.
        phase: Phase,
        /// The share of the current epoch, evaluation or drawing that is finished, 0 to 1.
        fraction: f64,
    },
    /// A run finished an epoch.
    EpochFinished(EpochRecord),
    /// All state up to this epoch is on disk: a killed sweep resumes from here.
    Checkpointed {
        /// The last epoch that is safe.
        epoch: u32,
    },
    /// The base, an adapter or a soup was evaluated.
    Evaluated(EvaluationRecord),
    /// Judgements are asked for, come in, or a reward was fitted to them.
    Judging(Judging),
    /// Prompts arrived, or a version of an adapter was made.
    Online(OnlineNews),
    /// Something a reader of the results must know.
    Warned(Warning),
    /// A file of the results was written.
    Wrote {
        /// Its path.
        path: std::path::PathBuf,
    },
    /// The sweep stopped before its end because it was asked to; nothing is lost.
    Interrupted {
        /// The last epoch that is safe.
        epoch: u32,
    },
    /// The sweep is complete.
    SweepFinished,
}

/// Receives events. Sinks must be quick: the trainer waits for them.
pub trait EventSink {
    /// Takes one event.
    fn emit(&mut self, event: &RunEvent);
}

impl<F: FnMut(&RunEvent)> EventSink for F {
    fn emit(&mut self, event: &RunEvent) {
        self(event);
    }
}
