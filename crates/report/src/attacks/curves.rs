//! Success against the passes that an attack spends.

use std::fmt::Write as _;

use moa_analysis::attack::{AttackReport, VictimReport};

use crate::escape::html;

/// The room of a panel in its own units, and the margins of its labels.
const SIZE: (f64, f64) = (240.0, 150.0);
const LEFT: f64 = 30.0;
const BOTTOM: f64 = 20.0;
const TOP: f64 = 8.0;
const RIGHT: f64 = 16.0;
/// Models with a line, at most: more are not told apart.
const MOST_MODELS: usize = 21;
/// Colours; then dashes tell models apart.
const COLOURS: usize = 7;

/// Returns a panel for each attack with a line for each model, and a key; an empty text where success is known at one level alone.
pub(super) fn all(report: &AttackReport) -> String {
    let models: Vec<&VictimReport> =
        report.victims.iter().filter(|victim| !victim.attacks.is_empty()).take(MOST_MODELS).collect();
    let has_curve = |attack: &&str| {
        models.iter().filter_map(|model| model.rate(attack)).any(|rate| levels(&rate.curve).count() > 1)
    };
    let attacks: Vec<&str> = report.attacks().into_iter().filter(has_curve).collect();
    if attacks.is_empty() {
        return String::new();
    }
    let most = models.iter().flat_map(|model| &model.attacks).flat_map(|rate| &rate.curve).map(|(_, share)| *share);
    // In steps of a fifth, so that the labels are round.
    let most = (most.fold(0.1, f64::max) * 5.0).ceil() / 5.0;
    let mut text = "<h3>Success against passes</h3><p class=\"dim\">Share of images in percent, by passes through the denoiser that the attack may \
                    spend on a goal, on a logarithmic scale.</p><div class=\"curves\">"
        .to_owned();
    for attack in &attacks {
        let _ =
            write!(text, "<figure><figcaption>{}</figcaption>{}</figure>", html(attack), panel(&models, attack, most));
    }
    text += "</div><ul class=\"key\">";
    for (place, model) in models.iter().enumerate() {
        let line = format!(
            "<svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"{}\" stroke-width=\"2\" d=\"M0 4H24\"/></svg>",
            class(place)
        );
        let _ = write!(text, "<li>{line}{}</li>", html(&model.name));
    }
    text + "</ul>"
}

/// Returns the levels that have a place on a logarithmic scale.
fn levels(curve: &[(u64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    curve.iter().filter(|(passes, _)| *passes > 0).map(|(passes, share)| (*passes as f64, *share))
}

fn panel(models: &[&VictimReport], attack: &str, most: f64) -> String {
    let rates = || models.iter().enumerate().filter_map(|(place, model)| Some((place, model.rate(attack)?)));
    let mut ticks: Vec<f64> = rates().flat_map(|(_, rate)| levels(&rate.curve)).map(|(passes, _)| passes).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let (Some(least), Some(last)) = (ticks.first().copied(), ticks.last().copied()) else { return String::new() };
    let span = (last / least).log2().max(1e-9);
    let x = |passes: f64| LEFT + (SIZE.0 - LEFT - RIGHT) * (passes / least).log2() / span;
    let y = |share: f64| SIZE.1 - BOTTOM - (SIZE.1 - BOTTOM - TOP) * share / most;
    let mut text = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"success of {} against passes\">",
        SIZE.0,
        SIZE.1,
        html(attack)
    );
    for step in 0..=2 {
        let share = most * f64::from(step) / 2.0;
        let at = y(share);
        let _ = write!(
            text,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>",
            SIZE.0 - RIGHT,
            LEFT - 5.0,
            at + 3.0,
            100.0 * share
        );
    }
    let mut labelled = f64::NEG_INFINITY;
    for tick in ticks {
        let at = x(tick);
        // Levels of other budgets may stand too close for a label.
        if at - labelled > 28.0 {
            let _ =
                write!(text, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick:.0}</text>", SIZE.1 - 5.0);
            labelled = at;
        }
    }
    for (place, rate) in rates() {
        let points: Vec<String> =
            levels(&rate.curve).map(|(passes, share)| format!("{:.1},{:.1}", x(passes), y(share))).collect();
        let _ = write!(text, "<polyline class=\"{}\" points=\"{}\"/>", class(place), points.join(" "));
    }
    text + "</svg>"
}

/// Returns the classes that tell a model's line apart.
fn class(place: usize) -> String {
    format!("s{} d{}", place % COLOURS, place / COLOURS)
}
