//! Rewards: models and formulas that score pictures; and the judges that watch them.
//!
//! A [`Scorer`] takes [`Pictures`] to one column of scores per reward. Rewards on the same CLIP share one embedding of each
//! picture. [`disk`] reads those that the field uses from its own files. [`judge`] holds what is reported and never trained on; [`rater`] and [`head`] what the aesthetics and safety
//! heads are fitted to, and how.

pub mod clip;
mod colour;
pub mod disk;
mod embedder;
mod error;
pub mod external;
mod factory;
mod gradient;
pub mod head;
pub mod judge;
mod pictures;
mod raster;
pub mod rater;
mod reward;
pub mod rewards;
mod scorer;
mod view;

pub use clip::{Clip, ClipConfig, PictureTower, Preprocessor, TextTower, VisionConfig};
pub use embedder::{Embedder, Embeddings, PictureEmbedder, Processing, TextEmbedder, cosine};
pub use error::RewardError;
pub use factory::{Embedded, Heads, Sources, reward};
pub use gradient::{Differentiable, GradientView};
pub use head::{LinearHead, SafetyConcept, SafetyHead, fit_linear_head, fit_safety_concept, r_squared};
pub use judge::{AttributeConfig, AttributeJudge, AttributeNet, ClipJudge, Judge, JudgeColumn};
pub use pictures::Pictures;
pub use raster::Raster;
pub use reward::Reward;
pub use scorer::{Scorer, Scores};
pub use view::View;
