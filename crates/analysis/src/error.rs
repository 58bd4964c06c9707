//! What keeps evaluations from being compared. Messages read after "failed to".

use std::path::PathBuf;

use moa_pareto::ParetoError;
use moa_store::StoreError;

/// Why evaluations cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// Evaluations do not fit each other.
    #[error("compare evaluations: {0}")]
    Compare(#[from] ParetoError),
    /// Gains cannot be counted.
    #[error("compare with the base: it is not evaluated on these prompts yet (let the sweep end first)")]
    NoBase,
    /// Columns of one name are over other prompts.
    #[error("compare `{column}` of two points: they are evaluated on different prompts")]
    OtherPrompts {
        /// The reward or judge.
        column: String,
    },
    /// The stored scale of the hypervolume cannot be used.
    #[error("read {}: {reason}; remove the file, and the next `moa sweep` of the folder makes it again", path.display())]
    Scale {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The scale of the hypervolume cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}
