//! Points that are worth choosing, each with its sentence.

use moa_core::RunId;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Front;
use crate::session::Session;
use crate::shared::Shared;
use crate::widget::panel;

/// Returns the recommendation that is shown: the one that was stepped to, else the first of the selected point.
fn shown(front: &Front, session: &Session) -> Option<usize> {
    let advice = &session.figures.report.advice;
    let is_of = |place: &usize| advice.get(*place).is_some_and(|one| Some(&one.point) == session.selected.as_ref());
    front.advised.filter(is_of).or_else(|| (0..advice.len()).find(is_of))
}

/// Returns the place of the next recommendation, and its point.
pub(super) fn next(front: &Front, session: &Session) -> Option<(usize, RunId)> {
    let advice = &session.figures.report.advice;
    let place = shown(front, session).map_or(0, |place| (place + 1) % advice.len().max(1));
    Some((place, advice.get(place)?.point.clone()))
}

/// Draws the recommendation of the selected point, or which points are recommended.
pub(super) fn view(front: &Front, shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let report = &session.figures.report;
    let count = report.advice.len();
    let place = shown(front, session);
    let aside = match place {
        Some(place) => format!("{} of {count}, r: the next", place + 1),
        None if count > 0 => format!("{count}, r: the first"),
        None => String::new(),
    };
    let inner = panel(frame, area, "Worth choosing", &aside, theme);
    let mut lines = Vec::new();
    if let Some(few) = report.few_prompts() {
        lines.push(Line::from(vec![Span::styled("⚠ ", theme.warn()), Span::raw(few)]));
    }
    if let Some(one) = place.and_then(|place| report.advice.get(place)) {
        lines.push(Line::from(vec![
            Span::styled("★ ", theme.accent()),
            Span::styled(format!("{}: ", one.point), theme.strong()),
            Span::raw(one.sentence.clone()),
        ]));
    } else if count > 0 {
        let mut names: Vec<&str> = Vec::new();
        for one in &report.advice {
            if !names.contains(&one.point.as_str()) {
                names.push(one.point.as_str());
            }
        }
        lines.push(Line::from(vec![Span::styled("★ ", theme.accent()), Span::raw(names.join(", "))]));
    } else {
        let text = match () {
            () if report.points.is_empty() => "nothing is evaluated yet",
            () if session.figures.resampled => "no point gains over the base beyond noise",
            () => "resampling …",
        };
        lines.push(Line::styled(text, theme.dim()));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
}
