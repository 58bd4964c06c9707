//! `moa front`: the Pareto front of results, as a table or for programs.

use std::io::{IsTerminal, stderr, stdout};
use std::path::{Path, PathBuf};

use moa_analysis::report::FrontPoint;
use moa_analysis::{FrontReport, Placing, RewardScale, Scales, Score, Standing};
use moa_core::experiment::{ChosenWeighting, Expectation, ExperimentSpec, SpecError};
use moa_core::{PointKind, RunState};
use moa_pareto::{FEWEST_CLAIMED, Interval};
use moa_store::{Layout, Snapshot, Source};

use super::note;
use crate::error::CliError;
use crate::notes::is_new;
use crate::output::{print, prose, terminal_width};
use crate::paint;
use crate::results;
use crate::text::{Table, count};

/// Prints the Pareto front of results, with 95 % intervals and the hypervolume.
///
/// Shows base, adapters, soups and blends, which of them are on the front beyond noise, and how sure that is: against every other
/// point there is a reward in which they are better. Works while a sweep runs, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa front results/pareto
  moa front results/pareto --judges
  moa front results/pareto --json | jq '.points[] | select(.on_front) | .id'
  moa front results/pareto --csv > front.csv")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// Print everything as JSON
    #[arg(long, conflicts_with_all = ["csv", "judges"])]
    json: bool,

    /// Print the points as CSV, differences to the base included
    #[arg(long, conflicts_with = "judges")]
    csv: bool,

    /// Show what the judges say, which nothing was trained on, in place of the rewards
    #[arg(long)]
    judges: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let results = Results::read(&results::find(&arguments.results)?)?;
    let scales = Scales::read(&results.layout, &results.spec, &results.snapshot.evaluations)?;
    let report = FrontReport::of(&results.snapshot, &results.spec, scales)?;
    print(if arguments.json {
        report.to_json()
    } else if arguments.csv {
        report.front_csv()
    } else if report.points.is_empty() {
        format!("nothing is evaluated yet\n{}", results.state())
    } else if arguments.judges {
        table(&report, &report.judges, &report.judges, |point| &point.judges)
    } else {
        describe(&report, &results)?
    })
}

/// An experiment's results on disk.
pub(crate) struct Results {
    pub(crate) layout: Layout,
    pub(crate) snapshot: Snapshot,
    pub(crate) spec: ExperimentSpec,
}

impl Results {
    /// Reads the metrics and the experiment in a results folder.
    ///
    /// # Errors
    /// Says what is missing or damaged.
    pub(crate) fn read(root: &Path) -> Result<Self, CliError> {
        let layout = Layout::new(root);
        let snapshot = Snapshot::read(root)?;
        let damaged =
            |error: SpecError| CliError::failure(format!("failed to read the experiment of the results: {error}"));
        let spec = ExperimentSpec::load_kept(&layout.experiment_file()).map_err(damaged)?;
        Ok(Self { layout, snapshot, spec })
    }

    /// Returns how far the sweep has come; nothing when it is complete.
    fn state(&self) -> String {
        let runs = &self.snapshot.runs;
        let evaluated = runs.iter().filter(|run| run.state == RunState::Evaluated).count();
        if evaluated == runs.len() {
            return String::new();
        }
        // Some may have ended before their time.
        let epochs = runs.iter().map(|run| run.epochs_done).max().unwrap_or(0);
        let how = if self.snapshot.source == Source::Live { "a sweep is running" } else { "the sweep is not complete" };
        let all = runs.first().map_or(0, |run| run.epochs);
        format!("{how}: {epochs} of {all} epochs, {evaluated} of {} evaluated\n", count(runs.len() as u64, "adapter"))
    }

    /// Returns where images and plots are, as far as they are there.
    fn files(&self) -> String {
        let files = [
            ("images", self.layout.pictures_file(1)),
            ("plots", self.layout.plots_dir()),
            ("adapters", self.layout.runs_dir()),
        ];
        let there = files.into_iter().filter(|(_, path)| path.exists());
        there.map(|(label, path)| format!("{label:<10}{}\n", path.display())).collect::<Vec<_>>().concat()
    }
}

/// Returns the front as text: the user's notes, table, hypervolume, findings, files.
///
/// # Errors
/// Names notes that cannot be read.
pub(crate) fn describe(report: &FrontReport, results: &Results) -> Result<String, CliError> {
    let legend = "\n● on the front beyond noise   ○ off it   ? noise leaves it open, and how sure it is to be on the front\n\
         ↑ ↓ above or below the base: the 95 % interval of the paired difference excludes 0\n";
    let mut parts = vec![
        note::head(&results.layout)?,
        table(report, &report.rewards, &results.spec.reward_labels(), |point| &point.rewards),
        prose(legend),
    ];
    parts.extend(report.few_prompts().map(|text| warning(&text)));
    parts.push("\n".into());
    if let Some(volumes) = &report.hypervolumes {
        let volume = |name: &str, volume: Option<Interval>| Some(format!("{name} {}", interval(volume?)));
        let volumes = [
            volume("hypervolume", Some(volumes.all)),
            volume("base alone", volumes.base),
            volume("centre alone", volumes.centre),
        ];
        parts.push(volumes.into_iter().flatten().collect::<Vec<_>>().join(", ") + "\n");
        let ends =
            |reward: &RewardScale| format!("{} {:.3} to {:.3}", reward.name, reward.scale.reference, reward.scale.best);
        let ends = report.scales.rewards.iter().map(ends).collect::<Vec<_>>().join(", ");
        parts.push(prose(&format!("{}: {ends}\n", report.scales.definition())));
    }
    if let Some(soups) = &report.soups {
        parts.push(prose(&soups.verdict(&report.rewards)));
    }
    parts.push(prose(&chosen(&results.spec)));
    for point in &report.points {
        let findings = point.suspected_hacking.iter().map(|finding| format!("{}: {finding}", point.id));
        parts.extend(findings.filter(|text| !was_seen(text)).map(|text| warning(&text)));
    }
    parts.extend([results.state(), results.files()]);
    Ok(parts.concat())
}

/// Returns whether a warning stands on the same terminal already: the sweep that has just ended gave it.
fn was_seen(text: &str) -> bool {
    !is_new(text) && stdout().is_terminal() && stderr().is_terminal()
}

/// Returns a warning as a line of standard output.
fn warning(text: &str) -> String {
    paint::label(&prose(&format!("warning: {text}\n")), paint::on_output())
}

/// Returns what was chosen to be trained, what was expected of it, and what came.
fn chosen(spec: &ExperimentSpec) -> String {
    let Some(next) = spec.next() else { return String::new() };
    let names = spec.reward_names();
    let after = next.chosen.iter().skip(1).map(|later| later.expected).chain(next.ended);
    let after = after.map(Some).chain(std::iter::repeat(None));
    let line = |(chosen, after): (&ChosenWeighting, Option<Expectation>)| {
        let ChosenWeighting { shares, expected } = chosen;
        let shares: Vec<String> = names
            .iter()
            .filter_map(|name| {
                shares.get(name).filter(|share| **share > 0.0).map(|share| format!("{name} {:.0} %", 100.0 * share))
            })
            .collect();
        let came =
            after.map_or(String::new(), |after| format!(", came {:+.3}", after.hypervolume - expected.hypervolume));
        format!(
            "chosen: {}: expected {:+.3} of hypervolume{came} (noise {:.3})\n",
            shares.join(", "),
            expected.gain,
            expected.noise
        )
    };
    let lines = next.chosen.iter().zip(after).map(line);
    let end = next.ended.map(|Expectation { gain, noise, .. }| {
        let why = if gain > noise {
            "the next one would exceed the budget"
        } else {
            "the next one is not worth it beyond noise"
        };
        format!("chosen: no further one, as {why}: {gain:+.3} expected, noise {noise:.3}\n")
    });
    lines.chain(end).collect::<Vec<_>>().concat()
}

/// Returns a line for each point with its scores by `names` under the headings `labels`; on a narrow terminal without intervals.
fn table(
    report: &FrontReport,
    names: &[String],
    labels: &[String],
    scores: impl Fn(&FrontPoint) -> &Vec<Score>,
) -> String {
    // Of so few prompts nothing is claimed, whatever a range would allow.
    let is_claimed = report.prompts >= FEWEST_CLAIMED;
    let arrow = |score: &Score| if is_claimed { direction(score) } else { " " };
    let with = |cell: &dyn Fn(&Score) -> String| {
        let mut table = Table::new(["front", "point"].into_iter().map(String::from).chain(labels.iter().cloned()));
        for point in &report.points {
            let name = match point.kind {
                PointKind::Base => format!("{} (before training)", point.id),
                PointKind::Trained | PointKind::Soup | PointKind::Blend => point.id.to_string(),
            };
            let scores = scores(point);
            let cells = names
                .iter()
                .map(|name| scores.iter().find(|score| score.name == *name).map_or("–".into(), |score| cell(score)));
            table.row([place(point.placing), name].into_iter().chain(cells));
        }
        table.render_with_left(2)
    };
    let full = with(&|score| format!("{} {}", interval(score.mean), arrow(score)));
    let widest = full.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let text = if terminal_width().is_some_and(|width| width < widest) {
        with(&|score| format!("{:.3} {}", score.mean.mean, arrow(score)))
    } else {
        full
    };
    // Points that are not shown to be on the front step back.
    paint::table(&text, |line| !line.trim_start().starts_with('●'))
}

/// Returns whether a score is above or below the base's, as an arrow.
fn direction(score: &Score) -> &'static str {
    match score.difference {
        Some(difference) if difference.lo > 0.0 => "↑",
        Some(difference) if difference.hi < 0.0 => "↓",
        _ => " ",
    }
}

/// Returns a point's place with how sure it is.
fn place(placing: Placing) -> String {
    let mark = match placing.standing() {
        Standing::On => "●",
        Standing::Unclear => "?",
        Standing::Off => "○",
    };
    format!("{mark} {}", percent(placing.sure()))
}

/// Returns a confidence in percent, never 100: no number of prompts makes sure.
fn percent(confidence: f64) -> String {
    let percent = (100.0 * confidence).floor();
    if percent >= 99.0 { "99 %".into() } else { format!("{percent:.0} %") }
}

/// Returns an estimate with half the width of its interval, where that is known.
fn interval(interval: Interval) -> String {
    match interval.half_width() {
        Some(half) => format!("{:.3} ± {half:.3}", interval.mean),
        None => format!("{:.3}", interval.mean),
    }
}
