//! `moa front`: the Pareto front of results, as a table or for programs.

pub(crate) mod attacked;
mod between;
mod describe;
pub(crate) mod phases;
mod several;
mod table;
mod tasks;

use std::path::{Path, PathBuf};

use moa_analysis::attack::{AttackLog, AttackReport};
use moa_analysis::{FrontReport, Scales, bootstrap, trade_off};
use moa_core::RunState;
use moa_core::experiment::{ExperimentSpec, SpecError};
use moa_core::judge::COMPOSITION;
use moa_store::{Layout, Snapshot, Source};

pub(crate) use describe::describe;
pub(crate) use table::Cells;

use crate::commands::merge::{constraints, written_wrongly};
use crate::error::CliError;
use crate::output::{print, prose};
use crate::results;
use crate::text::count;

/// Prints the Pareto front of results: what each point gains over the base, with 95 % intervals, and which are worth choosing.
///
/// Shows base, adapters, soups and blends, which of them are on the front beyond noise, and how sure that is: against every other
/// point there is a reward in which they are better. Works while a sweep runs, too.
///
/// With --where and --maximize it names the best of these points under constraints; `moa merge` with the same options looks for a
/// mixture that is better still. Several experiments are shown over each other, on one scale. Of an experiment in phases it shows what the
/// adapters gain in each phase's rewards after each phase, and what was forgotten.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(after_help = "\
Examples:
  moa front results/pareto
  moa front results/pareto --where \"alignment>=base\" --maximize safety
  moa front results/pareto --where \"safety.attacked>=0.8\" --maximize alignment
  moa front results/pareto --between soup-centre,safety
  moa front results/pareto --levels
  moa front results/pareto --judges
  moa front results/pareto --tasks=gen_eval
  moa front results/pareto results/other
  moa front results/pareto --json | jq '.points[] | select(.on_front) | .id'
  moa front results/pareto --csv > front.csv")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file; several are compared
    #[arg(value_name = "DIR", required = true, num_args = 1..)]
    results: Vec<PathBuf>,

    /// Print everything as JSON
    #[arg(long, conflicts_with_all = ["csv", "judges"])]
    json: bool,

    /// Print the points as CSV, differences to the base included
    #[arg(long, conflicts_with = "judges")]
    csv: bool,

    /// Show what the held-out judges say in place of the rewards: nothing was trained on them
    #[arg(long)]
    judges: bool,

    /// Show the means of a reward or judge (default: the judge `composition`) by what prompts ask for: GenEval's tasks, and the mean over them
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = COMPOSITION, conflicts_with_all = ["json", "csv", "judges"])]
    tasks: Option<String>,

    /// Show means in place of gains over the base
    #[arg(long, conflicts_with_all = ["json", "csv", "tasks"])]
    levels: bool,

    /// Name the best point that keeps a constraint; may be given several times
    #[arg(long = "where", value_name = "NAME>=[base+]VALUE", id = "conditions", conflicts_with_all = ["json", "csv", "judges", "levels", "tasks"])]
    conditions: Vec<String>,

    /// Show what one point has more than another in each reward, paired over prompts and noise
    #[arg(long, value_name = "POINT,POINT", value_delimiter = ',', conflicts_with_all = ["json", "csv", "judges", "levels", "tasks", "conditions", "maximize"])]
    between: Vec<String>,

    /// Name the point with the most of a reward
    #[arg(long, value_name = "REWARD", conflicts_with_all = ["json", "csv", "judges", "levels", "tasks"])]
    maximize: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let folders = results::find_any(&arguments.results)?;
    let [folder] = &folders[..] else { return several::run(arguments, &folders) };
    if results::has_phases(folder) {
        return phases::run(arguments, folder);
    }
    let results = Results::read(folder)?;
    if !arguments.between.is_empty() {
        return print(between::describe(&results, &arguments.between)?);
    }
    if let Some(name) = &arguments.tasks {
        return print(tasks::describe(&results, name)?);
    }
    let report = results.report()?;
    if !arguments.conditions.is_empty() || arguments.maximize.is_some() {
        return best(arguments, &results, &report);
    }
    let cells = if arguments.levels { Cells::Levels } else { Cells::Gains };
    print(if arguments.json {
        report.to_json()
    } else if arguments.csv {
        report.front_csv()
    } else if report.points.is_empty() {
        format!("nothing is evaluated yet\n{}", results.state())
    } else if arguments.judges {
        table::scores_table(&report, cells, &report.judges, &report.judges, |point| &point.judges)
            + &prose(&describe::legend(cells))
    } else {
        describe(&report, &results, cells)?
    })
}

/// Names the best point under constraints.
///
/// # Errors
/// Says what is wrong with the constraints, and fails where no point keeps them.
fn best(arguments: &Arguments, results: &Results, report: &FrontReport) -> Result<(), CliError> {
    let constraints = constraints(&arguments.conditions, &report.rewards)?;
    let goal = arguments.maximize.as_ref().map(|name| trade_off::reward(name, &report.rewards)).transpose();
    let goal = goal.map_err(|error| written_wrongly("--maximize", &error))?;
    if report.points.is_empty() {
        return Err(CliError::failure("nothing is evaluated yet"));
    }
    if let Some(least) = constraints.attacked {
        return print(attacked::best(results, report, &constraints.rewards, least, goal)?);
    }
    let found = report.best_within(&results.snapshot, &results.spec, &constraints.rewards, goal)?;
    let looking = "`moa merge` with the same options looks for a mixture that is better";
    let Some(found) = found else {
        let wanted: Vec<String> =
            constraints.rewards.iter().map(|one| trade_off::written(one, &report.rewards)).collect();
        return Err(
            CliError::failure(format!("no point keeps {} even by its means", wanted.join(" and "))).hint(looking)
        );
    };
    print(prose(&format!("{}: {}\n{looking}\n", found.point, found.sentence)))
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
        results::check_no_phases(root)?;
        let layout = Layout::new(root);
        let snapshot = Snapshot::read(root)?;
        let damaged =
            |error: SpecError| CliError::failure(format!("failed to read the experiment of the results: {error}"));
        let spec = ExperimentSpec::load_kept(&layout.experiment_file()).map_err(damaged)?;
        Ok(Self { layout, snapshot, spec })
    }

    /// Returns what the evaluations add up to, and what attacks found out.
    ///
    /// # Errors
    /// Says which evaluations do not fit each other, and what is wrong with a stored scale or a file of attacks.
    pub(crate) fn report(&self) -> Result<FrontReport, CliError> {
        let scales = Scales::read(&self.layout, &self.spec, &self.snapshot.evaluations)?;
        let mut report = FrontReport::of(&self.snapshot, &self.spec, scales)?;
        let logs = AttackLog::read_all(self.layout.root())?;
        if !logs.is_empty() {
            report.attacks = Some(AttackReport::of(&logs, &bootstrap(&self.spec))?);
        }
        Ok(report)
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
