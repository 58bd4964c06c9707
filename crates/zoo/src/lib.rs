//! Base models: the embedded `emoji-32` with its CLIP, heads and judges, and what pre-trains them; and folders on disk.

mod base;
pub mod checks;
mod clip;
mod embedded;
mod error;
mod hashes;
pub mod pretrain;
mod scorer;

pub use base::{BaseFile, BaseModel};
pub use clip::NamedClip;
pub use embedded::{EMOJI_32, detector, detector_judge, embedder, judges, judging_detector, open_pipeline};
pub use error::ZooError;
pub use scorer::{reward_hashes, scorer};
