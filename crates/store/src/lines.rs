//! Small files of a JSON value a line that are written as a whole.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{StoreError, write_atomically};

/// Reads all lines; none where there is no file.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Vec<T>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::read(path, error)),
    };
    let parsed = text.lines().enumerate().map(|(line, text)| {
        serde_json::from_str(text).map_err(|error| StoreError::Malformed {
            path: path.to_owned(),
            what,
            reason: format!("line {}: {error}", line + 1),
        })
    });
    parsed.collect()
}

/// Writes all lines.
pub(crate) fn write_lines<T: Serialize>(path: &Path, lines: &[T]) -> Result<(), StoreError> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).map_err(|error| StoreError::write(path, error.into()))?;
        text.push(b'\n');
    }
    write_atomically(path, &text)
}
