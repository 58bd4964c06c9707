//! All keys, from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::App;
use crate::widget::{panel, sheet, wrapped};

/// The columns of keys, with the blanks behind them.
const INDENT: usize = 12;

pub(super) fn view(app: &App, frame: &mut Frame<'_>, area: Rect, scroll: usize) {
    let theme = app.shared.theme;
    let inner = sheet(frame, area, area.width.saturating_sub(6).min(120), area.height.saturating_sub(2), theme);
    let inner = panel(frame, inner, "Keys", "↑ ↓ scroll, esc closes; the mouse works, too", theme);
    let wide = inner.width >= 96;
    let half = if wide { inner.width / 2 } else { inner.width };
    let room = usize::from(half).saturating_sub(INDENT + 1);
    let mut blocks: Vec<Vec<Line<'_>>> = Vec::new();
    for (name, rows) in app.table() {
        let mut lines = vec![Line::styled(name, theme.strong())];
        for row in rows {
            let keys: Vec<String> = row.keys.iter().map(ToString::to_string).collect();
            let mut keys = format!("{:>10}  ", keys.join(" "));
            for part in wrapped(row.says, room) {
                lines.push(Line::from(vec![Span::styled(keys, theme.key()), Span::raw(part)]));
                keys = " ".repeat(INDENT);
            }
        }
        lines.push(Line::default());
        blocks.push(lines);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for block in blocks {
        let side = if wide && left.len() > right.len() { &mut right } else { &mut left };
        side.extend(block);
    }
    let longest = left.len().max(right.len());
    let scroll = scroll.min(longest.saturating_sub(inner.height.into())) as u16;
    frame.render_widget(Paragraph::new(left).scroll((scroll, 0)), Rect { width: half, ..inner });
    if wide {
        let place = Rect { x: inner.x + half, width: inner.width - half, ..inner };
        frame.render_widget(Paragraph::new(right).scroll((scroll, 0)), place);
    }
}
