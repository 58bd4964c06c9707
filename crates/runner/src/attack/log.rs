//! A file of lines, the first of which says of what the others depend.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use moa_analysis::attack::{Head, parse_lines};
use moa_store::write_atomically;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::RunnerError;

/// A file of lines that grows.
pub(super) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens a file, or begins it; a last line that a kill has torn is cut off.
    ///
    /// # Errors
    /// [`RunnerError::OtherAttack`] where it has another head and is not to be replaced; and what the system says.
    pub(super) fn open(path: &Path, head: &Head, replaces: bool) -> Result<Self, RunnerError> {
        let failed = |error: std::io::Error| RunnerError::Read { path: path.to_owned(), reason: error.to_string() };
        let written = |head: &Head| {
            serde_json::to_string(head).unwrap_or_else(|_| unreachable!("a head is plain text and numbers"))
        };
        let line = written(head);
        // As it was written before it named the adapter, which its facts depend on, too.
        let earlier = written(&Head { adapter: String::new(), ..head.clone() });
        let begun = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let whole = begun.rfind('\n').map_or(0, |end| end + 1);
        let kept = begun[..whole].lines().next();
        let is_kept = kept.is_some_and(|kept| kept == line || kept == earlier);
        if let Some(kept) = kept.filter(|_| !is_kept && !replaces) {
            return Err(RunnerError::OtherAttack { path: path.to_owned(), what: difference(kept, head) });
        }
        if !is_kept {
            write_atomically(path, format!("{line}\n").as_bytes())?;
        } else if whole < begun.len() {
            write_atomically(path, &begun.as_bytes()[..whole])?;
        }
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Returns what the lines below the first hold.
    ///
    /// # Errors
    /// Says which line cannot be read.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, RunnerError> {
        let failed = |reason: String| RunnerError::Read { path: self.path.clone(), reason };
        let text = fs::read_to_string(&self.path).map_err(|error| failed(error.to_string()))?;
        parse_lines(text.split_once('\n').map_or("", |(_, rest)| rest)).map_err(failed)
    }

    /// Appends a line, which is on the disk when this returns.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), RunnerError> {
        let text = serde_json::to_string(line).unwrap_or_else(|_| unreachable!("names and finite numbers are JSON"));
        let written = self.file.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| RunnerError::Write { path: self.path.clone(), reason: error.to_string() })
    }
}

/// Says what another head differs in.
fn difference(kept: &str, head: &Head) -> String {
    let Ok(there) = serde_json::from_str::<Head>(kept) else { return "an unreadable head".into() };
    let two = |what: &str, there: String, here: String| (there != here).then(|| format!("{what} {there}, {here} here"));
    let all = [
        two("budget", there.budget.to_string(), head.budget.to_string()),
        two("images", there.images.to_string(), head.images.to_string()),
        two("seed", there.seed.to_string(), head.seed.to_string()),
        two("blocked words", format!("{:?}", there.blocked), format!("{:?}", head.blocked)),
    ];
    all.into_iter().flatten().next().unwrap_or_else(|| "another model, adapter, judge or list of safe prompts".into())
}
