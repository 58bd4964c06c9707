//! Why a reward cannot be explained. Messages read after "failed to".

use std::path::PathBuf;

use moa_pareto::ParetoError;
use moa_reward::RewardError;

/// Why a reward cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// There are no images, or not what goes with them.
    #[error("explain rewards: {0}")]
    Images(&'static str),
    /// There are more images than memory should hold.
    #[error(
        "explain rewards: {images} images of {width} × {height} are more than {most} values; explain on fewer images"
    )]
    TooMany {
        /// Images asked for.
        images: usize,
        /// Their width.
        width: usize,
        /// Their height.
        height: usize,
        /// The most values that are held.
        most: usize,
    },
    /// A reward cannot score images.
    #[error("score images: {0}")]
    Score(#[from] RewardError),
    /// A file of concepts cannot be used.
    #[error("read the concepts in {}: {problem}", path.display())]
    Concepts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A figure has no interval.
    #[error("say how sure a figure is: {0}")]
    Interval(#[from] ParetoError),
    /// An image cannot be encoded.
    #[error("encode an image: {0}")]
    Encode(String),
}
