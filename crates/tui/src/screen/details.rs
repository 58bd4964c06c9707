//! What a point is: its weighting, its scores with intervals, its images.

use moa_core::PointKind;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::app::App;
use crate::figures::{Point, Score};
use crate::session::{Pictures, Session};
use crate::theme::{Theme, mark};
use crate::widget::{clip, panel};

pub(crate) fn view(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let Some(id) = &session.selected else {
        let inner = panel(frame, area, "Point", "", theme);
        return frame.render_widget(Paragraph::new("move the cursor onto a point").style(theme.dim()), inner);
    };
    let Some(point) = session.figures.point(id) else {
        let inner = panel(frame, area, id.as_str(), "", theme);
        return frame.render_widget(Paragraph::new("not evaluated yet").style(theme.dim()), inner);
    };
    let aside = point.place();
    let inner = panel(frame, area, &format!("{} {id}", mark(point.kind)), &aside, theme);
    let mut lines = vec![Line::styled(what(session, point), theme.dim()), Line::default()];
    let width = usize::from(inner.width);
    lines.extend(
        session.figures.rewards.iter().zip(&point.rewards).map(|(name, score)| score_line(name, score, width, theme)),
    );
    if !point.judges.is_empty() {
        lines.push(Line::styled("judges, which nothing is trained on", theme.dim()));
        lines.extend(
            session.figures.judges.iter().zip(&point.judges).map(|(name, score)| score_line(name, score, width, theme)),
        );
    }
    let warning = |text: &String| Line::from(vec![Span::styled("⚠ ", theme.warn()), Span::raw(text.clone())]);
    lines.extend(point.warnings.iter().map(warning));
    // Long lines wrap: a first guess of what they take is enough to leave room for images.
    let height: usize = lines.iter().map(|line| line.width().max(1).div_ceil(width.max(1))).sum();
    let rest = inner.height.saturating_sub(height as u16 + 1);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
    if rest >= 4 {
        pictures(app, session, point, frame, Rect { y: inner.bottom() - rest, height: rest, ..inner });
    }
}

/// Returns what a point is made of.
pub(crate) fn what(session: &Session, point: &Point) -> String {
    let shares = |shares: &[f64], names: &mut dyn Iterator<Item = String>| {
        let parts = shares.iter().zip(names).filter(|(share, _)| **share >= 0.005);
        parts.map(|(share, name)| format!("{:.0} % {name}", 100.0 * share)).collect::<Vec<_>>().join(" + ")
    };
    match (point.kind, &point.weighting, &point.shares) {
        (PointKind::Base, ..) => "the model before training".into(),
        (PointKind::Soup, _, Some(own)) => {
            format!("soup of {}", shares(own, &mut session.figures.corners.iter().map(ToString::to_string)))
        }
        (kind, Some(weighting), _) => {
            let word = match kind {
                PointKind::Soup => "soup, in all",
                PointKind::Blend => "predictions mixed, in all",
                PointKind::Base | PointKind::Trained => "trained for",
            };
            format!("{word} {}", shares(weighting.shares(), &mut session.figures.rewards.iter().cloned()))
        }
        (PointKind::Soup, None, None) => "soup".into(),
        (PointKind::Trained, None, _) => "trained".into(),
        (PointKind::Blend, None, _) => "predictions mixed at every step".into(),
    }
}

/// Returns a score with its interval and whether it is above or below the base.
pub(crate) fn score_line(name: &str, score: &Score, width: usize, theme: Theme) -> Line<'static> {
    let (arrow, style) = direction(score, theme);
    let value = match score.mean.half_width() {
        Some(half) => format!("{:.3} ± {half:.3} ", score.mean.mean),
        None => format!("{:.3} ", score.mean.mean),
    };
    let change = match score.difference {
        Some(difference) if width >= 40 => format!("{:+.3} ", difference.mean),
        _ => String::new(),
    };
    let room = width.saturating_sub(value.chars().count() + change.chars().count() + 3);
    let name = clip(name, room);
    Line::from(vec![
        Span::raw(format!("{name:<room$} ")),
        Span::styled(value, theme.strong()),
        Span::styled(change, theme.dim()),
        Span::styled(arrow, style),
    ])
}

/// Returns an arrow where the 95 % interval of the difference to the base excludes 0.
pub(crate) fn direction(score: &Score, theme: Theme) -> (&'static str, Style) {
    match score.difference {
        Some(difference) if difference.lo > 0.0 => ("↑", theme.good()),
        Some(difference) if difference.hi < 0.0 => ("↓", theme.bad()),
        _ => (" ", theme.dim()),
    }
}

/// The first images of a point, beside each other.
fn pictures(app: &App, session: &Session, point: &Point, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let Some(Pictures::Ready(sheet)) = session.sheets.get(&point.id) else { return };
    let Some(first) = sheet.get(0, 0) else { return };
    // Letters are twice as high as wide.
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
            app.gallery.draw(picture, place, theme.dim(), frame.buffer_mut());
        }
    }
}
