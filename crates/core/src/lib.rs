//! The vocabulary of moa: experiment files, weightings, reward vectors, run events and records.
//!
//! No tensors, no terminal, no files but the experiment file itself. Everything is maximised; a cost is negated once, at
//! the reward that measures it.

mod course;
pub mod event;
pub mod experiment;
pub mod judge;
pub mod metric;
mod mixture;
pub mod noise;
pub mod provenance;
pub mod record;
pub mod weighting;

pub use course::{Course, RunCourse};
pub use event::{EventSink, Judging, OnlineNews, Phase, RunEvent, Warning};
pub use experiment::ExperimentSpec;
pub use noise::NoiseKey;
pub use provenance::Provenance;
pub use record::{EpochRecord, EvaluationRecord, PointKind, RunId, RunRecord, RunState, ScoreColumn};
pub use weighting::{Weighting, WeightingError};
