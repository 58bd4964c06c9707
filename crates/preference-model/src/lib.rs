//! Reward models fitted to judgements, with their uncertainty, and what to ask next.

pub mod ask;
mod error;
mod features;
mod file;
mod fit;
#[cfg(test)]
mod golden;
mod judgements;
pub mod likelihood;
mod linear;
mod model;
mod noise;
mod pool;
mod quadrature;
mod space;
mod terms;

pub use error::{PreferenceModelError, Result};
pub use features::Features;
pub use file::{Origin, VERSION};
pub use fit::{FitSettings, Lapses, Shape};
pub use judgements::{Comparison, Judgements, Marking, Ranking, Scoring};
pub use model::{Normal, RewardModel, Threshold};
pub use noise::Noise;
pub use pool::Pool;
pub use space::{Space, SpaceSettings};
