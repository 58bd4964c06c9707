//! Why a file of preferences is refused, or could not be written.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::Faults;

/// Why a file of preferences is refused, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    /// The file cannot be read at all, or holds no record.
    #[error("{file}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Lines are no records, or an image is not what it was.
    #[error("{}", Lines(file, faults))]
    Refused {
        /// The file.
        file: String,
        /// What is wrong, by kind.
        faults: Box<Faults>,
    },
    /// Nothing is left that could be trained on.
    #[error("{file}: no usable {what} is left: {why}")]
    NothingLeft {
        /// The file.
        file: String,
        /// "pair" or "label".
        what: &'static str,
        /// What the records are instead, and what to do.
        why: String,
    },
    /// A record that could not be read again is not written.
    #[error("write a record to {}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field, its value, and what would be accepted.
        problem: String,
    },
    /// The operating system refused to write: full disk, read-only folder, missing rights …
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The faults of a file, one line each.
struct Lines<'a>(&'a str, &'a Faults);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.write(self.0, f)
    }
}
