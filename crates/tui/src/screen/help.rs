//! All keys, from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::App;
use crate::key::{Scope, TABLE};
use crate::widget::panel;

/// The scopes, in the order of the screens.
const SCOPES: [Scope; 7] =
    [Scope::Global, Scope::Experiments, Scope::Sweep, Scope::Curves, Scope::Front, Scope::Pictures, Scope::Soup];

pub(crate) fn view(app: &App, frame: &mut Frame<'_>, area: Rect, scroll: usize) {
    let theme = app.theme;
    let inner =
        super::prompt::sheet(frame, area, area.width.saturating_sub(6).min(110), area.height.saturating_sub(2), theme);
    let inner = panel(frame, inner, "Keys", "↑ ↓ scroll, esc closes; the mouse works, too", theme);
    // The screen that one comes from first.
    let here = app.scope();
    let mut scopes = vec![here];
    scopes.extend(SCOPES.into_iter().filter(|scope| *scope != here));
    let mut blocks: Vec<Vec<Line<'_>>> = Vec::new();
    for scope in scopes {
        let mut lines = vec![Line::styled(scope.name(), theme.strong())];
        for row in TABLE.iter().filter(|row| row.scope == scope) {
            let keys: Vec<String> = row.keys.iter().map(ToString::to_string).collect();
            lines.push(Line::from(vec![
                Span::styled(format!("{:>10}  ", keys.join(" ")), theme.key()),
                Span::raw(row.says),
            ]));
        }
        lines.push(Line::default());
        blocks.push(lines);
    }
    let wide = inner.width >= 96;
    let total: usize = blocks.iter().map(Vec::len).sum();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for block in blocks {
        let side = if wide && left.len() >= total / 2 { &mut right } else { &mut left };
        side.extend(block);
    }
    let longest = left.len().max(right.len());
    let scroll = scroll.min(longest.saturating_sub(inner.height.into())) as u16;
    let half = if wide { inner.width / 2 } else { inner.width };
    frame.render_widget(Paragraph::new(left).scroll((scroll, 0)), Rect { width: half, ..inner });
    if wide {
        let place = Rect { x: inner.x + half, width: inner.width - half, ..inner };
        frame.render_widget(Paragraph::new(right).scroll((scroll, 0)), place);
    }
}
