//! Entries that a screen lets one choose from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Hit};
use crate::shared::Menu;
use crate::widget::{clip, panel, sheet};

pub(super) fn view(app: &App, menu: &Menu, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.shared.theme;
    let inner = sheet(frame, area, 72, menu.entries.len() as u16 + 3, theme);
    let inner = panel(frame, inner, menu.title, menu.aside, theme);
    for (index, (name, note)) in menu.entries.iter().enumerate() {
        let place = Rect { y: inner.y + index as u16, height: 1, ..inner };
        let style = if index == menu.cursor { theme.selected() } else { Style::new() };
        let line = Line::from(vec![
            Span::styled(format!(" {name:<10} "), theme.strong()),
            Span::styled(clip(note, usize::from(inner.width).saturating_sub(12)), theme.dim()),
        ]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clicks.put(place, Hit::Entry(index));
    }
}
