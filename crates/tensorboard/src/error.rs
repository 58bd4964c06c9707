//! What can go wrong with event files. Messages read after "failed to".

use std::io;
use std::path::PathBuf;

use moa_analysis::AnalysisError;
use moa_store::StoreError;

/// Why event files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TensorBoardError {
    /// The operating system refused to write.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder has what a sweep wrote.
    #[error(
        "write {}: a sweep wrote event files there with `--tensorboard`, and TensorBoard would show everything twice; name another folder",
        folder.display()
    )]
    OfSweep {
        /// The folder.
        folder: PathBuf,
    },
    /// Results could not be read, or a file not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Scores could not be resampled.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
}
