//! Rewards: models and formulas that score pictures; and the judges that watch them.

pub mod clip;
mod error;
pub mod judge;

pub use clip::{Clip, ClipConfig, Preprocessor, VisionConfig};
pub use error::RewardError;
pub use judge::{AttributeConfig, AttributeNet};
