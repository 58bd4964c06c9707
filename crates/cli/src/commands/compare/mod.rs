//! `moa compare`: experiments against each other.

mod tables;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use moa_analysis::Comparison;
use moa_analysis::compare::{Fronts, Part, SweepResults};
use moa_plot::{FrontSeries, draw_compared_fronts};
use moa_runner::{Receipt, Usage};
use moa_store::write_atomically;

use crate::commands::front::Results;
use crate::error::CliError;
use crate::output::{print, say, warn};
use crate::results;

/// Compares experiments of the same base, rewards and evaluation prompts.
///
/// Shows their hypervolumes on one common scale, what adapters gain over the base in their own reward, and at what cost: passes through the
/// denoiser, seconds, images scored, memory; the held-out judges, and the distance of images to the base's. Folders whose
/// experiments differ only in `seed`, `evaluation.seed` and name are seeds of one experiment: figures are the mean over them, with the
/// least and the greatest; for a single seed with the 95 % interval over prompts.
///
/// Differences between experiments are paired: same prompts, same noise. Other differences (budget, LoRA rank, prompts,
/// device …) are reported as warnings; other bases, rewards or evaluation prompts are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa compare results/policy-gradient results/nft
  moa compare results/survey/* --baseline policy-gradient --plot fronts.svg
  moa compare results/survey/* --format markdown > survey.md
  moa compare results/survey/* --format csv --what points > points.csv
  moa compare results/a results/b --format json | jq '.pairs[] | select(.own_gain_sign > 0)'

Columns of CSV: a figure X is the mean over seeds; X_lo and X_hi are its 95 % interval over prompts, X_least and X_greatest \
the least and the greatest seed. Unknown values are empty.")]
pub(crate) struct Arguments {
    /// The experiments' results, or their files: two or more
    #[arg(value_name = "DIR", required = true, num_args = 1..)]
    results: Vec<PathBuf>,

    /// How to write it
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Which table; JSON has all of them
    #[arg(long, short, value_name = "TABLE", default_value = "experiments", value_parser = parts())]
    what: Part,

    /// The experiment with which the others are compared besides the base, by its name in the table
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,

    /// Which points make up an experiment's front, beside the base
    #[arg(long, value_name = "POINTS", value_enum, default_value_t = Points::All)]
    points: Points,

    /// Draw the fronts over each other into an SVG or PNG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Leave out sweeps that are not complete; without this they are refused
    #[arg(long)]
    skip_incomplete: bool,

    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Markdown,
    Csv,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Points {
    /// Trained adapters, soups and blends
    All,
    /// Only trained adapters
    Trained,
}

fn parts() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name))
        .map(|name| Part::ALL.into_iter().find(|part| part.name() == name).unwrap_or_default())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let results = read_all(&results::find_all(&arguments.results)?, arguments.skip_incomplete)?;
    let labels = results.first().map_or_else(Vec::new, |first| first.spec.reward_labels());
    let fronts = if arguments.points == Points::Trained { Fronts::Trained } else { Fronts::All };
    let comparison = Comparison::of(&results, fronts, arguments.baseline.as_deref())?;
    comparison.warnings.iter().for_each(|warning| warn(warning));
    if let Some(file) = &arguments.plot {
        plot(&comparison, &labels, file)?;
        wrote(file);
    }
    let (part, to_file) = (arguments.what, arguments.output.is_some());
    let text = match arguments.format {
        Format::Table => tables::table(&comparison, &labels, part, fronts, to_file),
        Format::Markdown => tables::markdown(&comparison, &labels, part, fronts),
        Format::Csv => comparison.to_csv(part),
        Format::Json => comparison.to_json(),
    };
    match &arguments.output {
        None => print(text),
        Some(file) => {
            write_atomically(file, text.as_bytes())?;
            wrote(file);
            Ok(())
        }
    }
}

/// Compares the experiments in results folders.
///
/// # Errors
/// As `moa compare`.
pub(crate) fn comparison(folders: &[PathBuf]) -> Result<Comparison, CliError> {
    Ok(Comparison::of(&read_all(folders, false)?, Fronts::All, None)?)
}

/// Returns the fronts of several experiments over each other: every point, then the hypervolumes and their differences.
///
/// # Errors
/// As `moa compare`.
pub(super) fn fronts(folders: &[PathBuf]) -> Result<String, CliError> {
    let results = read_all(folders, false)?;
    let labels = results.first().map_or_else(Vec::new, |first| first.spec.reward_labels());
    let comparison = Comparison::of(&results, Fronts::All, None)?;
    comparison.warnings.iter().for_each(|warning| warn(warning));
    let table = |part| tables::table(&comparison, &labels, part, Fronts::All, false);
    Ok([Part::Points, Part::Pairs].map(table).join("\n"))
}

fn wrote(file: &Path) {
    say(&format!("wrote {}", file.display()));
}

/// Reads all results.
///
/// # Errors
/// Refuses fewer than two folders, the same folder twice, and folders that cannot be read.
fn read_all(folders: &[PathBuf], skip_incomplete: bool) -> Result<Vec<SweepResults>, CliError> {
    if let [only] = folders {
        return Err(CliError::usage(format!(
            "{} is one folder of results: a comparison takes two or more",
            only.display()
        ))
        .hint("`moa front` shows the front of one"));
    }
    let mut known: Vec<(PathBuf, &PathBuf)> = Vec::new();
    for folder in folders {
        // What is not there is named when it is read.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        if let Some((_, other)) = known.iter().find(|(known, _)| *known == real) {
            let twice = if *other == folder {
                format!("{} is named twice", folder.display())
            } else {
                format!("{} and {} are the same folder", other.display(), folder.display())
            };
            return Err(CliError::usage(twice).hint("name each results folder once"));
        }
        known.push((real, folder));
    }
    let mut found = Vec::with_capacity(folders.len());
    for folder in folders {
        let results = read(folder)?;
        if skip_incomplete && !results.is_complete() {
            warn(&format!("{} is left out: its sweep is not complete", folder.display()));
            continue;
        }
        found.push(results);
    }
    if found.len() < 2 {
        let complete = found.first().map_or("none".into(), |one| one.folder.display().to_string());
        return Err(CliError::failure(format!("fewer than two of these sweeps are complete: {complete}")));
    }
    Ok(found)
}

fn read(folder: &Path) -> Result<SweepResults, CliError> {
    let Results { layout, snapshot, spec } = Results::read(folder)?;
    let receipt = Receipt::read(&layout.receipt_file())?;
    let epochs = snapshot.runs.iter().map(|run| run.epochs_done).max().unwrap_or(0);
    let Usage { images, peak_memory, device_memory } = Usage::read(&layout, epochs)?;
    let (moa, sha256) = receipt.map(|receipt| (receipt.moa, receipt.sha256)).unzip();
    Ok(SweepResults {
        folder: folder.to_path_buf(),
        spec,
        snapshot,
        moa,
        sha256: sha256.unwrap_or_default(),
        images,
        peak_memory,
        device_memory,
    })
}

/// Draws the fronts over each other.
fn plot(comparison: &Comparison, labels: &[String], file: &Path) -> Result<(), CliError> {
    let series = |experiment: &moa_analysis::compare::ComparedExperiment| FrontSeries {
        label: experiment.name.clone(),
        points: experiment.points.iter().map(|point| comparison.levels(point)).collect(),
    };
    let series: Vec<FrontSeries> = comparison.experiments.iter().map(series).collect();
    let single = comparison.experiments.iter().any(|experiment| experiment.folders.len() == 1);
    let bars = match (comparison.has_seeds(), single) {
        (true, true) => "least to greatest seed, or 95 % interval",
        (true, false) => "least to greatest seed",
        (false, _) => "95 % interval of the gain",
    };
    draw_compared_fronts(file, labels, &comparison.base, &series, bars)
        .map_err(|error| CliError::failure(format!("failed to {error}")))
}
