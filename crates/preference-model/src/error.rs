//! Why judgements cannot be fitted, or a model not be read.

use std::io;
use std::path::PathBuf;

/// Why judgements cannot be fitted, or a model not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceModelError {
    /// Features are no table of finite numbers, or vary nowhere.
    #[error("features: {problem}")]
    Features {
        /// What is wrong, with position and value.
        problem: String,
    },
    /// A judgement refers to an image that is not in the pool, or has an invalid value.
    #[error("judgement {index}: {problem}")]
    Judgement {
        /// The judgement's position among those of its kind, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is not enough to fit or to validate.
    #[error("{what}: {why}")]
    TooFew {
        /// What was to be computed.
        what: &'static str,
        /// What is there, and what is needed.
        why: String,
    },
    /// A setting is outside of its range.
    #[error("`{name}` is {value}: {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The arithmetic failed: the curvature is not positive definite.
    #[error("fit: {problem}")]
    Numerics {
        /// What failed.
        problem: &'static str,
    },
    /// A file is no reward model of this version.
    #[error("read {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The tensor or field, and what is wrong with it.
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
}

/// What a function of this crate returns.
pub type Result<T> = std::result::Result<T, PreferenceModelError>;
