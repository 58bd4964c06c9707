//! Rows of a CSV file.

use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, ErrorKind, Reader};

use super::{Cells, Sink, open};
use crate::InterchangeError;
use crate::budget::{Bounded, Budget};
use crate::cell::Cell;
use crate::reasons::quoted;

fn reader(file: &Path, budget: &Budget) -> Result<Reader<Bounded<File>>, InterchangeError> {
    Ok(Reader::from_reader(Bounded::new(open(file)?, budget.clone())))
}

pub(super) fn columns(file: &Path) -> Result<Vec<String>, InterchangeError> {
    let mut reader = reader(file, &Budget::new())?;
    let header = reader.byte_headers().map_err(|error| torn(file, &error))?;
    header.iter().map(|name| text(file, "the header", name).map(|name| name.trim().to_owned())).collect()
}

pub(super) fn table(file: &Path, columns: &[&str], sink: &mut Sink<'_>) -> Result<(), InterchangeError> {
    let names = self::columns(file)?;
    let places: Vec<Option<usize>> =
        columns.iter().map(|column| names.iter().position(|name| name == column)).collect();
    let budget = Budget::new();
    let mut reader = reader(file, &budget)?;
    let mut record = ByteRecord::new();
    loop {
        budget.renew();
        if !reader.read_byte_record(&mut record).map_err(|error| torn(file, &error))? {
            return Ok(());
        }
        let place = format!("line {}", record.position().map_or(0, csv::Position::line));
        let mut cells = Vec::with_capacity(columns.len());
        for (column, index) in columns.iter().zip(&places) {
            let bytes = index.and_then(|index| record.get(index)).unwrap_or_default();
            let text = text(file, &format!("{place}, column {column}"), bytes)?;
            cells.push(if text.is_empty() { Cell::Missing } else { Cell::Text(text.to_owned()) });
        }
        if !sink(&place, Cells { columns, cells })? {
            return Ok(());
        }
    }
}

fn text<'a>(file: &Path, place: &str, bytes: &'a [u8]) -> Result<&'a str, InterchangeError> {
    std::str::from_utf8(bytes).map_err(|_| {
        let shown = quoted(&String::from_utf8_lossy(bytes));
        InterchangeError::unreadable(file, format!("{place}: {shown} is not UTF-8 text: save the file as UTF-8"))
    })
}

fn torn(file: &Path, error: &csv::Error) -> InterchangeError {
    let problem = match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!(
                "line {line}: the row has {len} columns, and the header {expected_len}: quote texts that contain commas"
            )
        }
        _ => match error.position() {
            Some(position) => format!("line {}: cannot be read: {error}", position.line()),
            None => format!("cannot be read: {error}"),
        },
    };
    InterchangeError::unreadable(file, problem)
}
