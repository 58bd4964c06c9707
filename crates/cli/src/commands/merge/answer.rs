//! What a merge says and draws.

use std::path::Path;

use moa_core::EvaluationRecord;
use moa_pareto::{Bound, Constraint, Interval, Measured};
use moa_plot::{GridRow, draw_picture_grid};
use moa_runner::{SoupBench, Tasting};

use crate::error::CliError;
use crate::pictures::rgb;
use crate::text::Table;

/// Prompts in the grid.
const PROMPTS: usize = 8;
/// How large a picture's pixels are drawn.
const SCALE: u32 = 3;

/// Returns what was found, in a sentence.
pub(super) fn verdict(
    bench: &SoupBench<'_>,
    met: bool,
    exhausted: bool,
    point: &Measured,
    constraints: &[Constraint],
) -> String {
    let name = bench.name(&point.shares);
    let budget = if exhausted { " (the budget ended before the search did: --budget allows more)" } else { "" };
    if met {
        let what = if constraints.is_empty() { "nearest to what is wanted" } else { "keeps every constraint" };
        return format!("{name} {what}{budget}\n");
    }
    format!("infeasible: no measured mixture keeps every constraint; the nearest is {name}{budget}\n")
}

/// Returns the shares as a line.
pub(super) fn shares(bench: &SoupBench<'_>, shares: &[f64]) -> String {
    let parts = bench.ingredients().zip(shares).map(|(id, share)| format!("{id} {share:.3}"));
    format!("shares    {}\n", parts.collect::<Vec<_>>().join("  "))
}

/// Returns the rewards with intervals, the difference to the base, and whether constraints are kept.
pub(super) fn scores(
    bench: &SoupBench<'_>,
    record: &EvaluationRecord,
    constraints: &[Constraint],
) -> Result<String, CliError> {
    let mut heading = vec!["reward", "mean", "95 % interval", "against the base"];
    if !constraints.is_empty() {
        heading.push("wanted");
    }
    let mut table = Table::new(heading);
    for (objective, score) in bench.scores(record)?.into_iter().enumerate() {
        let Interval { mean, lo, hi } = score.mean;
        let difference =
            score.difference.map_or("–".into(), |d| format!("{:+.3} ({:+.3} to {:+.3})", d.mean, d.lo, d.hi));
        let wanted =
            constraints.iter().filter(|constraint| constraint.objective == objective).map(
                |constraint| match constraint.bound {
                    Bound::AtLeast(value) => format!("≥ {value} {}", mark(lo >= value)),
                    Bound::AtMost(value) => format!("≤ {value} {}", mark(hi <= value)),
                },
            );
        let wanted = wanted.collect::<Vec<_>>().join(", ");
        table.row([score.name, format!("{mean:.3}"), format!("{lo:.3} to {hi:.3}"), difference, wanted]);
    }
    Ok(table.render())
}

/// Returns the rewards on fresh prompts beside what was claimed.
pub(super) fn fresh_scores(
    bench: &SoupBench<'_>,
    claimed: &EvaluationRecord,
    fresh: &EvaluationRecord,
) -> Result<String, CliError> {
    let mut table = Table::new(["reward", "mean", "95 % interval", "claimed", "at or above the claimed bound"]);
    for (claimed, fresh) in bench.scores(claimed)?.iter().zip(bench.scores(fresh)?) {
        let Interval { mean, lo, hi } = fresh.mean;
        let bound = format!("{:.3} to {:.3}", claimed.mean.lo, claimed.mean.hi);
        let holds = mark(mean >= claimed.mean.lo).to_owned();
        table.row([fresh.name, format!("{mean:.3}"), format!("{lo:.3} to {hi:.3}"), bound, holds]);
    }
    Ok(table.render())
}

fn mark(kept: bool) -> &'static str {
    if kept { "✓" } else { "✗" }
}

/// Returns where the files are.
pub(super) fn files(folder: &Path) -> String {
    format!("adapter   {}\n", folder.display())
}

/// Draws the first pictures of the merge.
pub(super) fn draw(folder: &Path, prompts: &[String], tasting: &Tasting) -> Result<(), CliError> {
    let group = tasting.pictures.group();
    let shown: Vec<String> = prompts.iter().take(PROMPTS).cloned().collect();
    let pictures = rgb(&tasting.pictures);
    let row = |index: usize| GridRow {
        label: format!("picture {}", index + 1),
        pictures: (0..shown.len()).filter_map(|prompt| pictures.get(prompt * group + index).cloned()).collect(),
    };
    let rows: Vec<GridRow> = (0..group.min(4)).map(row).collect();
    draw_picture_grid(&folder.join("pictures.png"), &rows, &shown, SCALE)
        .map_err(|error| CliError::failure(format!("failed to write pictures: {error}")))
}
