//! A message in the middle of a screen, and a box over it.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use crate::theme::Theme;

/// Draws a message in the middle of a screen.
pub(crate) fn message(theme: Theme, frame: &mut Frame<'_>, area: Rect, title: &str, text: &str) {
    let width = area.width.min(76);
    let top = area.y + area.height / 3;
    let place = Rect { x: area.x + (area.width - width) / 2, y: top, width, height: area.bottom() - top };
    let lines = vec![
        Line::styled(title.to_owned(), theme.strong()).alignment(Alignment::Center),
        Line::default(),
        Line::styled(text.to_owned(), theme.dim()).alignment(Alignment::Center),
    ];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), place);
}

/// Clears an area in the middle, frames it, and returns its inside.
pub(crate) fn sheet(frame: &mut Frame<'_>, area: Rect, width: u16, height: u16, theme: Theme) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Block::bordered().border_type(BorderType::Rounded).border_style(theme.line()), place);
    Rect { x: place.x + 2, y: place.y + 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}
