//! `moa report`: an experiment's results as one HTML file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moa_adapter::Merge;
use moa_core::experiment::BaseName;
use moa_plot::RgbPicture;
use moa_report::{Limits, Page, Report, ReportError, Sheet, Source};
use moa_runner::SoupBench;
use moa_store::write_atomically;

use crate::bar::work_with_bar;
use crate::commands::front::Results;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::output::{say, warn};
use crate::pictures::rgb;
use crate::results;
use crate::shell::quoted;
use crate::text::count;

/// Bytes in a megabyte.
const MEGABYTE: usize = 1_000_000;
/// More mixtures than these are refused: the page would be theirs alone.
const MOST_MIXTURES: usize = 500;

/// Writes an experiment's results as one HTML file, for colleagues without moa.
///
/// The file has everything in it and asks nothing of any network: the front by any two rewards or held-out judges, a list that sorts, images of
/// the same prompts and noise side by side, in turn and as differences, a slider over soups with what they are expected to give, curves, receipt,
/// and how to load an adapter. It works on results of a sweep that still runs, with what is evaluated so far.
///
/// For the slider it draws soups that the sweep has not drawn: by default a lattice of them where the base is emoji-32, which takes seconds,
/// and none where it is a model on disk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa report results/pareto -o pareto.html
  moa report results/pareto -o pareto.html --soups 0       draw no soups: no model is opened
  moa report results/sdxl -o sdxl.html --soups 4 --prompts 3 --max-size 25
  xdg-open pareto.html")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// The file to write [default: the folder's name with .html]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Draw soups at shares that are multiples of 1/N, for the slider; 0 draws none [default: by how many adapters there are to mix]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    soups: Option<u32>,

    /// Prompts of which images are shown, at most; sweeps keep images of `evaluation.grid_prompts`
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    prompts: u32,

    /// Points whose images are shown, at most: the base, what soups are made of, then those that are most surely on the front
    #[arg(long, value_name = "N", default_value_t = 200)]
    images: usize,

    /// The largest file that is written, in MB: images that have no room are left out, the most important points' last
    #[arg(long, value_name = "MB", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=2000))]
    max_size: u32,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let folder = results::find(&arguments.results)?;
    let file = output(arguments, &folder)?;
    let results = Results::read(&folder)?;
    let front = results.report()?;
    if front.points.is_empty() {
        return Err(CliError::failure(format!(
            "failed to report {}: nothing is evaluated yet",
            arguments.results.display()
        ))
        .hint("the same `moa sweep` resumes; a report can be made when the base is evaluated"));
    }
    let shown = quoted(&folder.display().to_string());
    let source = Source {
        layout: &results.layout,
        snapshot: &results.snapshot,
        spec: &results.spec,
        front: &front,
        folder: &shown,
    };
    let limits = Limits {
        bytes: arguments.max_size as usize * MEGABYTE,
        points: arguments.images,
        prompts: arguments.prompts as usize,
    };
    let mut report = Report::new(source, limits);
    add_soups(arguments, &folder, global, &mut report)?;
    let page = report.page()?;
    write_atomically(&file, page.html.as_bytes())?;
    tell(&page, &file, arguments.max_size);
    Ok(())
}

/// Returns where the file goes.
fn output(arguments: &Arguments, results: &Path) -> Result<PathBuf, CliError> {
    if !results.is_dir() {
        let what = if results.exists() { "is not a folder" } else { "is not there" };
        return Err(CliError::usage(format!("{} {what}", results.display()))
            .hint("name an experiment's results; `moa sweep experiments/quick.ron` makes some in a minute"));
    }
    let Some(file) = &arguments.output else {
        let full = std::path::absolute(results).unwrap_or_else(|_| results.to_path_buf());
        let name = full.file_name().map_or_else(|| "report".into(), |name| name.to_string_lossy().into_owned());
        return Ok(PathBuf::from(format!("{name}.html")));
    };
    if file.is_dir() {
        return Err(CliError::usage(format!("-o {}: it is a folder", file.display()))
            .hint(format!("name a file in it: -o {}", file.join("report.html").display())));
    }
    Ok(file.clone())
}

/// Draws the soups that the slider shows. If they were not asked for, models that cannot be opened leave them out.
fn add_soups(arguments: &Arguments, folder: &Path, global: Global, report: &mut Report<'_>) -> Result<(), CliError> {
    let corners = report.corners().len();
    let divisions = arguments.soups.unwrap_or_else(|| lattice(corners));
    let wanted = report.undrawn(divisions as usize)?;
    let (prompts, _) = report.shown();
    if wanted.is_empty() || prompts == 0 {
        return Ok(());
    }
    if wanted.len() > MOST_MIXTURES {
        return Err(CliError::usage(format!(
            "--soups {divisions}: of {corners} adapters these are {} mixtures, and {MOST_MIXTURES} are drawn at most",
            wanted.len()
        ))
        .hint("give a smaller number"));
    }
    let drawn = draw(arguments, folder, global, report, wanted);
    match drawn {
        Err(error) if arguments.soups.is_none() => {
            warn(&format!("images of further soups are left out: {}", error.message()));
            Ok(())
        }
        drawn => drawn,
    }
}

/// Returns into how many parts shares are divided by default: few enough mixtures to be drawn in seconds.
fn lattice(corners: usize) -> u32 {
    match corners {
        2 => 10,
        3 | 4 => 4,
        5..=8 => 2,
        _ => 0,
    }
}

fn draw(
    arguments: &Arguments,
    folder: &Path,
    global: Global,
    report: &mut Report<'_>,
    wanted: Vec<Vec<f64>>,
) -> Result<(), CliError> {
    let experiment = Experiment::load_kept(folder)?;
    if arguments.soups.is_none() && BaseName::of(&experiment.spec.base) != BaseName::BuiltIn {
        return Err(CliError::usage(format!(
            "drawing {} with {} takes long; --soups {} draws them",
            count(wanted.len() as u64, "soup"),
            experiment.spec.base,
            lattice(report.corners().len())
        )));
    }
    let device = experiment.device(global)?;
    let models = experiment.models(&device)?;
    let request = experiment.request(&device, folder, Arc::default());
    let bench = SoupBench::open(request, &models, report.corners(), Merge::default())?;
    let (shown, all) = (report.shown(), wanted.len() as f64);
    let label = format!("drawing {}", count(wanted.len() as u64, "soup"));
    let drawn = work_with_bar(&label, global.quiet, |say| {
        let draw = |(place, shares): (usize, Vec<f64>)| {
            let pictures = bench.draw(&shares, shown, &|fraction| say((place as f64 + fraction) / all))?;
            Ok((shares, sheet(&rgb(&pictures), pictures.group())))
        };
        wanted.into_iter().enumerate().map(draw).collect::<Result<Vec<_>, CliError>>()
    })?;
    for (shares, sheet) in drawn {
        if let Some(sheet) = sheet {
            report.add_mixture(shares, sheet);
        }
    }
    Ok(())
}

fn sheet(pictures: &[RgbPicture], group: usize) -> Option<Sheet> {
    let first = pictures.first()?;
    let images: Vec<Vec<u8>> = pictures.iter().map(|picture| picture.pixels.clone()).collect();
    Sheet::new((first.width, first.height), &images, group)
}

fn tell(page: &Page, file: &Path, most: u32) {
    if page.left_out > 0 {
        warn(&format!(
            "images of {} are left out, to stay within {most} MB; --max-size allows more, --prompts shows fewer of each",
            count(page.left_out as u64, "point")
        ));
    }
    say(&format!(
        "wrote {} ({:.1} MB, images of {} of {}): open it in any browser",
        file.display(),
        page.html.len() as f64 / MEGABYTE as f64,
        page.shown,
        count(page.points as u64, "point")
    ));
}

impl From<ReportError> for CliError {
    fn from(error: ReportError) -> Self {
        let hint = match &error {
            ReportError::TooLarge { .. } => Some("--max-size allows more".into()),
            _ => None,
        };
        Self::failure(format!("failed to {error}")).maybe_hint(hint)
    }
}
