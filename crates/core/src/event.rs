//! Events: the only way in which the trainer and the runner speak. Progress bars, the store and the terminal UI are
//! sinks; a finished run can be replayed.

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
    /// Where people judge; nothing where no people do, and when the reward is fitted. It has the page's token, and is written nowhere.
    #[serde(skip)]
    pub address: Option<String>,
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
