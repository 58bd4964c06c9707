//! `moa export`: metrics, scores and prompts for other tools.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use moa_store::export::Exported;
use moa_store::{Format, Layout, Snapshot, Table, write_atomically};

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::output::{print, say};
use crate::results;
use crate::text::count;

/// TensorBoard's event files: no table, and a folder.
const TENSORBOARD: &str = "tensorboard";

/// Writes metrics, scores and prompts for other tools, of a finished sweep or of one that runs.
///
/// Tables have one value per row. `--format tensorboard` writes event files with curves, images and hyperparameters into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables and their columns:
  epochs        run, kind, epoch, metric, value
  evaluations   id, kind, column, role, prompt, mean, variance
  images        id, kind, prompt, image, column, role, score     every single image's scores
  weightings    id, kind, reward, share
  times         run, epoch, seconds
  prompts       set, place, prompt                               as text: one prompt per line

docs/exports.md says what is in each of them.

Examples:
  moa export results/pareto --format csv > epochs.csv
  moa export results/pareto --format parquet --what evaluations -o evaluations.parquet
  moa export results/pareto --what images -o images.parquet
  moa export results/pareto --what prompts --of held-out > prompts.txt
  moa export results/pareto -o curves.jsonl
  moa export results/pareto --format tensorboard -o board && tensorboard --logdir board")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// How to write it [default: as the file's name ends, else txt for prompts and csv for the rest]
    #[arg(long, short, value_name = "FORMAT", value_parser = formats())]
    format: Option<Written>,

    /// Which table [default: epochs]
    #[arg(long, short, value_name = "TABLE", value_parser = names(Table::ALL.map(Table::name)).try_map(|name| name.parse::<Table>()))]
    what: Option<Table>,

    /// With --what prompts: which ones
    #[arg(long, value_name = "SET", value_enum)]
    of: Option<Set>,

    /// The file to write, or TensorBoard's folder [default: standard output]
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Table(Format),
    TensorBoard,
}

/// Sets of prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Set {
    /// The training prompts
    Train,
    /// The prompts of the evaluation
    HeldOut,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let table = arguments.what.unwrap_or(Table::Epochs);
    if arguments.of.is_some() && table != Table::Prompts {
        return Err(CliError::usage("--of chooses among prompts").hint("add --what prompts, or leave it out"));
    }
    match written(arguments, table) {
        Written::TensorBoard => event_files(arguments),
        Written::Table(format) => write_table(arguments, table, format),
    }
}

/// Writes a table to a file or to standard output.
fn write_table(arguments: &Arguments, table: Table, format: Format) -> Result<(), CliError> {
    let results = &results::find(&arguments.results)?;
    if format == Format::Parquet && arguments.output.is_none() && stdout().is_terminal() {
        return Err(
            CliError::usage("Parquet is no text to show on a terminal").hint("name a file with -o FILE.parquet")
        );
    }
    let snapshot = Snapshot::read(results)?;
    let mut exported = Exported { snapshot, ..Exported::default() };
    if table == Table::Images {
        exported = exported.with_images(&Layout::new(results))?;
    }
    if table == Table::Prompts {
        exported.prompts = prompts(results, arguments, format)?;
    }
    let mut bytes = Vec::new();
    moa_store::export(&exported, table, format, &mut bytes)?;
    match &arguments.output {
        None => print(bytes),
        Some(file) => {
            write_atomically(file, &bytes)?;
            say(&format!("wrote {}", file.display()));
            Ok(())
        }
    }
}

/// Returns the prompts that are asked for: where nothing is, both sets in tables, which name them, and the held-out ones as text.
fn prompts(
    results: &Path,
    arguments: &Arguments,
    format: Format,
) -> Result<Vec<(&'static str, Vec<String>)>, CliError> {
    let prompts = Experiment::load_kept(results)?.prompts;
    let asked = arguments.of.or((format == Format::Text).then_some(Set::HeldOut));
    let mut sets = Vec::new();
    if asked != Some(Set::HeldOut) {
        sets.push(("train", prompts.train));
    }
    if asked != Some(Set::Train) {
        sets.push(("held-out", prompts.held_out));
    }
    Ok(sets)
}

/// Writes TensorBoard's event files into a folder.
fn event_files(arguments: &Arguments) -> Result<(), CliError> {
    let results = &results::find(&arguments.results)?;
    if arguments.what.is_some() {
        return Err(CliError::usage("--what chooses a table, and TensorBoard's event files hold everything")
            .hint("leave it out"));
    }
    let Some(folder) = &arguments.output else {
        return Err(CliError::usage("TensorBoard's event files are several: where do they go?")
            .hint("name a folder with -o DIR"));
    };
    let snapshot = Snapshot::read(results)?;
    let Experiment { spec, prompts, .. } = Experiment::load_kept(results)?;
    let written = moa_tensorboard::export(&snapshot, &spec, &prompts.held_out, &Layout::new(results), folder)?;
    let files = count(written as u64, "event file");
    let folder = folder.display();
    say(&format!("wrote {files} into {folder}; show them with: tensorboard --logdir {folder}"));
    Ok(())
}

/// Returns what is asked for, or else what the file's ending names, or else what suits the table.
fn written(arguments: &Arguments, table: Table) -> Written {
    let ending = || arguments.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    let usual = if table == Table::Prompts { Format::Text } else { Format::Csv };
    arguments.format.unwrap_or_else(|| Written::Table(ending().and_then(|ending| ending.parse().ok()).unwrap_or(usual)))
}

fn formats() -> impl TypedValueParser<Value = Written> {
    let known = PossibleValuesParser::new(Format::ALL.map(Format::name).into_iter().chain([TENSORBOARD]));
    known.try_map(|name| {
        if name == TENSORBOARD { Ok(Written::TensorBoard) } else { name.parse::<Format>().map(Written::Table) }
    })
}

fn names<const N: usize>(names: [&'static str; N]) -> PossibleValuesParser {
    PossibleValuesParser::new(names)
}
