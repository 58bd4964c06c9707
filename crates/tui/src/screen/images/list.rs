//! The list of points, with marks.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Images;
use crate::figures::is_behind;
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::mark;
use crate::widget::{clip, panel, scroll};

pub(super) fn view(own: &Images, shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let all = session.figures.points();
    let inner = panel(frame, area, "Points", &all.len().to_string(), theme);
    let cursor = all.iter().position(|point| Some(&point.id) == session.selected.as_ref());
    let first = scroll(cursor.unwrap_or(0), all.len(), inner.height.into());
    for (index, point) in all.iter().enumerate().skip(first).take(inner.height.into()) {
        let place = Rect { y: inner.y + (index - first) as u16, height: 1, ..inner };
        let style = if Some(index) == cursor { theme.selected() } else { Style::new() };
        let mark_of = session.marks.iter().position(|mark| *mark == point.id);
        let line = Line::from(vec![
            match mark_of {
                Some(place) => Span::styled("■ ", theme.series(place)),
                None => Span::raw("  "),
            },
            Span::styled(format!("{} ", mark(point.kind)), theme.kind(point.kind)),
            Span::styled(
                clip(point.id.as_str(), usize::from(inner.width).saturating_sub(4)),
                if is_behind(point) { theme.dim() } else { theme.strong() },
            ),
        ]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        own.clicks.put(place, index);
    }
}
