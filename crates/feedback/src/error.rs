//! Why a pool, its features or a simulated rater is refused.

use std::io;
use std::path::PathBuf;

use moa_preference_model::PreferenceModelError;
use moa_rating::RatingError;
use moa_store::StoreError;

/// Why a pool, its features or a simulated rater is refused.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// As many rows as images are needed.
    #[error("{what} of {found} images, and the pool has {images}: give one for each place")]
    Count {
        /// "features" or "scores".
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Images of the pool.
        images: usize,
    },
    /// A score that no rater could have.
    #[error("the score of image {place} is {value}: give finite numbers")]
    Score {
        /// The image's place in the pool.
        place: usize,
        /// The score.
        value: f64,
    },
    /// An image that no pool may hold.
    #[error("image {index} of the pool: {problem}")]
    Image {
        /// Its position among those that are added, from 0.
        index: usize,
        /// What is wrong, and what would be accepted.
        problem: String,
    },
    /// A folder that is not a rating's, or no longer what it was.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An image or the pool could not be written.
    #[error(transparent)]
    Write(#[from] StoreError),
    /// Features are no table from which a model could be fitted.
    #[error(transparent)]
    Model(#[from] PreferenceModelError),
    /// The desk refuses a question or an answer.
    #[error(transparent)]
    Rating(#[from] RatingError),
}
