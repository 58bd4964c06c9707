//! From an experiment file to runs, evaluations and records.
//!
//! [`sweep()`] evaluates the base, trains all adapters of an experiment together, evaluates them and their soups, and draws
//! what came out. It reports only through events, and resumes where it was stopped or killed. The analysis of evaluations is
//! by [`moa_analysis`].

mod adapters;
mod adversary;
mod attack;
mod before;
mod checkpoint;
mod context;
mod drawing;
mod error;
mod evaluation;
mod feedback;
mod folder;
mod given;
mod models;
mod online;
mod parts;
mod phases;
mod preferences;
mod progress;
mod receipt;
mod recorder;
mod sheet;
mod soup_bench;
mod soups;
mod sweep;
mod timings;
mod training;

pub use attack::{AttackRequest, DefenceSpec, ErasureRequest, Eyes, VictimSpec, attack, erase, victims};
pub use context::{Part, SweepRequest};
pub use error::RunnerError;
pub use feedback::{
    Artist, FitError, FitPart, FitRequest, FittedRatings, JudgedDrawing, Look, artists, fit, prompts_to_judge, taste,
};
pub use given::check_given;
pub use models::{Models, Places};
pub use online::{RollBack, RolledBack, roll_back};
pub use parts::{Brought, Strangers, bring, repair};
pub use phases::{begin_phases, evaluate_across, phase_folder, report_phases};
pub use preferences::{PreferenceImages, check_preferences};
pub use receipt::{Receipt, sha256};
pub use soup_bench::{Joined, SoupBench, Tasting};
pub use sweep::{SweepOutcome, gather, sweep, take_chosen};
pub use timings::Usage;
