//! Why a file is not imported or exported.

use std::io;
use std::path::{Path, PathBuf};

use moa_preferences::PreferencesError;

use crate::reasons::Reasons;

/// Why a file is not imported or exported. Records that were imported before an error stay; the same import goes on from them.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// The file cannot be read, is torn, or is none of the known formats.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong, where, and what to do.
        problem: String,
    },
    /// No row could be taken over.
    #[error("{}: no {what} can be taken over:{}", file.display(), lines(reasons))]
    NothingLeft {
        /// The file.
        file: PathBuf,
        /// "row" or "record".
        what: &'static str,
        /// Why, by kind.
        reasons: Box<Reasons>,
    },
    /// The operating system refused to write.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of preferences was refused, or could not be written.
    #[error(transparent)]
    Preferences(#[from] PreferencesError),
}

impl InterchangeError {
    pub(crate) fn unreadable(file: &Path, problem: impl Into<String>) -> Self {
        Self::Unreadable { file: file.to_path_buf(), problem: problem.into() }
    }

    pub(crate) fn write(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Write { path: path.to_path_buf(), source: source.into() }
    }
}

fn lines(reasons: &Reasons) -> String {
    let lines: Vec<String> = reasons.iter().map(|reason| format!("\n  {reason}")).collect();
    if lines.is_empty() { " it has none".into() } else { lines.concat() }
}
