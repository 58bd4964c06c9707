//! `moa export`: the metrics as a table for other tools.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use moa_store::{Format, Snapshot, Table, write_atomically};

use crate::error::CliError;
use crate::output::{print, say};
use crate::results;

/// Writes the metrics as a table for other tools, one value a row.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables and their columns:
  epochs        run, kind, epoch, metric, value
  evaluations   id, kind, column, role, prompt, mean
  weightings    id, kind, reward, share

Examples:
  moa export results/pareto --format csv > epochs.csv
  moa export results/pareto --format parquet --what evaluations -o evaluations.parquet
  moa export results/pareto -o curves.jsonl")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// How to write it [default: as the file's name ends, else csv]
    #[arg(long, short, value_name = "FORMAT", value_parser = names(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>()))]
    format: Option<Format>,

    /// Which table
    #[arg(long, short, value_name = "TABLE", default_value = "epochs", value_parser = names(Table::ALL.map(Table::name)).try_map(|name| name.parse::<Table>()))]
    what: Table,

    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let format = format(arguments);
    if format == Format::Parquet && arguments.output.is_none() && stdout().is_terminal() {
        return Err(
            CliError::usage("Parquet is no text to show on a terminal").hint("name a file with -o FILE.parquet")
        );
    }
    let snapshot = Snapshot::read(&results::find(&arguments.results)?)?;
    let mut bytes = Vec::new();
    moa_store::export(&snapshot, arguments.what, format, &mut bytes)?;
    match &arguments.output {
        None => print(bytes),
        Some(file) => {
            write_atomically(file, &bytes)?;
            say(&format!("wrote {}", file.display()));
            Ok(())
        }
    }
}

/// Returns the format asked for, or else the one that the file's ending names, or else CSV.
fn format(arguments: &Arguments) -> Format {
    let ending = || arguments.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    arguments.format.or_else(|| ending()?.parse().ok()).unwrap_or(Format::Csv)
}

fn names<const N: usize>(names: [&'static str; N]) -> PossibleValuesParser {
    PossibleValuesParser::new(names)
}
