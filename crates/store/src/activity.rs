//! What events say of a sweep while it runs.

use moa_core::{EvaluationRecord, Phase, PointKind, RunEvent, RunRecord, RunState};

/// What a sweep is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// The part of the sweep that it is in.
    pub phase: Option<Phase>,
    /// How many units of work that part holds.
    pub units: u64,
    /// The share of the current epoch, evaluation or drawing that is finished, 0 to 1.
    pub fraction: f64,
    /// The last epoch from which a killed sweep would resume.
    pub checkpoint: Option<u32>,
}

impl Activity {
    /// Takes one event.
    pub(crate) fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::PhaseStarted { phase, units } => {
                (self.phase, self.units, self.fraction) = (Some(*phase), *units, 0.0);
            }
            RunEvent::Progress { phase, fraction } => (self.phase, self.fraction) = (Some(*phase), *fraction),
            RunEvent::Checkpointed { epoch } | RunEvent::Interrupted { epoch } => self.checkpoint = Some(*epoch),
            RunEvent::EpochFinished(_) | RunEvent::Evaluated(_) => self.fraction = 0.0,
            _ => {}
        }
    }
}

/// Moves a run on after an epoch.
pub(crate) fn epoch_finished(run: &mut RunRecord, epoch: u32) {
    run.epochs_done = epoch;
    run.state = if epoch >= run.epochs { RunState::Trained } else { RunState::Training };
}

/// Moves a run on after an evaluation.
pub(crate) fn evaluated(run: &mut RunRecord, evaluation: &EvaluationRecord) {
    // A run that has ended before its time is evaluated, too.
    if evaluation.kind == PointKind::Trained {
        run.state = RunState::Evaluated;
    }
}

/// Adds a warning once.
pub(crate) fn warned(warnings: &mut Vec<String>, message: &str) {
    if !warnings.iter().any(|known| known == message) {
        warnings.push(message.to_owned());
    }
}
