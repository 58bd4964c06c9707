//! The front as a table.

use moa_analysis::attack::AXIS;
use moa_analysis::{FrontPoint, FrontReport, Placing, Score, Standing};
use moa_core::PointKind;
use moa_pareto::{FEWEST_CLAIMED, Interval};

use super::attacked;
use crate::output::terminal_width;
use crate::paint;
use crate::text::Table;

/// What the cells of a table show first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Gains over the base, with the levels beside them where there is room.
    Gains,
    /// Levels.
    Levels,
}

/// Returns a line for each point with its scores by `names` under the headings `labels`; on a narrow terminal in short.
pub(super) fn scores_table(
    report: &FrontReport,
    cells: Cells,
    names: &[String],
    labels: &[String],
    scores: impl Fn(&FrontPoint) -> &Vec<Score>,
) -> String {
    // Of so few prompts nothing is claimed, whatever a range would allow.
    let is_claimed = report.prompts >= FEWEST_CLAIMED;
    let arrow = |score: &Score| if is_claimed { direction(score) } else { " " };
    let is_attacked = report.attacks.as_ref().is_some_and(|attacks| !attacks.attacks().is_empty());
    let with = |bounds: bool, cell: &dyn Fn(&FrontPoint, &Score) -> String| {
        let mut heading = vec!["front".to_owned(), "point".into()];
        heading.extend(labels.iter().cloned());
        heading.extend(is_attacked.then(|| AXIS.to_owned()));
        let mut table = Table::new(heading);
        for point in &report.points {
            let name = match point.kind {
                PointKind::Base => format!("{} (before training)", point.id),
                _ if point.added => format!("{} (added)", point.id),
                PointKind::Given => format!("{} (given)", point.id),
                PointKind::Trained | PointKind::Soup | PointKind::Blend => point.id.to_string(),
            };
            let scores = scores(point);
            let cells = names.iter().map(|name| {
                let score = scores.iter().find(|score| score.name == *name);
                score.map_or("–".into(), |score| cell(point, score))
            });
            let attacked = is_attacked.then(|| attacked::cell(report, point, bounds));
            table.row([place(point.placing), name].into_iter().chain(cells).chain(attacked));
        }
        table.render_with_left(2)
    };
    let level = |score: &Score| format!("{:.3}", score.mean.mean);
    let gain = |point: &FrontPoint, score: &Score, width: bool| match score.difference {
        // The base is what all others are counted from.
        _ if point.kind == PointKind::Base => String::new(),
        None => "–".into(),
        Some(gain) => match gain.half_width().filter(|_| width) {
            Some(half) => format!("{:+.3} ± {half:.3} {}", gain.mean, arrow(score)),
            None => format!("{:+.3} {}", gain.mean, arrow(score)),
        },
    };
    let texts: [&dyn Fn() -> String; 3] = match cells {
        Cells::Gains => [
            &|| with(true, &|point, score| format!("{}  {}", gain(point, score, true), level(score))),
            &|| {
                with(true, &|point, score| {
                    if point.kind == PointKind::Base { level(score) + "  " } else { gain(point, score, true) }
                })
            },
            &|| {
                with(false, &|point, score| {
                    if point.kind == PointKind::Base { level(score) + "  " } else { gain(point, score, false) }
                })
            },
        ],
        Cells::Levels => [
            &|| with(true, &|_, score| format!("{} {}", interval(score.mean), arrow(score))),
            &|| with(false, &|_, score| format!("{} {}", level(score), arrow(score))),
            &|| with(false, &|_, score| level(score)),
        ],
    };
    let fits = |text: &String| {
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        terminal_width().is_none_or(|width| widest <= width)
    };
    let text = texts.iter().map(|text| text()).find(fits).unwrap_or_else(texts[2]);
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
    match percent {
        99.0.. => "99 %".into(),
        ..1.0 => "<1 %".into(),
        _ => format!("{percent:.0} %"),
    }
}

/// Returns an estimate with half the width of its interval, where that is known.
pub(super) fn interval(interval: Interval) -> String {
    match interval.half_width() {
        Some(half) => format!("{:.3} ± {half:.3}", interval.mean),
        None => format!("{:.3}", interval.mean),
    }
}
