//! Why there is no report. Messages read after "failed to".

use std::path::PathBuf;

use moa_analysis::AnalysisError;
use moa_pareto::ParetoError;
use moa_store::StoreError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of the results cannot be read.
    #[error("read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The page would be larger than it may be, even without images.
    #[error("write the report: it has {size:.1} MB without any image, and {most} MB are allowed")]
    TooLarge {
        /// Its size in megabytes.
        size: f64,
        /// The limit in megabytes.
        most: f64,
    },
    /// The user's notes cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cards of rewards cannot be read.
    #[error(transparent)]
    Cards(#[from] AnalysisError),
    /// What soups are expected to give cannot be computed.
    #[error("say what soups are expected to give: {0}")]
    Expect(#[from] ParetoError),
}
