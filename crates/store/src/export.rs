//! Results as files for other tools, in long form: one value per row.
//!
//! | table | columns |
//! |---|---|
//! | `epochs` | `run, kind, epoch, metric, value` |
//! | `evaluations` | `id, kind, column, role, prompt, mean, variance` |
//! | `images` | `id, kind, prompt, image, column, role, score` |
//! | `weightings` | `id, kind, reward, share` |
//! | `times` | `run, epoch, seconds` |
//! | `prompts` | `set, place, prompt` |
//!
//! Rows are in the snapshot's order, so equal snapshots give equal bytes. Seconds have a table of their own: they differ between
//! repetitions of the same sweep.

mod csv;
mod jsonl;
mod parquet;
mod table;
mod text;

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use moa_core::{PointKind, RunId};

use crate::{ImageScores, Layout, Snapshot, StoreError};
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
    /// Plain text, one prompt per line; of prompts alone.
    Text,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Jsonl, Self::Parquet, Self::Text];

    /// Returns the format's name, which is also the ending of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Text => "txt",
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
    /// Every single image's score by every reward and judge.
    Images,
    /// The weighting of every run, soup and blend.
    Weightings,
    /// How long every epoch of a run took to train.
    Times,
    /// The training prompts and the held-out ones.
    Prompts,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] =
        [Self::Epochs, Self::Evaluations, Self::Images, Self::Weightings, Self::Times, Self::Prompts];

    /// Returns the table's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Evaluations => "evaluations",
            Self::Images => "images",
            Self::Weightings => "weightings",
            Self::Times => "times",
            Self::Prompts => "prompts",
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

/// What is exported, as far as its table needs it.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// What is known of the experiment.
    pub snapshot: Snapshot,
    /// The scores of every point's images, in the order of the snapshot's evaluations.
    pub images: Vec<(RunId, PointKind, ImageScores)>,
    /// The prompts, by the name of their set.
    pub prompts: Vec<(&'static str, Vec<String>)>,
}

impl Exported {
    /// Takes the scores of all images that were evaluated from the folders of their points.
    ///
    /// # Errors
    /// [`StoreError::NoImageScores`] names the points whose scores were not kept; and those of [`ImageScores::of_point`].
    pub fn with_images(self, layout: &Layout) -> Result<Self, StoreError> {
        let (mut images, mut missing) = (Vec::new(), Vec::new());
        for point in &self.snapshot.evaluations {
            match ImageScores::of_point(layout, point.kind, &point.id)? {
                Some(scores) => images.push((point.id.clone(), point.kind, scores)),
                None => missing.push(point.id.to_string()),
            }
        }
        if missing.is_empty() {
            return Ok(Self { images, ..self });
        }
        Err(StoreError::NoImageScores { folder: layout.root().to_path_buf(), points: missing })
    }
}

/// Writes one table.
///
/// # Errors
/// [`StoreError::Export`] with what the writer says; [`StoreError::NoText`] and [`StoreError::BrokenPrompt`] for what is no text.
pub fn export(
    exported: &Exported,
    table: Table,
    format: Format,
    writer: &mut (dyn Write + Send),
) -> Result<(), StoreError> {
    let Exported { snapshot, images, prompts } = exported;
    let rows = match table {
        Table::Epochs => Rows::epochs(snapshot),
        Table::Evaluations => Rows::evaluations(snapshot),
        Table::Images => Rows::images(images),
        Table::Weightings => Rows::weightings(snapshot),
        Table::Times => Rows::times(snapshot),
        Table::Prompts => Rows::prompts(prompts),
    };
    let written = match format {
        Format::Csv => csv::write(&rows, writer).map_err(|error| error.to_string()),
        Format::Jsonl => jsonl::write(&rows, writer).map_err(|error| error.to_string()),
        Format::Parquet => parquet::write(&rows, writer).map_err(|error| error.to_string()),
        Format::Text if table == Table::Prompts => text::write(prompts, writer)?.map_err(|error| error.to_string()),
        Format::Text => {
            let choices = Format::ALL.into_iter().filter(|format| *format != Format::Text).map(Format::name);
            return Err(StoreError::NoText { table: table.name(), choices: choices.collect() });
        }
    };
    written.map_err(StoreError::Export)
}
