//! The file in which prompts arrive.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

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
    /// - `refuses`: why a prompt cannot be trained on, where it cannot
    ///
    /// # Errors
    /// Says what cannot be read, and where a record has no such look.
    pub(super) fn look(
        &self,
        path: &Path,
        after_epoch: u32,
        position: u64,
        refuses: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Found, RunnerError> {
        match self {
            Self::Recorded(arrivals) => {
                let look = arrivals.at(after_epoch);
                let look = look.ok_or_else(|| RunnerError::NoSuchLook { path: path.to_owned(), after_epoch })?;
                let mut sieve =
                    Sieve { path, refuses, look: Look { prompts: Vec::new(), ..look.clone() }, said: Vec::new() };
                look.prompts.iter().for_each(|prompt| sieve.take(Ok(prompt.clone())));
                Ok(sieve.found())
            }
            Self::Live => live(path, after_epoch, position, refuses),
        }
    }
}

/// Keeps what can be trained on, and says what of the rest.
struct Sieve<'a> {
    path: &'a Path,
    refuses: &'a dyn Fn(&str) -> Option<String>,
    look: Look,
    said: Vec<String>,
}

impl Sieve<'_> {
    /// Takes a prompt, or what is wrong with its line.
    fn take(&mut self, prompt: Result<String, String>) {
        let refused = match prompt {
            Ok(prompt) => match (self.refuses)(&prompt) {
                None => return self.look.prompts.push(prompt),
                Some(why) => why,
            },
            Err(what) => what,
        };
        self.look.refused += 1;
        self.said.push(refused);
    }

    fn found(self) -> Found {
        let path = self.path.display();
        let said = self.said.iter().take(MOST_SAID).map(|what| format!("a line of {path} is passed over: {what}"));
        let mut findings: Vec<String> = said.collect();
        if self.said.len() > MOST_SAID {
            findings.push(format!("{} lines of {path} are passed over in all", self.said.len()));
        }
        Found { look: self.look, findings }
    }
}

fn live(
    path: &Path,
    after_epoch: u32,
    position: u64,
    refuses: &dyn Fn(&str) -> Option<String>,
) -> Result<Found, RunnerError> {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let is_other = length < position;
    let position = if is_other { 0 } else { position };
    let mut bytes = bytes_from(path, position).map_err(|reason| unreadable(path, reason))?;
    // A line that is not ended is still being written.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole == 0 && bytes.len() as u64 == MOST_READ {
        return Err(unreadable(path, format!("a line of it is longer than {} MB: remove it", MOST_READ / 1_000_000)));
    }
    bytes.truncate(whole);
    let look = Look { after_epoch, read: position + whole as u64, ..Look::default() };
    let mut sieve = Sieve { path, refuses, look, said: Vec::new() };
    for line in bytes.split(|byte| *byte == b'\n') {
        let read = match std::str::from_utf8(line) {
            Ok(text) => prompt_of_line(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(_) => Err("no UTF-8 text".into()),
        };
        if let Some(prompt) = read.transpose() {
            sieve.take(prompt);
        }
    }
    let mut found = sieve.found();
    if is_other {
        let what = "is shorter than what was read of it: it is read from its beginning, as another file";
        found.findings.insert(0, format!("{} {what}", path.display()));
    }
    Ok(found)
}

/// Reads a file from a position, as far as is read at once; nothing of one that is not there.
fn bytes_from(path: &Path, position: u64) -> Result<Vec<u8>, String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        // A pipe would be waited for without end.
        Ok(_) => return Err("it is no file: name one to which lines are appended".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    }
    let mut file = File::open(path).map_err(|error| error.to_string())?;
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
        let refuses = |prompt: &str| prompt.contains("hale").then(|| format!("no {prompt}"));
        Inbox::open(path).unwrap().look(path, 10, position, &refuses).unwrap()
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
        assert!(found.findings[1].contains("no A  Whale"), "{:?}", found.findings);
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
