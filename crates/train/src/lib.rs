//! Training of banks of adapters: an epoch draws images, scores them, and updates every adapter by a method (`method/`).

mod advantages;
mod adversaries;
mod anchor;
mod arrivals;
mod batches;
mod checkpoint;
mod clock;
mod cohort;
mod common;
mod contexts;
mod continued;
mod course;
mod draw;
mod epoch;
mod erasure;
mod error;
mod factors;
mod gain;
mod guard;
mod method;
mod probe;
mod report;
mod rollout;
mod sampler;
mod selection;
mod state;
mod statistics;
mod steering;
mod stored;
mod surrogate;
mod trainer;
mod tuning;
mod unopposed;
mod world;

#[cfg(test)]
mod chain_tests;

pub use advantages::{Advantages, Against, advantages};
pub use batches::Workers;
pub use clock::Timings;
pub use cohort::{Cohort, CohortReport, RunEpoch};
pub use continued::{Continued, Last};
pub use draw::{DrawRequest, draw, draw_blend};
pub use erasure::{Erasure, ErasureSetup};
pub use error::TrainError;
pub use sampler::targeted;
pub use stored::{StoredPreferences, StoredVote};
pub use surrogate::clip_range;
pub use trainer::{EpochMetrics, EpochReport, Trainer, TrainerSetup};
pub use tuning::{Tuning, tuned};
