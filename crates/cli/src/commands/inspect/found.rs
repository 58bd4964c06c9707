//! The files that are inspected.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::base_named_by;

use crate::adapters;
use crate::error::CliError;
use crate::text::memory;

/// The largest file that is read into memory: adapters are smaller, and even models of people's GPUs are.
const LARGEST: u64 = 16 << 30;

/// A file in memory, and its neighbour.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// `adapter_config.json`, if it is there.
    pub(super) config: Option<String>,
    /// The base that the files name.
    pub(super) base: Option<String>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let failed =
            |path: &Path, reason: String| CliError::failure(format!("failed to read {}: {reason}", path.display()));
        let size = fs::metadata(path).map_err(|error| failed(path, error.to_string()))?.len();
        if size > LARGEST {
            let reason = format!("it has {}, and no adapter has more than {}", memory(size), memory(LARGEST));
            return Err(failed(path, reason));
        }
        let bytes = fs::read(path).map_err(|error| failed(path, error.to_string()))?;
        let beside = path.with_file_name(adapters::CONFIG);
        let config = match fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&beside, error.to_string())),
        };
        let base = base_named_by(&bytes, config.as_deref());
        Ok(Self { path: path.to_owned(), bytes, config, base })
    }
}

/// Returns the adapters that a path names: as other commands take them, or the only safetensors file of a folder.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if path.is_dir() {
        let has = |name: &&str| path.join(name).exists();
        let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let files: Vec<PathBuf> =
            entries.filter(|file| file.extension().is_some_and(|ending| ending == "safetensors")).collect();
        if let ([file], false) = (&files[..], adapters::TENSORS.iter().chain(&["runs"]).any(has)) {
            return Ok(vec![file.clone()]);
        }
    }
    adapters::files(path)
}
