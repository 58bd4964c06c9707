//! `moa ratings`: judgements from and for the files of others.

use std::path::PathBuf;

use clap::Subcommand;
use moa_interchange::{Format, Import, InterchangeError, Reasons, export};
use moa_preferences::{FILE_NAME, Preferences, file_in};

use crate::error::CliError;
use crate::output::{note, say, warn};
use crate::text::count;

/// Takes judgements from the files of others, and gives them as such: Pick-a-Pic, HPD v2, ImageReward, and CSV with two images a row.
///
/// docs/preferences.md lists the columns. What a row does not say, or a format cannot say, is counted and told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa ratings import train-00000.parquet --into ratings
  moa ratings import pairs.csv --into ratings --images drawn
  moa ratings export ratings --format image-reward -o ranking.json
  moa fit ratings -o rewards/mine --clip hf:openai/clip-vit-large-patch14")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adds the judgements of a file to a folder of ratings
    Import(ImportArguments),
    /// Writes the judgements of a folder of ratings as another file
    Export(ExportArguments),
}

#[derive(Debug, clap::Args)]
struct ImportArguments {
    /// The file: Parquet, JSON, JSON lines or CSV
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The folder of ratings, which is made where there is none
    #[arg(long, value_name = "FOLDER", default_value = "ratings")]
    into: PathBuf,

    /// The file's format [default: found out by its columns]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,

    /// The folder that the paths of its images count from [default: the file's]
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,

    /// The rater of rows that name none [default: the format]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,

    /// The most rows that are read
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct ExportArguments {
    /// The folder of ratings, or a file of preferences
    #[arg(value_name = "RATINGS")]
    ratings: PathBuf,

    /// The format: pick-a-pic, hpd, image-reward or csv
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Format,

    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

fn format(name: &str) -> Result<Format, String> {
    Format::named(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("give {}", names.join(", "))
    })
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.what {
        What::Import(arguments) => import(arguments),
        What::Export(arguments) => give(arguments),
    }
}

fn import(arguments: &ImportArguments) -> Result<(), CliError> {
    let into = arguments.into.join(FILE_NAME);
    let import = Import {
        format: arguments.format,
        images: arguments.images.clone(),
        who: arguments.who.clone(),
        limit: arguments.limit,
        ..Import::new(&arguments.file, &into)
    };
    let imported = import.run()?;
    list("left out", &imported.skipped);
    if imported.already > 0 {
        note(&format!("imported before: {}", count(imported.already, "judgement")));
    }
    let images = if imported.images > 0 { format!(" with {}", count(imported.images, "image")) } else { String::new() };
    say(&format!(
        "{} of {} ({}){images} in {}",
        count(imported.records, "judgement"),
        count(imported.rows, "row"),
        imported.format.name(),
        into.display()
    ));
    Ok(())
}

fn give(arguments: &ExportArguments) -> Result<(), CliError> {
    let exported = export(&Preferences::read(&file_in(&arguments.ratings))?, arguments.format, &arguments.output)?;
    list("left out", &exported.left_out);
    list("not said by this format", &exported.lost);
    say(&format!("wrote {} with {}", arguments.output.display(), count(exported.written, "entry")));
    Ok(())
}

fn list(what: &str, reasons: &Reasons) {
    if reasons.count() > 0 {
        warn(&format!("{what}: {}", reasons.count()));
        reasons.iter().for_each(|reason| note(&format!("  {reason}")));
    }
}

impl From<InterchangeError> for CliError {
    fn from(error: InterchangeError) -> Self {
        Self::failure(format!("failed to take judgements over: {error}"))
    }
}
