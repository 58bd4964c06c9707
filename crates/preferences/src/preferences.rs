//! The records of a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Faults, quoted};
use crate::line::is_torn;
use crate::{Decision, PreferencesError, Record};

/// The most bytes of a file of preferences; larger ones are refused.
pub const LARGEST_FILE: u64 = 256_000_000;
/// The name of the file in a folder of ratings.
pub const FILE_NAME: &str = "preferences.jsonl";
/// Bytes of a line.
const LONGEST_LINE: usize = 1_000_000;

/// What a file of preferences holds: every record, and which of them count.
#[derive(Clone, Debug)]
pub struct Preferences {
    path: PathBuf,
    pub(crate) kept: Vec<Kept>,
    /// The lines that are torn.
    pub(crate) torn: Vec<usize>,
    /// Records that stand in the file again, word for word.
    pub(crate) repeated: usize,
}

/// A record with its place.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) line: usize,
    pub(crate) record: Record,
    /// Whether an undo that itself counts undoes it.
    pub(crate) undone: bool,
}

/// Returns the file of preferences that a path means: the one in a folder of ratings, or the file itself.
pub fn file_in(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE_NAME) } else { path.to_path_buf() }
}

impl Preferences {
    /// Reads and checks a file; images are not looked at ([`Preferences::check_images`] does that).
    ///
    /// A line that a killed writer left torn is passed over, and [`Preferences::notes`] says so.
    ///
    /// # Errors
    /// Refuses files that are missing, folders, empty, not UTF-8 or larger than 256 MB, and lines that are no records or hold
    /// impossible values; all faults of a kind are one line of the message, with file, line, field, value and what to do.
    pub fn read(path: &Path) -> Result<Self, PreferencesError> {
        let preferences = match bytes_of(path) {
            Ok(bytes) => Self::from_bytes(&bytes, path)?,
            Err(unread) => return Err(Self::new(path).unreadable(&unread.problem())),
        };
        if preferences.kept.is_empty() {
            let problem = if preferences.torn.is_empty() {
                "empty: rate some images first, or name another file"
            } else {
                "no line is whole: rate some images first, or name another file"
            };
            return Err(preferences.unreadable(problem));
        }
        Ok(preferences)
    }

    /// Reads a file as [`Preferences::read`] does, for a rater who continues it: one that is missing or empty has no records
    /// yet.
    ///
    /// # Errors
    /// Those of [`Preferences::read`], but for files that are missing or empty.
    pub fn begun(path: &Path) -> Result<Self, PreferencesError> {
        let bytes = match bytes_of(path) {
            Ok(bytes) => bytes,
            Err(Unread::Missing) => Vec::new(),
            Err(unread) => return Err(Self::new(path).unreadable(&unread.problem())),
        };
        Self::from_bytes(&bytes, path)
    }

    /// Reads and checks the bytes of a file; `path` names it in messages, and relative paths of images count from its folder.
    ///
    /// # Errors
    /// Those of [`Preferences::read`], but for files without records.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, PreferencesError> {
        let mut preferences = Self::new(path);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut faults = Faults::default();
        let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..).peekable();
        while let Some((bytes, line)) = lines.next() {
            let written = bytes.trim_ascii();
            // A machine that loses power may leave zeros where the end of a line was to be.
            let body = without_zeros(written);
            if body.is_empty() {
                preferences.torn.extend((!written.is_empty()).then_some(line));
                continue;
            }
            let next = lines.peek().map(|(bytes, _)| *bytes);
            match parsed(body, next) {
                Ok(Some(record)) => preferences.kept.push(Kept { line, record, undone: false }),
                Ok(None) => preferences.torn.push(line),
                Err(fault) => faults.add(line, fault),
            }
        }
        // A line that is refused may be the one that another refers to.
        if faults.is_empty() {
            preferences.join(&mut faults);
        }
        if faults.is_empty() { Ok(preferences) } else { Err(preferences.refused(faults)) }
    }

    fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), kept: Vec::new(), torn: Vec::new(), repeated: 0 }
    }

    /// Drops records that are repeated word for word, and finds out which count.
    fn join(&mut self, faults: &mut Faults) {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut kept: Vec<Kept> = Vec::with_capacity(self.kept.len());
        for entry in std::mem::take(&mut self.kept) {
            match places.get(&entry.record.id).map(|place| &kept[*place]) {
                Some(first) if first.record == entry.record => self.repeated += 1,
                Some(first) => {
                    let value = format!("{}, as in line {}", quoted(&entry.record.id), first.line);
                    let way_out = "give each record an id of its own, or delete one of them";
                    faults.add(entry.line, Fault::value("id", &value, way_out));
                }
                None => {
                    places.insert(entry.record.id.clone(), kept.len());
                    kept.push(entry);
                }
            }
        }
        // From the last on: whether an undo counts is known before what it undoes is reached.
        for place in (0..kept.len()).rev() {
            let Decision::Undo { record } = &kept[place].record.decision else { continue };
            match places.get(record) {
                Some(target) if *target < place => kept[*target].undone |= !kept[place].undone,
                found => {
                    let later = if found.is_some() { ", a later record" } else { "" };
                    let way_out = "name the id of an earlier record, or delete the line";
                    faults
                        .add(kept[place].line, Fault::value("undoes", &format!("{}{later}", quoted(record)), way_out));
                }
            }
        }
        self.kept = kept;
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder that relative paths of images and adapters count from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Returns all records in the order of the file, also those that are skipped or undone.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.kept.iter().map(|kept| &kept.record)
    }

    /// Returns the records that count, in the order of the file: those that are neither undone nor skipped, and no undos.
    pub fn counted(&self) -> impl Iterator<Item = &Record> {
        self.counted_lines().map(|(_, record)| record)
    }

    /// Returns the decisions that no undo took back, in the order of the file, also those that are skipped.
    pub fn standing(&self) -> impl Iterator<Item = &Record> {
        let stands = |kept: &&Kept| !kept.undone && !matches!(kept.record.decision, Decision::Undo { .. });
        self.kept.iter().filter(stands).map(|kept| &kept.record)
    }

    pub(crate) fn counted_lines(&self) -> impl Iterator<Item = (usize, &Record)> {
        let counts = |kept: &&Kept| {
            let decision = &kept.record.decision;
            !kept.undone && !decision.is_skipped() && !matches!(decision, Decision::Undo { .. })
        };
        self.kept.iter().filter(counts).map(|kept| (kept.line, &kept.record))
    }

    /// Returns whether an undo took back the record of this id.
    pub fn is_undone(&self, id: &str) -> bool {
        self.kept.iter().any(|kept| kept.undone && kept.record.id == id)
    }

    pub(crate) fn file(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn refused(&self, faults: Faults) -> PreferencesError {
        PreferencesError::Refused { file: self.file(), faults: Box::new(faults) }
    }

    fn unreadable(&self, problem: &str) -> PreferencesError {
        PreferencesError::Unreadable { file: self.file(), problem: problem.to_owned() }
    }
}

/// Reads a line; none where it is torn.
fn parsed(bytes: &[u8], next: Option<&[u8]>) -> Result<Option<Record>, Fault> {
    if bytes.len() > LONGEST_LINE {
        let problem = format!("the line has {} bytes", bytes.len());
        return Err(Fault::line(problem, "give at most 1000000, one record per line", None));
    }
    // A lone `{` may also be JSON that was written over several lines; behind a torn one a record follows.
    let begins = |bytes: &[u8]| bytes.starts_with(b"{\"");
    let forgiven = |text: &str| (begins(bytes) || next.is_none_or(begins)) && is_torn(text);
    match std::str::from_utf8(bytes) {
        Ok(text) if forgiven(text) => Ok(None),
        Ok(text) => Record::from_line(text).map(Some),
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            // Torn within a character.
            if error.error_len().is_none() && forgiven(valid) {
                return Ok(None);
            }
            let column = Some(error.valid_up_to() + 1);
            Err(Fault::line("not UTF-8 text", "save the file as UTF-8", column))
        }
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].trim_ascii()
}

/// Why a file cannot be read.
enum Unread {
    Missing,
    /// What is wrong, and what to do.
    Other(String),
}

impl Unread {
    fn problem(self) -> String {
        match self {
            Self::Missing => "no such file: check the path, which counts from the current folder".into(),
            Self::Other(problem) => problem,
        }
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Unread> {
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        io::ErrorKind::IsADirectory => Unread::Other("this is a folder: name a file in it".into()),
        _ => Unread::Other(format!("cannot be read: {error}")),
    };
    // Before it is opened: a pipe would wait for a writer.
    let kind = std::fs::metadata(path).map_err(explain)?;
    if kind.is_dir() {
        return Err(Unread::Other("this is a folder: name a file in it, such as preferences.jsonl".into()));
    }
    if !kind.is_file() {
        return Err(Unread::Other("this is not a file: name a preference file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)).map_err(explain)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Unread::Other(format!(
            "larger than {} MB: split it, or name another file",
            LARGEST_FILE / 1_000_000
        )));
    }
    Ok(bytes)
}
