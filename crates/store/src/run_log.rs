//! `log.jsonl`: what is known of one run, soup or blend, in its own folder.
//!
//! Lines are appended and never changed; each begins with the checksum of its record. The logs are the truth, and the metric store is
//! an index over them that can be rebuilt. One process writes a log at a time (see [`Leases`](crate::Leases)).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use moa_core::{EpochRecord, EvaluationRecord, RunId, RunRecord, RunState, Weighting};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The format of logs that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// The first line of a run: what its training depends on. Of base, soups and blends: that they are there.
    Opened {
        /// The log's format.
        format: u32,
        /// The run's fingerprint as text; nothing where nothing is trained.
        facts: Option<String>,
        /// Its weighting; nothing of the base.
        weighting: Option<Weighting>,
    },
    /// A process resumes it.
    Begun(Origin),
    /// An epoch is trained.
    Epoch(EpochRecord),
    /// What comes after this epoch is void: a killed process had not made it safe.
    BackTo {
        /// The last epoch that counts.
        epoch: u32,
    },
    /// Something that a reader of the results must know.
    Warned {
        /// What, in a sentence.
        message: String,
    },
    /// Training is over, and the adapter is written.
    Trained {
        /// The epochs that were asked for.
        epochs: u32,
        /// The epoch after which it ended: fewer where it ended before its time.
        after: u32,
    },
    /// It was evaluated.
    Evaluated {
        /// A digest of what evaluations depend on, and behind a blank one of the adapters: those of other settings do not compare.
        settings: String,
        /// The evaluation.
        record: EvaluationRecord,
    },
}

/// Who works on a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of moa.
    pub moa: String,
    /// The device, by name.
    pub device: String,
    /// The machine's name.
    pub node: String,
    /// The cluster's job, where there is one.
    pub job: Option<String>,
    /// Seconds since 1970.
    pub when: u64,
}

/// What a log adds up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    /// The run's fingerprint, as text.
    pub facts: Option<String>,
    /// Its weighting.
    pub weighting: Option<Weighting>,
    /// The epochs, in order.
    pub epochs: Vec<EpochRecord>,
    /// What a reader must know, each once, with the epoch that was the last one then.
    pub warnings: Vec<(u32, String)>,
    /// The epochs that were asked for, and the one after which training ended; nothing while it is not over.
    pub trained: Option<(u32, u32)>,
    /// The last evaluation, behind the digest of its settings.
    pub evaluation: Option<(String, EvaluationRecord)>,
    /// Who worked on it, the last one at the end.
    pub origins: Vec<Origin>,
}

impl RunHistory {
    /// Reads a log; nothing where there is none. A last line without an end was cut off by a kill, and does not count.
    ///
    /// # Errors
    /// [`StoreError::DamagedLog`] names the line that is not what was written, [`StoreError::Newer`] a log of a newer moa.
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::read(path, error)),
        };
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut history = Self::default();
        for (number, line) in bytes[..end].split_inclusive(|byte| *byte == b'\n').enumerate() {
            history.take(entry(path, number + 1, &line[..line.len() - 1])?);
        }
        Ok((end > 0).then_some(history))
    }

    /// Takes an entry.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Opened { facts, weighting, .. } => (self.facts, self.weighting) = (facts, weighting),
            Entry::Begun(origin) => self.origins.push(origin),
            Entry::Epoch(epoch) => {
                self.evaluation = None;
                self.back_to(epoch.epoch.saturating_sub(1));
                self.epochs.push(epoch);
            }
            Entry::BackTo { epoch } => {
                self.back_to(epoch);
                self.warnings.retain(|(since, _)| *since <= epoch);
                (self.trained, self.evaluation) = (None, None);
            }
            Entry::Warned { message } => {
                if !self.warned().any(|known| *known == message) {
                    self.warnings.push((self.epochs_done(), message));
                }
            }
            Entry::Trained { epochs, after } => self.trained = Some((epochs, after)),
            Entry::Evaluated { settings, record } => self.evaluation = Some((settings, record)),
        }
    }

    /// Returns the run as it stands, of so many epochs; nothing of what is not trained.
    ///
    /// - `settings`: the digest of the evaluation's settings; an evaluation of others does not count
    pub fn record(&self, id: &RunId, epochs: u32, settings: &str) -> Option<RunRecord> {
        let weighting = self.weighting.clone().filter(|_| self.facts.is_some())?;
        let done = self.epochs_done();
        let state = match &self.evaluation {
            Some((own, _)) if self.is_trained(epochs) && own.starts_with(settings) => RunState::Evaluated,
            _ if self.is_trained(epochs) => RunState::Trained,
            _ if done > 0 => RunState::Training,
            _ => RunState::Planned,
        };
        let warnings = self.warned().cloned().collect();
        Some(RunRecord { id: id.clone(), weighting, state, epochs_done: done, epochs, warnings })
    }

    /// Returns whether training is over where so many epochs are asked for.
    pub fn is_trained(&self, epochs: u32) -> bool {
        self.trained.is_some_and(|(asked, after)| asked == epochs || after < asked)
    }

    /// Returns the epochs trained.
    pub fn epochs_done(&self) -> u32 {
        self.epochs.last().map_or(0, |epoch| epoch.epoch)
    }

    /// Returns what a reader must know.
    pub fn warned(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().map(|(_, message)| message)
    }

    fn back_to(&mut self, epoch: u32) {
        while self.epochs.last().is_some_and(|last| last.epoch > epoch) {
            self.epochs.pop();
        }
    }
}

/// A log that is written.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
    length: u64,
    unsynced: bool,
}

impl RunLog {
    /// Opens the log at `path` for appending, with its folder; a line that a kill cut off is taken away. Returns it with what it holds.
    ///
    /// # Errors
    /// Those of [`RunHistory::read`], and what the system says of a file that cannot be written.
    pub fn open(path: &Path) -> Result<(Self, Option<RunHistory>), StoreError> {
        let history = RunHistory::read(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| StoreError::write(folder, source))?;
        }
        let failed = |source| StoreError::write(path, source);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if end < bytes.len() {
            file.set_len(end as u64).map_err(failed)?;
        }
        Ok((Self { path: path.to_path_buf(), file, length: end as u64, unsynced: end < bytes.len() }, history))
    }

    /// Appends an entry. It is sure to outlive the machine after [`RunLog::sync`].
    ///
    /// # Errors
    /// What the system says, e.g. of a full disk; the log is as before then.
    pub fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let line = line(entry).map_err(|error| StoreError::write(&self.path, error))?;
        if let Err(source) = self.file.write_all(&line) {
            // A line that stays torn would spoil the next one.
            let _ = self.file.set_len(self.length);
            return Err(StoreError::write(&self.path, source));
        }
        self.length += line.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Brings what was appended to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced {
            self.file.sync_data().map_err(|source| StoreError::write(&self.path, source))?;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// Returns the first line of a log.
pub fn opened(facts: Option<String>, weighting: Option<Weighting>) -> Entry {
    Entry::Opened { format: FORMAT, facts, weighting }
}

/// Returns an entry as a line: the checksum of the record in hexadecimal, a blank, the record.
fn line(entry: &Entry) -> std::io::Result<Vec<u8>> {
    let record = serde_json::to_vec(entry)?;
    let mut line = format!("{:08x} ", crc32fast::hash(&record)).into_bytes();
    line.extend_from_slice(&record);
    line.push(b'\n');
    Ok(line)
}

fn entry(path: &Path, number: usize, line: &[u8]) -> Result<Entry, StoreError> {
    let damaged = |reason: String| StoreError::DamagedLog { path: path.to_path_buf(), line: number, reason };
    let (sum, record) = match line.split_at_checked(9) {
        Some((sum, record)) => (std::str::from_utf8(&sum[..8]).unwrap_or_default(), record),
        None => return Err(damaged("it is too short".into())),
    };
    if u32::from_str_radix(sum, 16).ok() != Some(crc32fast::hash(record)) {
        return Err(damaged("its checksum does not match".into()));
    }
    match serde_json::from_slice(record) {
        Ok(Entry::Opened { format, .. }) if format > FORMAT => {
            Err(StoreError::Newer { path: path.to_path_buf(), found: format, supported: FORMAT })
        }
        Ok(entry) => Ok(entry),
        // Of a sound line that makes no sense here a newer moa is the likelier author.
        Err(error) => Err(damaged(format!("it says something that this moa does not know ({error})"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn epoch(number: u32) -> Entry {
        let metrics = BTreeMap::from([("grad_norm".to_owned(), 0.1 + f64::from(number))]);
        Entry::Epoch(EpochRecord { run: RunId("a".into()), epoch: number, seconds: 0.5, metrics })
    }

    fn epochs(history: &RunHistory) -> Vec<u32> {
        history.epochs.iter().map(|epoch| epoch.epoch).collect()
    }

    #[test]
    fn what_is_appended_is_read_back_and_later_lines_take_back_earlier_ones() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a/log.jsonl");
        assert_eq!(RunHistory::read(&path).unwrap(), None);
        let (mut log, before) = RunLog::open(&path).unwrap();
        assert_eq!(before, None);
        log.append(&opened(Some("seed = 1\n".into()), Some(Weighting::corner(0, 2)))).unwrap();
        for number in 1..=4 {
            log.append(&epoch(number)).unwrap();
        }
        log.append(&Entry::Warned { message: "hacked\n?".into() }).unwrap();
        log.append(&Entry::BackTo { epoch: 2 }).unwrap();
        log.append(&epoch(3)).unwrap();
        log.append(&Entry::Warned { message: "hacked\n?".into() }).unwrap();
        log.append(&Entry::Trained { epochs: 5, after: 3 }).unwrap();
        log.sync().unwrap();
        let history = RunHistory::read(&path).unwrap().unwrap();
        assert_eq!((epochs(&history), history.trained), (vec![1, 2, 3], Some((5, 3))));
        assert_eq!(history.warnings, [(3, "hacked\n?".to_owned())], "the first one was taken back");
        let record = history.record(&RunId("a".into()), 5, "").unwrap();
        assert_eq!((record.state, record.epochs_done), (RunState::Trained, 3));
    }

    #[test]
    fn a_line_that_was_cut_off_is_taken_away_and_damage_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log.jsonl");
        let (mut log, _) = RunLog::open(&path).unwrap();
        for number in 1..=3 {
            log.append(&epoch(number)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for cut in [whole.len() - 1, whole.len() - 30] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(epochs(&RunHistory::read(&path).unwrap().unwrap()), [1, 2]);
            let (mut log, _) = RunLog::open(&path).unwrap();
            log.append(&epoch(3)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
        let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 20;
        for place in [0, 9, second] {
            let mut bad = whole.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).unwrap();
            let message = RunHistory::read(&path).unwrap_err().to_string();
            let line = if place == second { "line 2" } else { "line 1" };
            assert!(message.contains("log.jsonl") && message.contains(line), "{message}");
        }
    }

    #[test]
    fn a_log_of_a_newer_moa_is_refused_with_both_formats() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log.jsonl");
        fs::write(&path, line(&Entry::Opened { format: 7, facts: None, weighting: None }).unwrap()).unwrap();
        let message = RunHistory::read(&path).unwrap_err().to_string();
        assert!(message.contains("format 7") && message.contains("up to 1"), "{message}");
    }
}
