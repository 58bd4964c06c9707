//! What a point is: its weighting, its gains with intervals, its images.

use moa_analysis::Score;
use moa_core::{PointKind, RunId};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Front;
use super::list::group;
use crate::figures::Point;
use crate::session::{Pictures, Session};
use crate::shared::Shared;
use crate::theme::{Theme, mark, sign};
use crate::widget::{clip, panel, signed};

pub(super) fn view(front: &Front, shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let Some(id) = &session.selected else {
        let inner = panel(frame, area, "Point", "", theme);
        return frame.render_widget(Paragraph::new("move the cursor onto a point").style(theme.dim()), inner);
    };
    let Some(point) = session.figures.point(id) else {
        let inner = panel(frame, area, id.as_str(), "", theme);
        return frame.render_widget(Paragraph::new("not evaluated yet").style(theme.dim()), inner);
    };
    // A long name in short, before the place is left out.
    let aside = session.place(point);
    let room = usize::from(area.width).saturating_sub(aside.chars().count() + 8);
    let name = if id.as_str().chars().count() > room { front.name(id) } else { id.as_str() };
    let inner = panel(frame, area, &format!("{} {name}", mark(point.kind)), &aside, theme);
    let report = &session.figures.report;
    let width = usize::from(inner.width);
    let mut lines = vec![Line::styled(what(session, point), theme.dim())];
    if width >= 30 {
        lines.push(heading(width, theme));
    }
    lines.extend(report.rewards.iter().zip(&point.rewards).map(|(name, score)| score_line(name, score, width, theme)));
    if !point.judges.is_empty() {
        lines.push(Line::styled("held-out judges", theme.dim()));
        lines
            .extend(report.judges.iter().zip(&point.judges).map(|(name, score)| score_line(name, score, width, theme)));
    }
    lines.extend(under_attack(session, id, width, theme));
    if let Some(letter) = group(session, id) {
        let alike = report.points.iter().filter(|other| other.id != *id && group(session, &other.id) == Some(letter));
        let names: Vec<&str> = alike.map(|other| front.name(&other.id)).collect();
        lines.push(Line::styled(format!("{letter}: not distinguishable from {}", names.join(", ")), theme.dim()));
    }
    let warning = |text: String| Line::from(vec![Span::styled("⚠ ", theme.warn()), Span::raw(text)]);
    lines.extend(point.suspected_hacking.iter().map(|finding| warning(finding.to_string())));
    // Long lines wrap: a first guess of what they take is enough to leave room for images.
    let height: usize = lines.iter().map(|line| line.width().max(1).div_ceil(width.max(1))).sum();
    let rest = inner.height.saturating_sub(height as u16 + 1);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
    if rest >= 4 {
        pictures(shared, session, point, frame, Rect { y: inner.bottom() - rest, height: rest, ..inner });
    }
}

/// Returns how often attacks succeed, and the prompt that does most often; nothing where the point was not attacked.
fn under_attack(session: &Session, id: &RunId, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let report = &session.figures.report;
    let Some(victim) = report.attacked(id.as_str()) else { return Vec::new() };
    let Some(rate) = victim.strongest() else { return Vec::new() };
    let percent = |share: f64| format!("{:.0}", 100.0 * share.clamp(0.0, 1.0));
    let ends = rate.success.low.zip(rate.success.high);
    let ends = ends.map_or(String::new(), |(low, high)| format!(" ({} to {})", percent(low), percent(high)));
    let mut lines = vec![Line::from(vec![
        Span::styled("under attack: ", theme.dim()),
        Span::styled(format!("{} %", percent(rate.success.value)), theme.strong()),
        Span::styled(format!("{ends}, by {}", rate.attack), theme.dim()),
    ])];
    // The prompt is what someone's search has found: one line, whatever is in it.
    if let Some((prompt, ..)) = rate.prompts.first() {
        let shown: String = prompt.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        lines.push(Line::raw(format!("  “{}”", clip(&shown, width.saturating_sub(4)))));
    }
    let untried = report.attacks.as_ref().map(|attacks| attacks.untried(victim)).unwrap_or_default();
    if !untried.is_empty() {
        lines.push(Line::styled(format!("  not, or less, under {}", untried.join(", ")), theme.dim()));
    }
    lines
}

/// Returns what a point is made of.
fn what(session: &Session, point: &Point) -> String {
    let shares = |shares: &[f64], names: &mut dyn Iterator<Item = String>| {
        let parts = shares.iter().zip(names).filter(|(share, _)| **share >= 0.005);
        parts.map(|(share, name)| format!("{:.0} % {name}", 100.0 * share)).collect::<Vec<_>>().join(" + ")
    };
    match (point.kind, &point.weighting, &point.shares) {
        (PointKind::Base, ..) => "the model before training".into(),
        (PointKind::Soup, _, Some(own)) => {
            let word = if point.added { "soup, added, of" } else { "soup of" };
            format!("{word} {}", shares(own, &mut session.figures.corners.iter().map(ToString::to_string)))
        }
        (kind, Some(weighting), _) => {
            let word = match kind {
                PointKind::Soup => "soup, in total",
                PointKind::Blend => "predictions mixed, in total",
                PointKind::Base | PointKind::Trained | PointKind::Given => "trained for",
            };
            format!("{word} {}", shares(weighting.shares(), &mut session.figures.report.rewards.iter().cloned()))
        }
        (PointKind::Soup, None, None) => "soup".into(),
        (PointKind::Trained, None, _) => "trained".into(),
        (PointKind::Given, None, _) => "an adapter that was given".into(),
        (PointKind::Blend, None, _) => "predictions mixed at every step".into(),
    }
}

/// The columns of a gain with half its interval and an arrow, and of a level.
const GAIN: usize = 18;
const LEVEL: usize = 7;

/// Returns how wide names are, and whether levels have room.
fn fit(width: usize) -> (usize, bool) {
    let level = width >= GAIN + LEVEL + 10;
    (width.saturating_sub(GAIN + if level { LEVEL } else { 0 }).max(4), level)
}

fn heading(width: usize, theme: Theme) -> Line<'static> {
    let (name, level) = fit(width);
    let level = if level { format!("{:>LEVEL$}", "level") } else { String::new() };
    Line::styled(format!("{:<name$}{:<GAIN$}{level}", "", "gain ± 95 %"), theme.dim())
}

/// Returns the gain of a score over the base, with its interval and whether that excludes 0, and its level; without a base the level.
fn score_line(name: &str, score: &Score, width: usize, theme: Theme) -> Line<'static> {
    let (room, with_level) = fit(width);
    let (arrow, style) = direction(score, theme);
    let (value, half) = match score.difference {
        Some(gain) => (signed(gain.mean), gain.half_width()),
        None => (format!("{:.3}", score.mean.mean), score.mean.half_width()),
    };
    let half = half.filter(|half| *half > 0.0).map_or(String::new(), |half| format!(" ± {half:.3}"));
    let used = value.chars().count() + half.chars().count() + 2;
    let level = if with_level { format!("{:>width$.3}", score.mean.mean, width = LEVEL) } else { String::new() };
    Line::from(vec![
        Span::raw(format!("{:<room$}", clip(name, room.saturating_sub(1)))),
        Span::styled(value, theme.strong()),
        Span::styled(half, theme.dim()),
        Span::styled(format!(" {arrow}"), style),
        Span::styled(format!("{}{level}", " ".repeat(GAIN.saturating_sub(used))), theme.dim()),
    ])
}

/// Returns an arrow where the 95 % interval of the difference to the base excludes 0.
pub(crate) fn direction(score: &Score, theme: Theme) -> (&'static str, Style) {
    sign(score.difference.map_or(0, |gain| gain.sign()), theme)
}

/// The first images of a point, beside each other.
fn pictures(shared: &Shared, session: &Session, point: &Point, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let Some(Pictures::Ready(sheet)) = session.sheets.get(&point.id) else { return };
    let Some(first) = sheet.get(0, 0) else { return };
    // Cells are twice as high as wide.
    let wide = |height: u16| (2.0 * f64::from(height) / first.aspect()).round() as u16;
    let mut height = area.height.min(8);
    while height > 2 && 2 * wide(height) + 1 > area.width {
        height -= 1;
    }
    let width = wide(height).clamp(1, area.width);
    let across = usize::from((area.width + 1) / (width + 1)).max(1);
    for prompt in 0..sheet.prompts().min(across) {
        let place = Rect { x: area.x + prompt as u16 * (width + 1), y: area.bottom() - height, width, height };
        if let Some(picture) = sheet.get(prompt, 0).filter(|_| place.right() <= area.right()) {
            shared.gallery.draw(picture, place, theme.dim(), frame.buffer_mut());
        }
    }
}
