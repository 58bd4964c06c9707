//! The file in which prompts arrive.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use moa_core::experiment::as_read;
use moa_store::{Arrivals, Look, prompt_of_line};

use crate::RunnerError;

/// So many bytes are read at a look; what is behind them waits for the next one.
const MOST_READ: u64 = 16_000_000;
/// Of so many lines that are refused it is said why.
const MOST_SAID: usize = 3;

/// Where prompts come from.
pub(super) enum Inbox {
    /// A file to which they are appended.
    Live,
    /// What arrived in another training, look by look.
    Recorded(Arrivals),
}

/// What a look found.
pub(super) struct Found {
    pub(super) look: Look,
    /// What a reader of the results must know of it.
    pub(super) findings: Vec<String>,
}

impl Inbox {
    /// Returns the inbox at a path; it need not be there yet.
    ///
    /// # Errors
    /// Says what of a record of other results cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, RunnerError> {
        let beginning = bytes_from(path, 0).map_err(|reason| unreadable(path, reason))?;
        if Arrivals::is_one(&String::from_utf8_lossy(&beginning)) {
            return Ok(Self::Recorded(Arrivals::read_file(path)?));
        }
        Ok(Self::Live)
    }

    /// Looks what has arrived since the look before.
    ///
    /// - `position`: the bytes that were read before
    /// - `held_out`: prompts that are not trained on, as [`as_read`] gives them
    ///
    /// # Errors
    /// Says what cannot be read, and where a record has no such look.
    pub(super) fn look(
        &self,
        path: &Path,
        after_epoch: u32,
        position: u64,
        held_out: &HashSet<String>,
    ) -> Result<Found, RunnerError> {
        match self {
            Self::Recorded(arrivals) => match arrivals.at(after_epoch) {
                Some(look) => Ok(Found { look: look.clone(), findings: Vec::new() }),
                None => Err(RunnerError::NoSuchLook { path: path.to_owned(), after_epoch }),
            },
            Self::Live => live(path, after_epoch, position, held_out),
        }
    }
}

fn live(path: &Path, after_epoch: u32, position: u64, held_out: &HashSet<String>) -> Result<Found, RunnerError> {
    let mut findings = Vec::new();
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let position = if length < position {
        findings.push(format!(
            "{} is shorter than what was read of it: it is read from its beginning, as another file",
            path.display()
        ));
        0
    } else {
        position
    };
    let mut bytes = bytes_from(path, position).map_err(|reason| unreadable(path, reason))?;
    // A line that is not ended is still being written.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole == 0 && bytes.len() as u64 == MOST_READ {
        return Err(unreadable(path, format!("a line of it is longer than {} MB: remove it", MOST_READ / 1_000_000)));
    }
    bytes.truncate(whole);
    let mut look = Look { after_epoch, read: position + whole as u64, ..Look::default() };
    for line in bytes.split(|byte| *byte == b'\n') {
        let read = match std::str::from_utf8(line) {
            Ok(text) => prompt_of_line(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(_) => Err("no UTF-8 text".into()),
        };
        let refused = match read {
            Ok(None) => continue,
            Ok(Some(prompt)) if held_out.contains(&as_read(&prompt)) => format!("a held-out prompt, {prompt:?}"),
            Ok(Some(prompt)) => {
                look.prompts.push(prompt);
                continue;
            }
            Err(what) => what,
        };
        look.refused += 1;
        if look.refused as usize <= MOST_SAID {
            findings.push(format!("a line of {} is passed over: {refused}", path.display()));
        }
    }
    if look.refused as usize > MOST_SAID {
        findings.push(format!("{} lines of {} are passed over in all", look.refused, path.display()));
    }
    Ok(Found { look, findings })
}

/// Reads a file from a position, as far as is read at once; nothing of one that is not there.
fn bytes_from(path: &Path, position: u64) -> Result<Vec<u8>, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(position)).and_then(|_| file.take(MOST_READ).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn unreadable(path: &Path, reason: String) -> RunnerError {
    RunnerError::Read { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &Path, position: u64) -> Found {
        let held_out = HashSet::from(["a whale".to_owned()]);
        Inbox::open(path).unwrap().look(path, 10, position, &held_out).unwrap()
    }

    #[test]
    fn whole_lines_are_read_once_and_odd_ones_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("inbox.jsonl");
        assert_eq!(look(&path, 0).look, Look { after_epoch: 10, ..Look::default() }, "no file, no prompts");
        std::fs::write(&path, "{\"prompt\": \"a cat\"}\na dog\n\n# no\n{\"text\": 1}\nA  Whale\n\u{fffd}").unwrap();
        let found = look(&path, 0);
        assert_eq!(found.look.prompts, ["a cat", "a dog"]);
        assert_eq!((found.look.refused, found.findings.len()), (2, 2), "{:?}", found.findings);
        assert!(found.findings[1].contains("held-out"), "{:?}", found.findings);
        let position = found.look.read;
        assert!(look(&path, position).look.prompts.is_empty(), "a line that is not ended is still being written");
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b" bee\n"))
            .unwrap();
        assert_eq!(look(&path, position).look.prompts, ["\u{fffd} bee"]);
        std::fs::write(&path, "new\n").unwrap();
        let found = look(&path, position);
        assert_eq!(found.look.prompts, ["new"]);
        assert!(found.findings[0].contains("shorter"), "{:?}", found.findings);
        std::fs::write(&path, [b'\xff', b'\n']).unwrap();
        assert_eq!(look(&path, 0).look.refused, 1);
        assert!(Inbox::open(root.path()).is_err(), "a folder is no inbox");
    }
}
