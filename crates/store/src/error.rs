//! What can go wrong with results on disk. Messages read after "failed to".

use std::io;
use std::path::{Path, PathBuf};

/// Why results could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused to write: full disk, read-only folder, missing rights …
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The operating system refused to read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no store where one was asked for.
    #[error("read {}: there are no results of a sweep; `moa sweep` makes some", path.display())]
    Missing {
        /// The experiment's folder.
        path: PathBuf,
    },
    /// Another process holds the store.
    #[error(
        "open {}: another moa uses it (is a sweep running?); wait until that ends, or write elsewhere with `--out`",
        path.display()
    )]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// A run is another process's to work on.
    #[error(
        "work on {}: process {pid} on {node} works on it; wait until that ends, or give this one another part of the runs",
        path.parent().unwrap_or(path).display()
    )]
    Owned {
        /// The lease.
        path: PathBuf,
        /// The machine that its owner is on.
        node: String,
        /// Its owner.
        pid: u32,
    },
    /// A line of a run's log is not what was written.
    #[error(
        "read {}: line {line} is damaged ({reason}); restore the file from a copy, or move the folder that it is in away and run the same \
         sweep again: other runs are not touched",
        path.display()
    )]
    DamagedLog {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What was found.
        reason: String,
    },
    /// A file of scores of single images is not what was written.
    #[error("read {}: the scores of images are damaged ({reason}); `moa repair` measures them again", path.display())]
    DamagedScores {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The scores of single images were not kept.
    #[error(
        "export the scores of single images: those of {}{} were not kept, by a version of moa that kept means alone; `moa repair {}` \
         measures them again",
        points.iter().take(3).map(|point| format!("`{point}`")).collect::<Vec<_>>().join(", "),
        if points.len() > 3 { format!(" and {} others", points.len() - 3) } else { String::new() },
        folder.display()
    )]
    NoImageScores {
        /// The experiment's folder.
        folder: PathBuf,
        /// The points without scores.
        points: Vec<String>,
    },
    /// A prompt cannot be a line of a text.
    #[error("export {prompt:?} as text: it has a line break; choose `--format jsonl`, `csv` or `parquet`")]
    BrokenPrompt {
        /// The prompt.
        prompt: String,
    },
    /// A table that text has no form for.
    #[error("export {table} as text: only prompts are; choose one of {}", choices.join(", "))]
    NoText {
        /// The table.
        table: &'static str,
        /// The formats that it has.
        choices: Vec<&'static str>,
    },
    /// A newer version of moa wrote this.
    #[error("read {}: it has format {found}, and this moa reads formats up to {supported}; use a newer moa", path.display())]
    Newer {
        /// The store or journal.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// The store's contents make no sense.
    #[error(
        "read {}: the store is damaged ({reason}); `moa repair` rebuilds it from the runs' folders",
        path.display()
    )]
    Damaged {
        /// The store or journal.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A small file beside the store makes no sense.
    #[error("read {}: it is not a {what} ({reason}); delete it, or restore it from a copy", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What was found.
        reason: String,
    },
    /// A run claims more epochs than the store holds.
    #[error(
        "resume run `{run}` in {}: {wanted} epochs are finished, and the store has {found}; restore the folder from \
         a copy, or move it and the `checkpoint` beside it away and run the same sweep again",
        path.display()
    )]
    Behind {
        /// The store.
        path: PathBuf,
        /// The run.
        run: String,
        /// Epochs that the run has finished.
        wanted: u32,
        /// Epochs that the store holds without a gap.
        found: u32,
    },
    /// A value is infinite or not a number.
    #[error("keep `{name}` of `{run}`{}: its value is {value}", epoch.map(|e| format!(" at epoch {e}")).unwrap_or_default())]
    NotFinite {
        /// The run, or what was evaluated.
        run: String,
        /// The epoch, where the value belongs to one.
        epoch: Option<u32>,
        /// The metric's, reward's or judge's name.
        name: String,
        /// The value.
        value: f64,
    },
    /// A run's name cannot be a folder's name.
    #[error(
        "use {id:?} as the name of a run: it must consist of letters, digits, `-`, `_` and `.`, and start with a letter or digit"
    )]
    BadRunId {
        /// The name.
        id: String,
    },
    /// A name of a format or table is unknown.
    #[error("export `{name}`: choose one of {}", choices.join(", "))]
    UnknownChoice {
        /// What was asked for.
        name: String,
        /// What there is.
        choices: Vec<&'static str>,
    },
    /// The receiver of an export refused it.
    #[error("write the export: {0}")]
    Export(String),
}

impl StoreError {
    /// Returns the error of a write to `path`.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }

    /// Returns the error of a read of `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    /// Returns the error of contents that make no sense.
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }

    /// Returns the error of a small file that makes no sense.
    pub(crate) fn malformed(path: &Path, what: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_path_buf(), what, reason: reason.into() }
    }
}
