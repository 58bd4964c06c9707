//! The front in words: the table, what it is worth choosing, findings, files.

use std::io::{IsTerminal, stderr, stdout};

use moa_analysis::{FrontReport, RewardScale};
use moa_core::experiment::{ChosenWeighting, Expectation, ExperimentSpec};
use moa_pareto::Interval;

use super::table::{Cells, interval, scores_table};
use super::{Results, attacked};
use crate::commands::note;
use crate::error::CliError;
use crate::notes::is_new;
use crate::output::prose;
use crate::paint::{self, Look};

/// How many recommendations are shown, at most: more is not decided on.
const MOST_ADVICE: usize = 10;

/// Returns the front as text: the user's notes, table, what is worth choosing, hypervolume, findings, files.
///
/// # Errors
/// Names notes that cannot be read.
pub(crate) fn describe(report: &FrontReport, results: &Results, cells: Cells) -> Result<String, CliError> {
    let mut parts = vec![
        note::head(&results.layout)?,
        scores_table(report, cells, &report.rewards, &results.spec.reward_labels(), |point| &point.rewards),
        prose(&legend(cells)),
        attacked::legend(report),
    ];
    parts.extend(report.few_prompts().map(|text| warning(&text)));
    parts.push(advice(report));
    parts.push(groups(report));
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
    let beside = report.scale_findings.iter().map(ToString::to_string);
    parts.extend(beside.filter(|text| !was_seen(text)).map(|text| warning(&text)));
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

/// Returns what the signs of the table mean.
pub(super) fn legend(cells: Cells) -> String {
    let what = match cells {
        Cells::Gains => "gains over the base ± half the 95 % interval of the paired difference, and levels beside them",
        Cells::Levels => "means ± half the 95 % interval",
    };
    format!(
        "\n{what}\n● on the front beyond noise   ○ off it   ? open, because of the noise; the percentage is how sure it is to be on the front\n\
         ↑ ↓ above or below the base: the 95 % interval of the paired difference excludes 0\n"
    )
}

/// Returns which points are worth choosing, and why.
fn advice(report: &FrontReport) -> String {
    if report.advice.is_empty() {
        return String::new();
    }
    let lines = report.advice.iter().take(MOST_ADVICE).map(|one| prose(&format!("{}  {}\n", one.point, one.sentence)));
    let lines: String = lines.collect();
    format!("\n{}\n{lines}", paint::paint("worth choosing", Look::Bold, paint::on_output()))
}

/// Returns which points are not distinguishable.
fn groups(report: &FrontReport) -> String {
    let group = |group: &Vec<usize>| {
        let names: Vec<&str> = group.iter().map(|place| report.points[*place].id.as_str()).collect();
        prose(&format!("not distinguishable in any reward: {}\n", names.join(", ")))
    };
    report.groups.iter().map(group).collect()
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
            after.map_or(String::new(), |after| format!(", measured {:+.3}", after.hypervolume - expected.hypervolume));
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
            "the next one adds nothing beyond noise"
        };
        format!("chosen: no further one, as {why}: {gain:+.3} expected, noise {noise:.3}\n")
    });
    lines.chain(end).collect::<Vec<_>>().concat()
}
