//! Snapshots as files for other tools, in long form: one value per row.
//!
//! | table | columns |
//! |---|---|
//! | `epochs` | `run, kind, epoch, metric, value` |
//! | `evaluations` | `id, kind, column, role, prompt, mean` |
//! | `weightings` | `id, kind, reward, share` |
//! | `times` | `run, epoch, seconds` |
//!
//! Rows are in the snapshot's order, so equal snapshots give equal bytes. Seconds have a table of their own: they differ between
//! repetitions of the same sweep.

mod csv;
mod jsonl;
mod parquet;
mod table;

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use crate::{Snapshot, StoreError};
use table::Rows;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180, lines end in `\n`).
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet, one row group, uncompressed, texts in dictionaries.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Jsonl, Self::Parquet];

    /// Returns the format's name, which is also the ending of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Every metric of every epoch.
    Epochs,
    /// Every prompt's mean of every reward and judge, of the base, adapters, soups and blends.
    Evaluations,
    /// The weighting of every run, soup and blend.
    Weightings,
    /// How long every epoch of a run took to train.
    Times,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Epochs, Self::Evaluations, Self::Weightings, Self::Times];

    /// Returns the table's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Evaluations => "evaluations",
            Self::Weightings => "weightings",
            Self::Times => "times",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        let unknown =
            || StoreError::UnknownChoice { name: name.to_owned(), choices: Self::ALL.map(Self::name).to_vec() };
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(unknown)
    }
}

impl FromStr for Table {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        let unknown =
            || StoreError::UnknownChoice { name: name.to_owned(), choices: Self::ALL.map(Self::name).to_vec() };
        Self::ALL.into_iter().find(|table| table.name() == name).ok_or_else(unknown)
    }
}

/// Writes one table of a snapshot.
///
/// # Errors
/// [`StoreError::Export`] with what the writer says.
pub fn export(
    snapshot: &Snapshot,
    table: Table,
    format: Format,
    writer: &mut (dyn Write + Send),
) -> Result<(), StoreError> {
    let rows = match table {
        Table::Epochs => Rows::epochs(snapshot),
        Table::Evaluations => Rows::evaluations(snapshot),
        Table::Weightings => Rows::weightings(snapshot),
        Table::Times => Rows::times(snapshot),
    };
    let written = match format {
        Format::Csv => csv::write(&rows, writer).map_err(|error| error.to_string()),
        Format::Jsonl => jsonl::write(&rows, writer).map_err(|error| error.to_string()),
        Format::Parquet => parquet::write(&rows, writer).map_err(|error| error.to_string()),
    };
    written.map_err(StoreError::Export)
}
