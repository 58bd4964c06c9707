//! A line that is typed, and the question before leaving.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::shared;
use crate::theme::Theme;
use crate::widget::{panel, sheet, wrapped};

/// Draws a line that is typed, with its hint or what is wrong with it.
pub(crate) fn view(typed: &shared::Line, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (words, style) = match &typed.error {
        Some(error) => (error, theme.bad()),
        None => (&typed.hint, theme.dim()),
    };
    // As high as its words.
    let below = wrapped(words, usize::from(area.width.min(76)).saturating_sub(4));
    let inner = sheet(frame, area, 76, (below.len() as u16 + 4).max(8), theme);
    let inner = panel(frame, inner, typed.title, "", theme);
    // The end of a long line is what one types.
    let room = usize::from(inner.width).saturating_sub(3);
    let skip = typed.text.chars().count().saturating_sub(room);
    let shown: String = typed.text.chars().skip(skip).collect();
    let line =
        Line::from(vec![Span::styled("› ", theme.accent()), Span::raw(shown), Span::styled("▏", theme.accent())]);
    frame.render_widget(Paragraph::new(line), Rect { height: 1, ..inner });
    let place = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    frame.render_widget(Paragraph::new(below.join("\n")).style(style), place);
}

pub(super) fn leave(sweeping: bool, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let inner = sheet(frame, area, 64, 6, theme);
    let inner = panel(frame, inner, "Leave?", "", theme);
    let text = if sweeping {
        "The sweep stops after this epoch. Nothing is lost: the same command resumes from there."
    } else {
        "The current measurement is lost."
    };
    let lines = vec![
        Line::raw(text),
        Line::from(vec![
            Span::styled("y", theme.key()),
            Span::styled(" leaves   ", theme.dim()),
            Span::styled("n", theme.key()),
            Span::styled(" stays", theme.dim()),
        ]),
    ];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
}
