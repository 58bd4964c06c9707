//! Rows of files, one at a time: CSV, JSON, Parquet.

mod csv;
mod json;
mod parquet;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::InterchangeError;
use crate::cell::Cell;

pub(crate) use json::{entries, first};

/// What a file is by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Csv,
    Json,
    Parquet,
}

/// A row of a table: the values of the columns that were asked for.
pub(crate) struct Cells<'a> {
    columns: &'a [&'a str],
    cells: Vec<Cell>,
}

impl Cells<'_> {
    /// Takes a column's value.
    pub(crate) fn take(&mut self, column: &str) -> Cell {
        let place = self.columns.iter().position(|known| *known == column);
        place.map_or(Cell::Missing, |place| std::mem::replace(&mut self.cells[place], Cell::Missing))
    }
}

/// Hears of a row and its place in the file; returns whether to go on.
pub(crate) type Sink<'a> = dyn FnMut(&str, Cells<'_>) -> Result<bool, InterchangeError> + 'a;

/// Finds out what a file is.
pub(crate) fn kind_of(file: &Path) -> Result<Kind, InterchangeError> {
    let mut start = Vec::new();
    open(file)?
        .take(4096)
        .read_to_end(&mut start)
        .map_err(|error| InterchangeError::unreadable(file, format!("cannot be read: {error}")))?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    match text {
        [] => Err(InterchangeError::unreadable(file, "empty: name a file with preferences")),
        [b'P', b'A', b'R', b'1', ..] => Ok(Kind::Parquet),
        [b'[' | b'{', ..] => Ok(Kind::Json),
        _ => Ok(Kind::Csv),
    }
}

/// Returns the names of a table's columns.
pub(crate) fn columns(file: &Path, kind: Kind) -> Result<Vec<String>, InterchangeError> {
    match kind {
        Kind::Parquet => parquet::columns(file),
        _ => csv::columns(file),
    }
}

/// Reads a table's rows in order; columns that it does not have are missing in each row.
pub(crate) fn table(file: &Path, kind: Kind, columns: &[&str], sink: &mut Sink<'_>) -> Result<(), InterchangeError> {
    match kind {
        Kind::Parquet => parquet::table(file, columns, sink),
        _ => csv::table(file, columns, sink),
    }
}

fn open(file: &Path) -> Result<File, InterchangeError> {
    let explain = |error: std::io::Error| {
        let problem = match error.kind() {
            ErrorKind::NotFound => "no such file: check the path, which counts from the current folder".into(),
            _ => format!("cannot be read: {error}"),
        };
        InterchangeError::unreadable(file, problem)
    };
    // Before it is opened: a pipe would wait for a writer.
    if !std::fs::metadata(file).map_err(explain)?.is_file() {
        return Err(InterchangeError::unreadable(file, "this is not a file: name a file with preferences"));
    }
    File::open(file).map_err(explain)
}
