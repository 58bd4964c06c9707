//! The figures of attacks as tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use moa_analysis::attack::{AttackReport, Rate, SafeReport, VictimReport};
use moa_analysis::explanation::Figure;

use super::named;
use crate::escape::html;
use crate::table::{opened, table};

/// Length of a bar.
const BAR: f64 = 100.0;
/// Columns of gains on safe prompts, at most.
const MOST_GAINS: usize = 8;

/// Returns the success of each attack on each model.
pub(super) fn rates(report: &AttackReport) -> String {
    let attacks = report.attacks();
    if attacks.is_empty() {
        return String::new();
    }
    let head = |attack: &&str| {
        let rate = report.victims.iter().find_map(|victim| victim.rate(attack));
        let how =
            rate.map_or(String::new(), |rate| format!("<small>{}, {} passes</small>", html(&rate.access), rate.budget));
        format!("{}{how}", html(attack))
    };
    let heads: Vec<String> = ["model".to_owned()].into_iter().chain(attacks.iter().map(head)).collect();
    let row = |victim: &VictimReport| {
        let cell = |attack: &&str| victim.rate(attack).map_or_else(|| "–".into(), success);
        [named(&victim.name, &victim.kind)].into_iter().chain(attacks.iter().map(cell)).collect()
    };
    let rows: Vec<Vec<String>> = attacked(report).map(row).collect();
    format!("<h3>Success by attack</h3><div class=\"rates\">{}</div>", table(&heads, &rows))
}

/// Returns the success by concept, of the strongest attack on each model.
pub(super) fn concepts(report: &AttackReport) -> String {
    let strongest = attacked(report).filter_map(VictimReport::strongest);
    let concepts: BTreeSet<&String> = strongest.flat_map(|rate| rate.concepts.keys()).collect();
    if concepts.len() < 2 {
        return String::new();
    }
    let heads = ["model", "attack"].into_iter().map(str::to_owned).chain(concepts.iter().map(|concept| html(concept)));
    let row = |victim: &VictimReport| {
        let rate = victim.strongest()?;
        let cell = |concept: &&String| {
            let found = rate.concepts.get(*concept);
            found.map_or_else(
                || "–".into(),
                |(share, goals)| format!("{:.0} % <small class=\"dim\">of {goals}</small>", 100.0 * share),
            )
        };
        let first = [named(&victim.name, &victim.kind), html(&rate.attack)];
        Some(first.into_iter().chain(concepts.iter().map(cell)).collect())
    };
    let rows: Vec<Vec<String>> = attacked(report).filter_map(row).collect();
    opened(
        "Success by concept, of the attack that succeeds most often; and how many goals",
        &table(&heads.collect::<Vec<_>>(), &rows),
    )
}

/// Returns the prompts that the strongest attack on each model has found.
pub(super) fn prompts(report: &AttackReport) -> String {
    let mut rows = Vec::new();
    for victim in attacked(report) {
        let Some(rate) = victim.strongest() else { continue };
        for (prompt, goal, success) in &rate.prompts {
            let wanted = if prompt == goal { "as it is".to_owned() } else { format!("<q>{}</q>", html(goal)) };
            rows.push(vec![
                named(&victim.name, &victim.kind),
                html(&rate.attack),
                format!("<q>{}</q>", html(prompt)),
                wanted,
                format!("{:.0} %", 100.0 * success),
            ]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let heads = ["model", "attack", "prompt that was found", "goal", "success"].map(str::to_owned);
    opened("Prompts that were found", &format!("<div class=\"found\">{}</div>", table(&heads, &rows)))
}

/// Returns what the models make of safe prompts.
pub(super) fn safe(report: &AttackReport) -> String {
    let with = || report.victims.iter().filter_map(|victim| Some((victim, victim.safe.as_ref()?)));
    let Some((_, first)) = with().next() else { return String::new() };
    let gains: BTreeSet<&String> = with().flat_map(|(_, safe)| safe.gains.keys()).collect();
    let gains: Vec<&String> = gains.into_iter().take(MOST_GAINS).collect();
    let heads = ["model", "withheld", "unsafe"].into_iter().map(str::to_owned);
    let heads: Vec<String> = heads.chain(gains.iter().map(|name| html(name))).collect();
    let row = |(victim, safe): (&VictimReport, &SafeReport)| {
        let gain = |name: &&String| match safe.gains.get(*name) {
            _ if victim.name == "base" => "0".to_owned(),
            Some(gain) => gain_cell(gain),
            None => "–".into(),
        };
        let first = [named(&victim.name, &victim.kind), share(&safe.withheld), share(&safe.harm)];
        first.into_iter().chain(gains.iter().map(gain)).collect()
    };
    let rows: Vec<Vec<String>> = with().map(row).collect();
    let what = if gains.is_empty() {
        ""
    } else {
        "; columns of rewards and judges are gains over the base on the same prompts and noise"
    };
    format!(
        "<h3>Safe prompts</h3><p class=\"dim\">Safety that draws nothing is none: what the models make of {} prompts that name nothing unsafe{what}.</p>{}",
        first.prompts,
        table(&heads, &rows)
    )
}

fn attacked(report: &AttackReport) -> impl Iterator<Item = &VictimReport> {
    report.victims.iter().filter(|victim| !victim.attacks.is_empty())
}

fn success(rate: &Rate) -> String {
    format!("{}{} <small class=\"dim\">{} goals</small>", bar(&rate.success), share(&rate.success), rate.goals)
}

/// Returns a share as a bar with its interval as a line.
fn bar(figure: &Figure) -> String {
    let at = |share: f64| BAR * share.clamp(0.0, 1.0);
    let mut text = format!(
        "<svg class=\"rate\" viewBox=\"0 0 {BAR} 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"room\" width=\"{BAR}\" \
         height=\"12\"/><rect class=\"share\" width=\"{:.1}\" height=\"12\"/>",
        at(figure.value)
    );
    if let (Some(low), Some(high)) = (figure.low, figure.high) {
        let (low, high) = (at(low), at(high));
        let _ = write!(text, "<path class=\"ends\" d=\"M{low:.1} 6H{high:.1}M{low:.1} 3V9M{high:.1} 3V9\"/>");
    }
    text + "</svg>"
}

fn share(figure: &Figure) -> String {
    let percent = |share: f64| format!("{:.0}", 100.0 * share.clamp(0.0, 1.0));
    let ends = figure.low.zip(figure.high);
    let ends = ends.map_or(String::new(), |(low, high)| {
        format!(" <span class=\"dim\">({}–{})</span>", percent(low), percent(high))
    });
    format!("{} %{ends}", percent(figure.value))
}

fn gain_cell(gain: &Figure) -> String {
    let class = if gain.is_above(0.0) {
        "up"
    } else if gain.is_below(0.0) {
        "down"
    } else {
        "dim"
    };
    let ends = gain
        .low
        .zip(gain.high)
        .map_or(String::new(), |(low, high)| format!(" <span class=\"dim\">({low:+.3} to {high:+.3})</span>"));
    format!("<span class=\"{class}\">{:+.3}</span>{ends}", gain.value)
}
