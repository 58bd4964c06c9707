//! What a merge says and draws.

use std::path::Path;

use moa_analysis::{End, Found, Promise};
use moa_core::EvaluationRecord;
use moa_pareto::{Bound, Constraint, Interval};
use moa_plot::{GridRow, draw_picture_grid};
use moa_runner::{Joined, SoupBench, Tasting};
use moa_store::Indexed;

use super::search::FreshPrompts;
use crate::error::CliError;
use crate::outgoing::Written;
use crate::paint;
use crate::pictures::scale;
use crate::text::{Table, count};

/// Prompts in the grid.
const PROMPTS: usize = 8;

/// Returns what was found, in a sentence.
///
/// - `attacked`: whether the choice was among mixtures that hold under attack, and nothing was measured
pub(super) fn verdict(bench: &SoupBench<'_>, found: &Found, constraints: &[Constraint], attacked: bool) -> String {
    let name = bench.name(&found.answer.shares);
    let spent = " (the budget was spent before the search ended: --budget allows more)";
    let budget = if found.end == End::Budget && !attacked { spent } else { "" };
    if found.met {
        let what =
            if constraints.is_empty() && !attacked { "comes nearest to the target" } else { "keeps every constraint" };
        return format!("{name} {what}{budget}\n");
    }
    if found.keeps_by_means(constraints) {
        return format!(
            "infeasible: {name} keeps every constraint by its means, but not for sure on other prompts; more prompts in the \
             evaluation would make bounds narrower{budget}\n"
        );
    }
    format!("infeasible: no measured mixture keeps every constraint; the nearest is {name}{budget}\n")
}

/// Returns the shares as a line.
pub(super) fn shares(bench: &SoupBench<'_>, shares: &[f64]) -> String {
    let parts = bench.ingredients().zip(shares).map(|(id, share)| format!("{id} {share:.3}"));
    format!("shares    {}\n", parts.collect::<Vec<_>>().join("  "))
}

/// Returns the rewards and their gains over the base with what is claimed of them, and whether constraints are kept.
///
/// - `meaning`: what the bounds hold for, as a line
pub(super) fn scores(bench: &SoupBench<'_>, promise: &Promise, constraints: &[Constraint], meaning: &str) -> String {
    let mut heading = vec!["reward", "mean", "bounds", "gain", "bounds"];
    if !constraints.is_empty() {
        heading.push("wanted");
    }
    let mut table = Table::new(heading);
    let count = bench.rewards().len();
    let labels = bench.labels();
    for (reward, (label, (mean, gain))) in labels.iter().zip(promise.means.iter().zip(&promise.gains)).enumerate() {
        let of = |objective: usize| constraints.iter().filter(move |constraint| constraint.objective == objective);
        let absolute = of(reward).map(|constraint| wanted(constraint.bound, *mean, ""));
        let relative = of(count + reward).map(|constraint| wanted(constraint.bound, *gain, "base"));
        let wanted = absolute.chain(relative).collect::<Vec<_>>().join(", ");
        table.row([
            label.clone(),
            format!("{:.3}", mean.mean),
            bounds(*mean, |end| format!("{end:.3}")),
            format!("{:+.4}", gain.mean),
            bounds(*gain, |end| format!("{end:+.4}")),
            wanted,
        ]);
    }
    paint::table(&table.render(), |_| false) + meaning
}

fn wanted(bound: Bound, Interval { lo, hi, .. }: Interval, base: &str) -> String {
    let value = |value: f64| if base.is_empty() { format!("{value}") } else { format!("{base}{value:+}") };
    match bound {
        Bound::AtLeast(least) => format!("≥ {} {}", value(least), mark(lo >= least)),
        Bound::AtMost(most) => format!("≤ {} {}", value(most), mark(hi <= most)),
    }
}

/// Returns the rewards and gains on fresh prompts beside what was claimed, and whether all bounds that were given hold.
pub(super) fn verification(
    labels: &[String],
    promise: &Promise,
    fresh: &EvaluationRecord,
    base: &EvaluationRecord,
    on: &FreshPrompts,
) -> String {
    let mut table = Table::new(["reward", "mean", "claimed", "", "gain", "claimed", ""]);
    let (mut held, mut all) = (0, 0);
    let mut claim = |value: f64, Interval { lo, hi, .. }: Interval| {
        if !(lo.is_finite() && hi.is_finite()) {
            return "";
        }
        let holds = (lo..=hi).contains(&value);
        held += usize::from(holds);
        all += 1;
        mark(holds)
    };
    let means = fresh.reward_means().into_iter().zip(base.reward_means());
    for ((label, (mean, of_base)), (claimed, gain)) in
        labels.iter().zip(means).zip(promise.means.iter().zip(&promise.gains))
    {
        let difference = mean - of_base;
        table.row([
            label.clone(),
            format!("{mean:.3}"),
            bounds(*claimed, |end| format!("{end:.3}")),
            claim(mean, *claimed).to_owned(),
            format!("{difference:+.4}"),
            bounds(*gain, |end| format!("{end:+.4}")),
            claim(difference, *gain).to_owned(),
        ]);
    }
    let verdict = match all {
        0 => "there are no bounds to verify".to_owned(),
        _ if held == all => format!("all {all} bounds hold"),
        _ => format!("{} of {all} bounds do not hold", all - held),
    };
    let number = on.texts.len() as u64;
    let on = if on.are_other {
        format!("on {} with other noise", count(number, "other prompt"))
    } else {
        format!(
            "on the {} of the search once more, with other noise: the experiment has no others, so this tries the noise and not \
             the prompts",
            count(number, "prompt")
        )
    };
    format!("\n{on}\n{}{verdict}\n", paint::table(&table.render(), |_| false))
}

/// Returns both ends, or a dash where they are not known.
fn bounds(interval: Interval, end: impl Fn(f64) -> String) -> String {
    if interval.is_bounded() { format!("{} to {}", end(interval.lo), end(interval.hi)) } else { "–".into() }
}

fn mark(kept: bool) -> &'static str {
    if kept { "✓" } else { "✗" }
}

/// Returns where the files are, and what became of what was there.
pub(super) fn files(folder: &Path, written: Written) -> String {
    let what = match written {
        Written::New => "",
        Written::Unchanged => " (unchanged)",
        Written::Replaced => " (in place of another adapter)",
    };
    format!("adapter   {}{what}\n", folder.display())
}

/// Returns whether a measurement is the experiment's now, as a line.
pub(super) fn kept(tasting: &Tasting) -> String {
    let id = &tasting.record.id;
    match &tasting.joined {
        Joined::Added(Indexed::Now) => format!("added     {id}: `moa front` shows it from now on\n"),
        Joined::Added(Indexed::Later) => {
            format!(
                "added     {id}: its log is written, and the index follows when the moa that works on the results opens it next\n"
            )
        }
        Joined::Before => format!("known     {id}: measured before, and not again\n"),
        Joined::Not(reason) => format!("not kept  {reason}\n"),
    }
}

/// Draws the first images of the merge into a file.
pub(super) fn draw(file: &Path, prompts: &[String], tasting: &Tasting) -> Result<(), CliError> {
    let shown = tasting.images.len().min(PROMPTS).min(prompts.len());
    let count = tasting.images.iter().take(shown).map(Vec::len).min().unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    let row = |index: usize| GridRow {
        label: format!("image {}", index + 1),
        pictures: tasting.images.iter().take(shown).map(|images| images[index].clone()).collect(),
    };
    let rows: Vec<GridRow> = (0..count.min(4)).map(row).collect();
    draw_picture_grid(file, &rows, &prompts[..shown], scale(&rows))
        .map_err(|error| CliError::failure(format!("failed to write images: {error}")))
}
