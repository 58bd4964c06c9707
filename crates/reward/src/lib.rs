//! Rewards: models and formulas that score images; and the judges that watch them.
//!
//! A [`Scorer`] takes [`Pictures`] to one column of scores per reward, and those rewards that are [`Differentiable`] to a gradient
//! at the pixels ([`Scorer::gradient`]). Rewards on the same CLIP share one embedding of each image. [`disk`] reads the rewards
//! that the field uses from its own files. [`judge`] holds what is reported and never trained on; [`rater`] and [`head`] what the
//! aesthetics head is fitted to, and how; [`detector`] what says which objects are where.
//!
//! Modules depend in one direction: [`Reward`] knows no reward; `rewards`, [`disk`] and [`external`] implement it and do not know of
//! each other's or of the factory; the factory, [`reward`], makes what an experiment asks for.
//!
//! # Adding a reward
//! A formula over pixels takes its file in `rewards` (scores; and, where it has a gradient, [`Differentiable`]), its variant of
//! [`RewardKind`](moa_core::experiment::RewardKind) and its row beside it in `core/src/experiment/reward/kinds.rs`, from which its name,
//! messages, scale, judges, checks, files and hashes follow, and one arm of [`reward`]. The template of `moa init` describes it in
//! prose. Tests fail where the row or the template forgets a kind, or where the row and the reward disagree about the gradient.

pub mod clip;
mod colour;
pub mod detector;
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
pub use detector::{Detector, DetectorConfig, DetectorHeads, DetectorLogits, DetectorNet};
pub use embedder::{Embedder, Embeddings, PictureEmbedder, Processing, TextEmbedder, cosine};
pub use error::RewardError;
pub use factory::{Embedded, Heads, Sources, reward};
pub use gradient::{Differentiable, GradientView};
pub use head::{LinearHead, Match, fit_linear_head, fit_logistic, r_squared};
pub use judge::{ClipJudge, DetectorJudge, Judge, JudgeColumn, Verdict};
pub use pictures::Pictures;
pub use raster::Raster;
pub use reward::Reward;
pub use scorer::{Scorer, Scores};
pub use view::View;
