//! Appending decisions.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{Moment, PreferencesError, Record};

/// Appends records to a file, each at once: what [`Writer::append`] returned from is on the disk.
///
/// Several writers may append to one file: each locks it for the time of a line.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    mended: bool,
}

impl Writer {
    /// Opens a file to append to, and makes it and its folder where there are none.
    ///
    /// # Errors
    /// What the system says; refuses folders and files that do not begin as a file of preferences does.
    pub fn open(path: &Path) -> Result<Self, PreferencesError> {
        let failed = |source| PreferencesError::Write { path: path.to_path_buf(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        if path.is_dir() {
            return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder: name a file in it")));
        }
        let is_new = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut first = [0; 64];
        let read = file.read(&mut first).map_err(failed)?;
        let text = first[..read].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first[..read]).trim_ascii();
        // A file that was torn at its first record may hold zeros alone.
        if text.first().is_some_and(|byte| *byte != b'{' && *byte != 0) {
            let problem = "this is not a preference file: name another one, existing or new";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, problem)));
        }
        if is_new && cfg!(unix) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self { path: path.to_path_buf(), file, mended: false })
    }

    /// Appends a record as one line and waits until it is on the disk. A last line without its end is left as it is, and a new one
    /// begun.
    ///
    /// # Errors
    /// Refuses records that could not be read again. After what the system refuses, such as a full disk, the line is not in the
    /// file as far as that can be seen to.
    pub fn append(&mut self, record: &Record) -> Result<(), PreferencesError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends records as one line each, and waits once until they are on the disk: for what is copied, not decided.
    ///
    /// # Errors
    /// Those of [`Writer::append`]; if one record is refused, none is written.
    pub fn append_all(&mut self, records: &[Record]) -> Result<(), PreferencesError> {
        if records.is_empty() {
            return Ok(());
        }
        if let Some(problem) = records.iter().find_map(Record::problem) {
            return Err(PreferencesError::Invalid { path: self.path.clone(), problem });
        }
        let lines: Vec<String> = records.iter().map(Record::to_line).collect();
        // File systems without locks do without; the lines are one write all the same.
        let locked = self.file.lock().is_ok();
        let written = self.write(&lines.join("\n"));
        if locked {
            let _ = self.file.unlock();
        }
        written.map_err(|source| PreferencesError::Write { path: self.path.clone(), source })
    }

    /// Returns whether the file ended within a line, so that a new one had to be begun. [`crate::Preferences::notes`] says whether
    /// something was lost by that.
    pub fn mended(&self) -> bool {
        self.mended
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let mut text = String::with_capacity(lines.len() + 2);
        if length > 0 {
            let mut last = [0];
            self.file.seek(SeekFrom::Start(length - 1))?;
            self.file.read_exact(&mut last)?;
            if last != *b"\n" {
                self.mended = true;
                text.push('\n');
            }
        }
        text.push_str(lines);
        text.push('\n');
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Best effort: half a line would have to be mended.
            let _ = self.file.set_len(length);
        }
        written
    }
}

/// Ids of one rater's session: its beginning, the rater, and a number, such as `1772446272345-ann-0`.
#[derive(Clone, Debug)]
pub struct Ids {
    who: String,
    began: Moment,
    count: u64,
}

impl Ids {
    /// Returns the ids of a session of `who` that began at this moment.
    pub fn new(who: &str, began: Moment) -> Self {
        Self { who: who.trim().to_owned(), began, count: 0 }
    }

    /// Returns an id that was not returned before.
    pub fn fresh(&mut self) -> String {
        let id = format!("{}-{}-{}", self.began.unix_ms(), self.who, self.count);
        self.count += 1;
        id
    }
}
