//! The embedded `emoji-32` base model, its CLIP and judges, and what pre-trains them.

mod embedded;
pub mod pretrain;
mod scorer;

pub use embedded::{EMOJI_32, ZooError, attribute_judge, embedder, hashes, judges, open_pipeline, pipeline_files};
pub use scorer::{reward_hashes, scorer};
