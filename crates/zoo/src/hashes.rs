//! Hashes of files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use moa_reward::RewardError;
use sha2::{Digest, Sha256};

use crate::embedded::hexadecimal;

/// The SHA-256 of files; one that is asked for again is not read again.
#[derive(Default)]
pub(crate) struct Hashes(BTreeMap<PathBuf, String>);

impl Hashes {
    /// Returns the SHA-256 of several files together, in hexadecimal: their names count, and where they lie does not.
    pub(crate) fn of_files(&mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<String, RewardError> {
        let mut digest = Sha256::new();
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            digest.update(format!("{name}\n{}\n", self.of_file(&path)?));
        }
        Ok(hexadecimal(&digest.finalize()))
    }

    fn of_file(&mut self, path: &Path) -> Result<String, RewardError> {
        if let Some(found) = self.0.get(path) {
            return Ok(found.clone());
        }
        let mut digest = Sha256::new();
        let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut Hashing(&mut digest)));
        copied.map_err(|error| RewardError::File { path: path.to_path_buf(), problem: error.to_string() })?;
        let hash = hexadecimal(&digest.finalize());
        self.0.insert(path.to_path_buf(), hash.clone());
        Ok(hash)
    }
}

/// Hashes what is written to it.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
