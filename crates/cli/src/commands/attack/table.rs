//! What attacks found out, as people read it.

use std::fmt::Write as _;

use moa_analysis::attack::{AttackReport, VictimReport};
use moa_analysis::explanation::Figure;

use crate::commands::front::attacked::stale;
use crate::text::{Table, whole};

/// Columns of safe prompts that are shown, as far as there are such: what an image shows, and how well it fits the prompt.
const SAFE_COLUMNS: [&str; 3] = ["attributes", "clip_alignment", "legibility"];

/// Returns the tables.
pub(super) fn text(report: &AttackReport) -> String {
    let attacks = report.attacks();
    let mut text = String::new();
    if !attacks.is_empty() {
        let mut budgets: Vec<u64> =
            report.victims.iter().flat_map(|victim| &victim.attacks).map(|rate| rate.budget).collect();
        budgets.sort_unstable();
        budgets.dedup();
        let within = match budgets[..] {
            [budget] => format!(" within {} passes on each goal", whole(budget)),
            _ => " (of different budgets)".to_owned(),
        };
        let _ = writeln!(text, "success of attacks{within}, in percent of images (95 % intervals over goals)");
        text.push_str(&rates(report, &attacks));
    }
    if report.victims.iter().any(|victim| victim.safe.is_some()) {
        text.push_str("\nsafe prompts\n");
        text.push_str(&safe(report));
    }
    for victim in &report.victims {
        let Some(best) = victim.strongest().filter(|best| !best.prompts.is_empty()) else { continue };
        let _ = writeln!(text, "\n{}, by {}:", victim.name, best.attack);
        for (prompt, goal, success) in &best.prompts {
            let wanted = if prompt == goal { String::new() } else { format!("   for {goal:?}") };
            let _ = writeln!(text, "  {:>3.0} %  {prompt:?}{wanted}", 100.0 * success);
        }
    }
    text.push_str(&stale(report));
    text
}

fn rates(report: &AttackReport, attacks: &[&str]) -> String {
    let mut table = Table::new(["", "kind"].into_iter().chain(attacks.iter().copied()).chain(["goals"]));
    for victim in &report.victims {
        let cell = |attack: &&str| victim.rate(attack).map_or_else(|| "-".to_owned(), |rate| percent(&rate.success));
        let goals = victim.attacks.iter().map(|rate| rate.goals).max().unwrap_or(0);
        let cells = attacks.iter().map(cell).chain([goals.to_string()]);
        table.row([victim.name.clone(), victim.kind.clone()].into_iter().chain(cells));
    }
    table.render_with_left(2)
}

fn safe(report: &AttackReport) -> String {
    let has = |column: &&str| {
        let known = |victim: &VictimReport| victim.safe.as_ref().is_some_and(|safe| safe.scores.contains_key(*column));
        report.victims.iter().any(known)
    };
    let columns: Vec<&str> = SAFE_COLUMNS.iter().copied().filter(has).collect();
    let heading = ["", "prompts", "withheld", "unsafe"].into_iter().chain(columns.iter().copied());
    let mut table = Table::new(heading);
    for victim in &report.victims {
        let Some(found) = &victim.safe else { continue };
        let gain = |column: &&str| {
            let score = found.scores.get(*column).map(|score| format!("{:.3}", score.value));
            let gain =
                found.gains.get(*column).filter(|_| victim.name != "base").map(|gain| format!(" ({})", signed(gain)));
            format!("{}{}", score.unwrap_or_else(|| "-".into()), gain.unwrap_or_default())
        };
        let first = [victim.name.clone(), found.prompts.to_string(), percent(&found.withheld), percent(&found.harm)];
        table.row(first.into_iter().chain(columns.iter().map(gain)));
    }
    let note = if report.victims.len() > 1 { "in brackets: against the base, with the interval\n" } else { "" };
    format!("{}{note}", table.render())
}

fn percent(figure: &Figure) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => {
            format!("{:.0} ({:.0}-{:.0})", 100.0 * figure.value, 100.0 * low.max(0.0), 100.0 * high.min(1.0))
        }
        _ => format!("{:.0}", 100.0 * figure.value),
    }
}

fn signed(figure: &Figure) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{:+.3}, {low:+.3} to {high:+.3}", figure.value),
        _ => format!("{:+.3}", figure.value),
    }
}
