//! The matrix of an experiment in phases: what its adapters gain in each phase's rewards after each phase.

use std::fmt::Write as _;
use std::path::Path;

use moa_analysis::continual::{PhaseColumn, PhaseReport, PhaseRun, PhaseSummary};
use moa_pareto::Interval;
use moa_store::Layout;

use super::Arguments;
use crate::error::CliError;
use crate::output::{print, prose};
use crate::text::Table;

/// What a row says of a column.
type Cell = fn(&PhaseColumn) -> String;

/// Prints the matrix of results in phases.
///
/// # Errors
/// Refuses options that are about one phase, and results that cannot be read.
pub(super) fn run(arguments: &Arguments, folder: &Path) -> Result<(), CliError> {
    let of_one = [
        ("--judges", arguments.judges),
        ("--tasks", arguments.tasks.is_some()),
        ("--levels", arguments.levels),
        ("--between", !arguments.between.is_empty()),
        ("--where", !arguments.conditions.is_empty()),
        ("--maximize", arguments.maximize.is_some()),
    ];
    if let Some((option, _)) = of_one.iter().find(|(_, given)| *given) {
        let message = format!("{option} shows one front, and {} has one in each phase", folder.display());
        return Err(CliError::usage(message).hint(crate::results::name_a_phase(folder)));
    }
    let report = PhaseReport::read(folder)?;
    print(if arguments.json {
        report.to_json()
    } else if arguments.csv {
        report.to_csv()
    } else {
        describe(&report, folder)
    })
}

/// Returns the matrix as text, with what was kept and forgotten.
pub(crate) fn describe(report: &PhaseReport, folder: &Path) -> String {
    let mut text = String::new();
    for run in &report.runs {
        if report.runs.len() > 1 {
            let _ = writeln!(text, "{}:", run.label());
        }
        text += &matrix(report, run);
        text += &run.summary.as_ref().map_or_else(String::new, summary);
        text.push('\n');
    }
    text += &prose(
        "Gains over the base on the held-out prompts of each phase, with half the width of their 95 % intervals. Kept: the share of what a phase \
         gained that is left after the last one; forgotten: the best gain before the last phase less the last.\n",
    );
    let plot = Layout::new(folder).plot_file("phases.png");
    if plot.exists() {
        let _ = writeln!(text, "plot      {}", plot.display());
    }
    text + &format!("phases    {}\n", Layout::new(folder).phases_dir().display())
}

fn matrix(report: &PhaseReport, run: &PhaseRun) -> String {
    let heading = |column: &PhaseColumn| format!("{} in {}", column.reward, report.phases[column.phase]);
    let mut table = Table::new([String::new()].into_iter().chain(run.columns.iter().map(heading)));
    for (after, phase) in report.phases.iter().enumerate() {
        let cell = |column: &PhaseColumn| gain(column.gains.get(after).copied().flatten());
        table.row([format!("after {phase}")].into_iter().chain(run.columns.iter().map(cell)));
    }
    let rows: [(&str, Cell); 2] = [
        ("kept", |column| column.kept.map_or_else(String::new, percent)),
        ("forgotten", |column| column.forgotten.map_or_else(String::new, |forgotten| gain(Some(forgotten)))),
    ];
    for (label, cell) in rows {
        table.row([label.to_owned()].into_iter().chain(run.columns.iter().map(cell)));
    }
    table.render_with_left(1)
}

fn summary(summary: &PhaseSummary) -> String {
    let figure = |name: &str, value: Option<Interval>| value.map(|value| format!("{name} {}", gain(Some(value))));
    let figures = [
        figure("learned", Some(summary.learned)),
        figure("forgotten", summary.forgotten),
        figure("backward transfer", summary.backward),
        figure("forward transfer", summary.forward),
    ];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    let kept = summary.kept.map_or_else(String::new, |[mean, least]| {
        format!("; of earlier gains {} is kept, of the least {}", percent(mean), percent(least))
    });
    prose(&format!("In the base's standard deviations: {}{kept}.\n", figures.join(", ")))
}

fn gain(gain: Option<Interval>) -> String {
    let Some(gain) = gain else { return "–".into() };
    match gain.half_width() {
        Some(half) => format!("{:+.3} ± {half:.3}", gain.mean),
        None => format!("{:+.3}", gain.mean),
    }
}

fn percent(share: Interval) -> String {
    match share.half_width() {
        Some(half) => format!("{:.0} % ± {:.0}", 100.0 * share.mean, 100.0 * half),
        None => format!("{:.0} %", 100.0 * share.mean),
    }
}
