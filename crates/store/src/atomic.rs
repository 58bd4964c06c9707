//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;

/// How names of temporary files end.
const SUFFIX: &str = ".moa-tmp";

/// Writes `bytes` to `path`, making its folder where there is none.
///
/// The bytes go to a temporary name in the same folder, reach the disk, and take the file's name in one step: a reader, or
/// a machine that loses power, sees the old file or the new one.
///
/// # Errors
/// Whatever the system says, with the path; the old file is untouched then, and nothing is left behind.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// Writes a file as [`write_atomically`] does, unless it holds these bytes already.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_where_other(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}

/// Writes what `fill` writes to `path`, as [`write_atomically`] does; writes are buffered.
///
/// # Errors
/// Those of [`write_atomically`], and `fill`'s own.
pub fn write_atomically_with(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|source| StoreError::write(folder, source))?;
    let temporary = Temporary::create(path, folder).map_err(|source| StoreError::write(path, source))?;
    temporary.publish(path, folder, fill).map_err(|source| StoreError::write(path, source))
}

/// Deletes the temporary files that killed processes left under `folder`. Those of living processes are locked, and stay.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::read(folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|source| StoreError::read(folder, source))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| StoreError::read(&path, source))?;
        if kind.is_dir() {
            remove_leftovers(&path)?;
        } else if kind.is_file() && entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            let abandoned = OpenOptions::new().write(true).open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if abandoned {
                fs::remove_file(&path).map_err(|source| StoreError::write(&path, source))?;
            }
        }
    }
    Ok(())
}

/// A file under a temporary name; it is deleted when it does not take its final name.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn create(target: &Path, folder: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
        };
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{}.{}-{number}{SUFFIX}", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let temporary = Self { path, file };
        // The lock says that the writer lives; file systems without locks do without.
        let _ = temporary.file.try_lock();
        Ok(temporary)
    }

    fn publish(
        &self,
        target: &Path,
        folder: &Path,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = BufWriter::new(&self.file);
        fill(&mut buffer)?;
        buffer.flush()?;
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a successful rename there is nothing under this name any more.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_its_folder_made() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a/adapter.bin");
        write_atomically(&path, b"first, and longer").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(path.parent().unwrap()), ["adapter.bin"]);
    }

    #[test]
    fn a_write_that_fails_names_the_path_and_leaves_the_old_file_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("receipt.json");
        write_atomically(&path, b"old").unwrap();
        let error = write_atomically_with(&path, |file| {
            file.write_all(&vec![0; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(error.to_string().contains("receipt.json: no storage space"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(root.path()), ["receipt.json"]);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_a_clear_error() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("runs"), "").unwrap();
        let error = write_atomically(&root.path().join("runs/a.bin"), b"x").unwrap_err();
        assert!(error.to_string().starts_with("write ") && error.to_string().contains("runs"), "{error}");
    }

    #[test]
    fn leftovers_of_the_dead_are_removed_and_those_of_the_living_stay() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("runs/a");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join(".adapter.bin.1-0.moa-tmp"), "half").unwrap();
        let alive = Temporary::create(&inner.join("samples.png"), &inner).unwrap();
        remove_leftovers(root.path()).unwrap();
        assert_eq!(names(&inner), [alive.path.file_name().unwrap().to_string_lossy().into_owned()]);
        drop(alive);
        assert!(names(&inner).is_empty());
    }
}
