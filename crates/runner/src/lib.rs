//! From an experiment file to runs, evaluations and records.
//!
//! [`sweep()`] evaluates the base, trains all adapters of an experiment together, evaluates them and their soups, and draws
//! what came out. It speaks through events alone, and goes on where it was stopped or killed. [`FrontReport`] says what an
//! experiment's evaluations add up to: points with intervals, the front, its hypervolume.

mod checkpoint;
mod difference;
mod drawing;
mod error;
mod evaluation;
mod folder;
mod hacking;
mod models;
mod progress;
mod receipt;
mod recorder;
pub mod report;
mod sheet;
mod soup_bench;
mod soups;
mod sweep;
mod training;

pub use error::RunnerError;
pub use hacking::{SuspectedHacking, suspected_hacking};
pub use models::Models;
pub use receipt::{Receipt, sha256};
pub use report::FrontReport;
pub use soup_bench::{Promise, SoupBench, Tasting};
pub use sweep::{SweepOutcome, SweepRequest, sweep};
