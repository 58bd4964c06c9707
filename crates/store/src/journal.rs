//! The journal `live.jsonl`: what a store holds and what happens to it, for readers of a store that is being written.
//!
//! The writer states everything that is in the store under a temporary name, publishes that, and appends a line per event. It
//! removes the journal when it closes the store. A killed writer leaves its journal, which is not read: without a
//! writer, readers go to the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use moa_core::{RunEvent, RunRecord};
use serde::{Deserialize, Serialize};

use crate::{FORMAT, Snapshot, Source, StoreError, Sweep, write_atomically_with};

/// The shortest time between two signs of life in the journal.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// The format; the newest that the reader knows, or lower.
    format: u32,
    /// Tells one journal from the next under the same name.
    session: u64,
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The sweep as it stands.
    Sweep(Sweep),
    /// A run as it stands.
    Run(RunRecord),
    /// Something that happened.
    Event(RunEvent),
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    last_progress: Option<Instant>,
}

impl Journal {
    /// Publishes a journal that states `snapshot`, and takes events from then on.
    pub(crate) fn create(path: &Path, snapshot: &Snapshot) -> Result<Self, StoreError> {
        write_atomically_with(path, |file| state(file, snapshot))?;
        let file = OpenOptions::new().append(true).open(path).map_err(|source| StoreError::write(path, source))?;
        let length = file.metadata().map_err(|source| StoreError::read(path, source))?.len();
        Ok(Self { path: path.to_path_buf(), file, length, last_progress: None })
    }

    /// Appends an event; a sign of life is left out when the last one is fresh.
    pub(crate) fn event(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        if matches!(event, RunEvent::Progress { .. }) {
            if self.last_progress.is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
                return Ok(());
            }
            self.last_progress = Some(Instant::now());
        }
        self.append(&Line::Event(event.clone()))
    }

    /// Appends a line, so that readers see it whole or torn at its end; after a full disk it is not there.
    pub(crate) fn append(&mut self, line: &Line) -> Result<(), StoreError> {
        let text = text(line).map_err(|source| StoreError::write(&self.path, source))?;
        if let Err(source) = self.file.write_all(&text) {
            // Best effort: a line that stays torn would spoil the next one.
            let _ = self.file.set_len(self.length);
            return Err(StoreError::write(&self.path, source));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Removes the journal: readers go to the store from then on.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        fs::remove_file(&self.path).map_err(|source| StoreError::write(&self.path, source))
    }
}

fn text<T: Serialize>(line: &T) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

fn state(file: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    file.write_all(&text(&Header { format: FORMAT, session: nanoseconds ^ u64::from(std::process::id()) << 48 })?)?;
    file.write_all(&text(&Line::Sweep(snapshot.sweep.clone()))?)?;
    for epoch in snapshot.epochs.values().flatten() {
        file.write_all(&text(&Line::Event(RunEvent::EpochFinished(epoch.clone())))?)?;
    }
    for evaluation in &snapshot.evaluations {
        file.write_all(&text(&Line::Event(RunEvent::Evaluated(evaluation.clone())))?)?;
    }
    // Last, so that what the lines above say of a run's state does not count.
    for run in &snapshot.runs {
        file.write_all(&text(&Line::Run(run.clone()))?)?;
    }
    Ok(())
}

/// The reader's end: continues where it stopped.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    file: File,
    session: u64,
    lines: u64,
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
}

impl Tail {
    /// Returns the lines that were completed since the last call.
    pub(crate) fn next_lines(&mut self) -> Result<Vec<Line>, StoreError> {
        self.file.read_to_end(&mut self.torn).map_err(|source| StoreError::read(&self.path, source))?;
        let Some(end) = self.torn.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        let rest = self.torn.split_off(end + 1);
        let complete = std::mem::replace(&mut self.torn, rest);
        let mut lines = Vec::new();
        for line in complete[..end].split(|byte| *byte == b'\n') {
            self.lines += 1;
            let line = serde_json::from_slice(line)
                .map_err(|error| StoreError::damaged(&self.path, format!("line {}: {error}", self.lines)))?;
            lines.push(line);
        }
        Ok(lines)
    }

    /// Returns whether the journal under this name is still this one.
    pub(crate) fn is_current(&self) -> Result<bool, StoreError> {
        Ok(open(&self.path)?.is_some_and(|(_, header, _)| header.session == self.session))
    }
}

/// Returns what the journal at `path` says, and its end to go on from; nothing where there is no journal.
pub(crate) fn read(path: &Path) -> Result<Option<(Snapshot, Tail)>, StoreError> {
    let Some((mut file, header, length)) = open(path)? else { return Ok(None) };
    file.seek(SeekFrom::Start(length)).map_err(|source| StoreError::read(path, source))?;
    let mut tail = Tail { path: path.to_path_buf(), file, session: header.session, lines: 1, torn: Vec::new() };
    let mut snapshot = Snapshot { source: Source::Live, ..Snapshot::default() };
    for line in tail.next_lines()? {
        take(&mut snapshot, line);
    }
    snapshot.sort();
    Ok(Some((snapshot, tail)))
}

/// Takes one line into `snapshot`, out of order, and returns the event if it was one.
pub(crate) fn take(snapshot: &mut Snapshot, line: Line) -> Option<RunEvent> {
    match line {
        Line::Sweep(sweep) => snapshot.sweep = sweep,
        Line::Run(run) => snapshot.put_run(run),
        Line::Event(event) => {
            snapshot.fold(&event);
            return Some(event);
        }
    }
    None
}

/// Opens a journal and reads its first line; returns the line's length too.
fn open(path: &Path) -> Result<Option<(File, Header, u64)>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::read(path, error)),
    };
    let mut first = Vec::new();
    let mut reader = BufReader::with_capacity(256, file);
    let length = reader.read_until(b'\n', &mut first).map_err(|source| StoreError::read(path, source))?;
    let header: Header =
        serde_json::from_slice(&first).map_err(|error| StoreError::damaged(path, error.to_string()))?;
    if header.format > FORMAT {
        return Err(StoreError::Newer { path: path.to_path_buf(), found: header.format, supported: FORMAT });
    }
    Ok(Some((reader.into_inner(), header, length as u64)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use moa_core::{EpochRecord, RunId, Warning};

    use super::*;

    fn epoch(number: u32) -> RunEvent {
        let metrics = BTreeMap::from([("grad_norm".to_owned(), 0.1 * f64::from(number))]);
        RunEvent::EpochFinished(EpochRecord { run: RunId("a".to_owned()), epoch: number, seconds: 1.5, metrics })
    }

    #[test]
    fn a_torn_last_line_waits_for_its_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("live.jsonl");
        let mut journal = Journal::create(&path, &Snapshot::default()).unwrap();
        journal.event(&epoch(1)).unwrap();
        let line = text(&Line::Event(epoch(2))).unwrap();
        let (first, second) = line.split_at(line.len() / 2);
        journal.file.write_all(first).unwrap();

        let (snapshot, mut tail) = read(&path).unwrap().unwrap();
        assert_eq!(snapshot.epochs_of(&RunId("a".to_owned())).len(), 1);
        assert_eq!(snapshot.source, Source::Live);
        assert!(tail.next_lines().unwrap().is_empty());
        journal.file.write_all(second).unwrap();
        assert_eq!(tail.next_lines().unwrap(), [Line::Event(epoch(2))]);
        assert!(tail.next_lines().unwrap().is_empty());
    }

    #[test]
    fn line_breaks_and_letters_of_any_language_in_warnings_survive() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("live.jsonl");
        let warning = Warning { run: None, message: "reward hacking?\n\"Übergröße\" 🔥\u{2028}\0".to_owned() };
        let mut journal = Journal::create(&path, &Snapshot::default()).unwrap();
        journal.event(&RunEvent::Warned(warning.clone())).unwrap();
        let (snapshot, _) = read(&path).unwrap().unwrap();
        assert_eq!(snapshot.sweep.warnings, [warning]);
    }

    #[test]
    fn signs_of_life_are_thinned_out() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("live.jsonl");
        let mut journal = Journal::create(&path, &Snapshot::default()).unwrap();
        for step in 0..1000 {
            let fraction = f64::from(step) / 1000.0;
            journal.event(&RunEvent::Progress { phase: moa_core::Phase::Training, fraction }).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap().lines().count() < 50);
    }

    #[test]
    fn a_journal_of_a_newer_format_is_refused_with_both_formats() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("live.jsonl");
        fs::write(&path, "{\"format\":7,\"session\":1,\"new\":[]}\n{\"unheard\":0}\n").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("format 7") && message.contains("up to 1"), "{message}");
    }

    #[test]
    fn a_damaged_line_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("live.jsonl");
        let mut journal = Journal::create(&path, &Snapshot::default()).unwrap();
        journal.file.write_all(b"{]\n").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("line 3"), "{message}");
    }
}
