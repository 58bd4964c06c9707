//! From a file of others to records.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use moa_preferences::{Decision, LARGEST_FILE, Moment, Preferences, Record, Writer};
use sha2::{Digest, Sha256};

use crate::formats::{self, Outcome, Row};
use crate::gallery::Gallery;
use crate::reasons::{Fault, Reasons};
use crate::{Format, InterchangeError};

/// Records that are written at a time.
const BATCH: usize = 256;

/// What is imported, and where to.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file of others.
    pub file: PathBuf,
    /// Its format. Default: found out by its columns or fields.
    pub format: Option<Format>,
    /// The folder that the paths of its images count from. Default: the folder of the file.
    pub images: Option<PathBuf>,
    /// The file of preferences, which is made where there is none, and appended to otherwise. Images that are inside the imported
    /// file are written to the folder `images` beside it.
    pub into: PathBuf,
    /// The rater of rows that name none, at most 64 characters. Default: the format's name.
    pub who: Option<String>,
    /// The most rows that are read. Default: all.
    pub limit: Option<u64>,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The format of the file.
    pub format: Format,
    /// Decisions that were read.
    pub rows: u64,
    /// Records that were written.
    pub records: u64,
    /// Decisions that an earlier import had written: the same file can be imported again, and an import that was killed goes on.
    pub already: u64,
    /// Rows that were left out.
    pub skipped: Reasons,
    /// Images from inside the file that were written.
    pub images: u64,
}

impl Import {
    /// Returns the import of a file with the defaults.
    pub fn new(file: impl Into<PathBuf>, into: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), format: None, images: None, into: into.into(), who: None, limit: None }
    }

    /// Imports.
    ///
    /// Rows are read one after the other, and a few are in memory at a time. A row that cannot become a record is left out, and
    /// counted with its reason. Records have ids of their content, so that the same row is imported once, and the times that the
    /// rows say, or else that at which the file was changed last.
    ///
    /// # Errors
    /// Refuses files that cannot be read, are torn, or have other columns, and names file, row and column; and files without a
    /// single usable row. What was written before stays, and the same import goes on from there.
    pub fn run(&self) -> Result<Imported, InterchangeError> {
        self.run_while(&mut |_| true)
    }

    /// Imports as [`Import::run`] does, and reports after every batch; stops where `go_on` returns false.
    ///
    /// # Errors
    /// Those of [`Import::run`].
    pub fn run_while(&self, go_on: &mut dyn FnMut(&Imported) -> bool) -> Result<Imported, InterchangeError> {
        let format = self.format.map_or_else(|| Format::detect(&self.file), Ok)?;
        let mut session = Session::open(self, format)?;
        let mut stopped = false;
        formats::read(format, &self.file, &mut |place, row| {
            if self.limit.is_some_and(|limit| session.done.rows >= limit) {
                return Ok(false);
            }
            session.hear(place, row)?;
            if session.waiting.len() >= BATCH {
                session.write()?;
                stopped = !go_on(&session.done);
            }
            Ok(!stopped)
        })?;
        session.write()?;
        let done = session.done;
        if done.records + done.already == 0 && !stopped {
            let (file, reasons) = (self.file.clone(), Box::new(done.skipped));
            return Err(InterchangeError::NothingLeft { file, what: "row", reasons });
        }
        Ok(done)
    }
}

struct Session {
    into: PathBuf,
    writer: Writer,
    gallery: Gallery,
    who: String,
    when: Moment,
    ids: HashSet<String>,
    /// How often a decision was met in this file.
    met: HashMap<[u8; 8], u32>,
    waiting: Vec<Record>,
    done: Imported,
}

impl Session {
    fn open(import: &Import, format: Format) -> Result<Self, InterchangeError> {
        let into = import.into.clone();
        let ids = Preferences::begun(&into)?.records().map(|record| record.id.clone()).collect();
        let writer = Writer::open(&into)?;
        let folder = into.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = import.file.parent().unwrap_or(Path::new("")).to_path_buf();
        let root = import.images.clone().unwrap_or(beside);
        // Relative to the current folder it would be shown as nothing.
        let root = if root.as_os_str().is_empty() { PathBuf::from(".") } else { root };
        if !root.is_dir() {
            let problem = format!("there is no folder {}: name the folder of the images", root.display());
            return Err(InterchangeError::unreadable(&import.file, problem));
        }
        let changed = fs::metadata(&import.file).and_then(|file| file.modified()).ok();
        let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            gallery: Gallery::new(root, folder)?,
            into,
            writer,
            who: import.who.clone().unwrap_or_else(|| format.name().into()),
            when: since.map_or_else(Moment::now, |since| Moment::from_unix_ms(since.as_millis() as u64)),
            ids,
            met: HashMap::new(),
            waiting: Vec::new(),
            done: Imported { format, rows: 0, records: 0, already: 0, skipped: Reasons::default(), images: 0 },
        })
    }

    fn hear(&mut self, place: &str, row: Result<Row, Fault>) -> Result<(), InterchangeError> {
        self.done.rows += 1;
        let record = match row {
            Ok(row) => self.record(row)?,
            Err(fault) => Err(fault),
        };
        match record {
            Err(fault) => self.done.skipped.add(place, fault),
            Ok(record) if self.ids.contains(&record.id) => self.done.already += 1,
            Ok(record) => {
                self.ids.insert(record.id.clone());
                self.waiting.push(record);
            }
        }
        self.done.images = self.gallery.written;
        Ok(())
    }

    /// Returns the record of a row; the inner fault leaves the row out.
    fn record(&mut self, row: Row) -> Result<Result<Record, Fault>, InterchangeError> {
        let mut images = Vec::with_capacity(row.images.len());
        for (column, source) in &row.images {
            match self.gallery.image(column, source)? {
                Ok(image) => images.push(image),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let prompt = row.prompt;
        let decision = match row.outcome {
            Outcome::Ranking(places) => Decision::Ranking { prompt, images, outcome: Some(places) },
            Outcome::Pair(outcome) => match <[_; 2]>::try_from(images) {
                Ok([a, b]) => Decision::Pair { prompt, a, b, outcome },
                Err(images) => {
                    let problem = format!("there are {} images", images.len());
                    return Ok(Err(Fault::new(problem, "give two for a pair")));
                }
            },
        };
        let who = row.who.unwrap_or_else(|| self.who.clone());
        let mut record = Record::new("", who, row.when.unwrap_or(self.when), decision);
        record.tags = row.tags;
        record.weight = row.weight;
        record.id = self.id(&record, row.when.is_some());
        Ok(match record.problem() {
            None => Ok(record),
            Some(problem) => {
                let (problem, way_out) = problem.split_once(": ").unwrap_or((&problem, "change or delete the row"));
                Err(Fault::new(problem, way_out))
            }
        })
    }

    /// Returns an id of the record's content, and of how often the file had the same before.
    fn id(&mut self, record: &Record, is_dated: bool) -> String {
        let mut digest = Sha256::new();
        let images: Vec<String> = record.decision.images().iter().map(|image| image.key()).collect();
        let outcome = match &record.decision {
            Decision::Pair { outcome, .. } => format!("{outcome:?}"),
            Decision::Ranking { outcome, .. } => format!("{outcome:?}"),
            _ => String::new(),
        };
        let when = if is_dated { record.when.to_string() } else { String::new() };
        let weight = record.weight.to_string();
        let texts = [record.decision.prompt().unwrap_or_default(), &outcome, &record.who, &when, &weight];
        let all = texts.into_iter().chain(images.iter().chain(&record.tags).map(|text| &**text));
        all.for_each(|text| {
            digest.update(text.as_bytes());
            digest.update([0]);
        });
        let mut key = [0; 8];
        key.copy_from_slice(&digest.finalize()[..8]);
        let count = self.met.entry(key).or_insert(0);
        let number = *count;
        *count += 1;
        let hash = key.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{}-{hash}-{number}", self.done.format.name())
    }

    fn write(&mut self) -> Result<(), InterchangeError> {
        let records = std::mem::take(&mut self.waiting);
        let bytes: u64 = records.iter().map(|record| record.to_line().len() as u64 + 1).sum();
        let there = fs::metadata(&self.into).map_or(0, |file| file.len());
        if there + bytes > LARGEST_FILE {
            let problem = format!(
                "larger than {} MB with more records: import the rest into another file, or fewer rows",
                LARGEST_FILE / 1_000_000
            );
            return Err(InterchangeError::Unreadable { file: self.into.clone(), problem });
        }
        self.writer.append_all(&records)?;
        self.done.records += records.len() as u64;
        Ok(())
    }
}
