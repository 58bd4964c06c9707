//! Why a question, an answer or a pool is refused.

use std::io;
use std::path::PathBuf;

use moa_preferences::PreferencesError;

/// Why a question, an answer or a pool is refused. Nothing is written or changed then.
#[derive(Debug, thiserror::Error)]
pub enum RatingError {
    /// No prompt has as many images as a question shows.
    #[error(
        "ask about {images} images of a prompt: no prompt has that many different ones: draw more, or ask about fewer"
    )]
    PoolTooSmall {
        /// Images of a question.
        images: usize,
    },
    /// A mode that cannot be answered.
    #[error("{field} is {value}: {accepted}")]
    Option {
        /// The option.
        field: &'static str,
        /// What it is.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// A name that no record may hold.
    #[error("the rater's name is \"{name}\": give 1 to 64 characters in one line")]
    Name {
        /// The name.
        name: String,
    },
    /// An answer to a question that was never asked.
    #[error("there is no question {id}: ask for another one")]
    UnknownQuestion {
        /// The question's id.
        id: String,
    },
    /// An image that is not in the pool.
    #[error("there is no image {id} in the pool")]
    UnknownImage {
        /// The image's id.
        id: String,
    },
    /// An answer that does not fit the question.
    #[error("the answer is {answer}: {accepted}")]
    Answer {
        /// What was answered.
        answer: String,
        /// What would be accepted.
        accepted: String,
    },
    /// An undo of an answer that is no longer the rater's last.
    #[error("answer {id} is not your last one: undo later ones first")]
    NotLast {
        /// The answer's id.
        id: String,
    },
    /// An image whose file is gone, or is no longer what it was.
    #[error("{}: {problem}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The background thread that chooses questions could not be started.
    #[error("start choosing questions: {0}")]
    Start(io::Error),
    /// The file of preferences could not be read or written; after a failed write the answer may be given again.
    #[error(transparent)]
    Preferences(#[from] PreferencesError),
}
