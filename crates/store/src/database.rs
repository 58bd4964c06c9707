//! The sled database under a metric store: its trees, its lock, and how a reader gets a copy of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use sled::{Db, Tree};
use tempfile::TempDir;

use crate::codec::DecodeError;
use crate::silence::catch;
use crate::{FORMAT, StoreError, write_atomically};

/// sled's memory for pages, in bytes; a metric store is a few megabytes.
const CACHE_BYTES: u64 = 32 << 20;

/// How much sled writes (and sets aside on disk) at a time, in bytes. Stores keep the size that they began with.
const SEGMENT_BYTES: usize = 128 << 10;

const FORMAT_KEY: &str = "format";
const FLUSHES_KEY: &str = "flushes";

/// The file beside sled's that says how many flushes reached the disk.
///
/// sled takes damage for the torn end of a killed process's writes, and silently goes back to what came before. Its
/// own count of flushes goes back too, and this file's does not.
const MARK_FILE: &str = "flushes";

/// The trees of a metric store.
#[derive(Debug)]
pub(crate) struct Trees {
    pub(crate) db: Db,
    /// `format`: the format; `flushes`: how many there were; `sweep`: the experiment.
    pub(crate) meta: Tree,
    /// Number of a metric, big-endian → its name.
    pub(crate) names: Tree,
    /// Run id → run.
    pub(crate) runs: Tree,
    /// Run id, a zero byte, epoch big-endian → epoch.
    pub(crate) epochs: Tree,
    /// Id → evaluation.
    pub(crate) evaluations: Tree,
    /// Id → length of the log that was taken in, big-endian, and the digest of the evaluation's settings.
    pub(crate) logs: Tree,
}

impl Trees {
    /// Opens the database in `folder`, which is made where there is none, and hands its trees to `body`. Panics of sled
    /// on damaged files, in here and in `body`, become errors that name `shown`.
    pub(crate) fn open_with<T>(
        folder: &Path,
        shown: &Path,
        body: impl FnOnce(Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let opened = catch(|| {
            let trees = Self::open(folder).map_err(|error| sled_error(shown, error))?;
            trees.check_format(shown)?;
            trees.check_mark(folder, shown)?;
            body(trees)
        });
        opened.unwrap_or_else(|panic| Err(StoreError::damaged(shown, panic)))
    }

    fn open(folder: &Path) -> sled::Result<Self> {
        let db = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None)
            .open()?;
        Ok(Self {
            meta: db.open_tree("meta")?,
            names: db.open_tree("names")?,
            runs: db.open_tree("runs")?,
            epochs: db.open_tree("epochs")?,
            evaluations: db.open_tree("evaluations")?,
            logs: db.open_tree("logs")?,
            db,
        })
    }

    /// Brings everything to the disk, and counts that.
    pub(crate) fn flush(&self, folder: &Path) -> Result<(), StoreError> {
        let failed = |error| sled_error(folder, error);
        let flushes = self.flushes().map_err(failed)? + 1;
        self.meta.insert(FLUSHES_KEY, &flushes.to_be_bytes()).map_err(failed)?;
        self.db.flush().map_err(failed)?;
        // sled leaves it to the system when the file's length reaches the disk; the mark must not be there before it.
        let path = folder.join("db");
        let synced = OpenOptions::new().write(true).open(&path).and_then(|file| file.sync_all());
        synced.map_err(|source| StoreError::write(&path, source))?;
        write_atomically(&folder.join(MARK_FILE), flushes.to_string().as_bytes())
    }

    fn flushes(&self) -> sled::Result<u64> {
        let bytes = self.meta.get(FLUSHES_KEY)?;
        Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// Refuses a database that lost what was flushed.
    fn check_mark(&self, folder: &Path, shown: &Path) -> Result<(), StoreError> {
        let path = folder.join(MARK_FILE);
        let expected = match fs::read_to_string(&path) {
            Ok(text) => {
                text.parse::<u64>().map_err(|_| StoreError::damaged(shown, "its file `flushes` is unreadable"))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(StoreError::damaged(shown, error.to_string()));
            }
            Err(error) => return Err(StoreError::read(&path, error)),
        };
        let found = self.flushes().map_err(|error| sled_error(shown, error))?;
        if found < expected {
            let reason = format!("{found} of {expected} flushes are readable, later records are lost");
            return Err(StoreError::damaged(shown, reason));
        }
        Ok(())
    }

    fn check_format(&self, shown: &Path) -> Result<(), StoreError> {
        let failed = |error| sled_error(shown, error);
        let Some(bytes) = self.meta.get(FORMAT_KEY).map_err(failed)? else {
            let fresh = [&self.names, &self.runs, &self.epochs, &self.evaluations].iter().all(|tree| tree.is_empty());
            if !fresh {
                return Err(StoreError::damaged(shown, "its format is missing"));
            }
            self.meta.insert(FORMAT_KEY, &FORMAT.to_be_bytes()).map_err(failed)?;
            self.db.flush().map_err(failed)?;
            return Ok(());
        };
        let format = <[u8; 4]>::try_from(bytes.as_ref()).map(u32::from_be_bytes);
        match format {
            Ok(FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => {
                Err(StoreError::Newer { path: shown.to_path_buf(), found, supported: FORMAT })
            }
            _ => Err(StoreError::damaged(shown, "its format is unreadable")),
        }
    }
}

/// Returns what an error of sled means for the store at `shown`.
pub(crate) fn sled_error(shown: &Path, error: sled::Error) -> StoreError {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            StoreError::InUse { path: shown.to_path_buf() }
        }
        sled::Error::Io(error) if !matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) => {
            // Errors of sled's writing threads arrive as text that is not for people; their kinds are.
            let plain = error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Other;
            StoreError::write(shown, if plain { error } else { error.kind().into() })
        }
        other => StoreError::damaged(shown, other.to_string()),
    }
}

/// Returns what an unreadable record means for the store at `shown`.
pub(crate) fn decode_error(shown: &Path, error: DecodeError) -> StoreError {
    match error {
        DecodeError::Newer(found) => StoreError::Newer { path: shown.to_path_buf(), found, supported: FORMAT },
        DecodeError::Damaged(reason) => StoreError::damaged(shown, reason),
    }
}

/// Returns whether there is a store in `folder`.
pub(crate) fn exists(folder: &Path) -> bool {
    folder.join("db").exists()
}

/// Returns whether a process holds the store in `folder`.
///
/// # Errors
/// [`StoreError::Missing`] where there is none, and what the system says of one that cannot be read.
pub(crate) fn is_in_use(folder: &Path) -> Result<bool, StoreError> {
    lock_shared(folder).map(|lock| lock.is_none())
}

/// Returns a copy of the store in `folder` in a temporary folder, or nothing when a process holds the store.
///
/// sled has no readers: a process that opens a database owns it, and rewrites parts of it. So a reader opens a copy, taken
/// under a lock that it can share with other readers, and needs no right to write.
pub(crate) fn copy(folder: &Path) -> Result<Option<TempDir>, StoreError> {
    let Some(_lock) = lock_shared(folder)? else { return Ok(None) };
    let target = tempfile::Builder::new()
        .prefix("moa-store-")
        .tempdir()
        .map_err(|source| StoreError::write(Path::new("the temporary folder"), source))?;
    copy_folder(folder, target.path())?;
    Ok(Some(target))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(from).map_err(|source| StoreError::read(from, source))? {
        let entry = entry.map_err(|source| StoreError::read(from, source))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| StoreError::read(&source, error))?;
        if kind.is_dir() {
            fs::create_dir(&target).map_err(|error| StoreError::write(&target, error))?;
            copy_folder(&source, &target)?;
        } else {
            let mut reader = File::open(&source).map_err(|error| StoreError::read(&source, error))?;
            let mut writer = File::create(&target).map_err(|error| StoreError::write(&target, error))?;
            io::copy(&mut reader, &mut writer).map_err(|error| StoreError::write(&target, error))?;
        }
    }
    Ok(())
}

/// Returns sled's file under a lock that keeps writers out, or nothing when a process holds the store.
fn lock_shared(folder: &Path) -> Result<Option<File>, StoreError> {
    let path = folder.join("db");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: folder.parent().unwrap_or(folder).to_path_buf() });
        }
        Err(error) => return Err(StoreError::read(&path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(StoreError::read(&path, error)),
    }
}
