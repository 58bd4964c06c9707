//! Everything that can be done here, searched by typing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Hit};
use crate::key::{Action, Binding, Scope, bindings};
use crate::screen::prompt::sheet;
use crate::widget::{clip, panel, scroll};

/// Returns what can be done in a scope and fits a query, the best fit first.
pub(crate) fn search(scope: Scope, query: &str) -> Vec<&'static Binding> {
    let query = query.to_lowercase();
    let possible = bindings(scope).filter(|row| !matches!(row.action, Action::Palette | Action::Back));
    let mut found: Vec<(usize, usize, &Binding)> =
        possible.enumerate().filter_map(|(place, row)| Some((rank(row.says, &query)?, place, row))).collect();
    found.sort_by_key(|(rank, place, _)| (*rank, *place));
    found.into_iter().map(|(_, _, row)| row).collect()
}

/// Returns how well a text fits: as a whole, at the beginning of a word, inside, or letter by letter.
fn rank(text: &str, query: &str) -> Option<usize> {
    let text = text.to_lowercase();
    match text.find(query) {
        Some(0) => Some(0),
        Some(place) if text.as_bytes()[place - 1] == b' ' => Some(1),
        Some(_) => Some(2),
        None => {
            let mut rest = text.chars();
            query.chars().all(|letter| rest.any(|other| other == letter)).then_some(3)
        }
    }
}

pub(crate) fn view(app: &App, frame: &mut Frame<'_>, area: Rect, query: &str, cursor: usize) {
    let theme = app.theme;
    let found = search(app.scope(), query);
    let height = (found.len() as u16 + 4).clamp(6, area.height.saturating_sub(4));
    let inner = sheet(frame, area, 64, height, theme);
    let inner = panel(frame, inner, "Actions", "⏎ does it", theme);
    let line = Line::from(vec![
        Span::styled("› ", theme.accent()),
        Span::raw(query.to_owned()),
        Span::styled("▏", theme.accent()),
    ]);
    frame.render_widget(Paragraph::new(line), Rect { height: 1, ..inner });
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if found.is_empty() {
        return frame.render_widget(Paragraph::new("nothing of that name").style(theme.dim()), list);
    }
    let cursor = cursor.min(found.len() - 1);
    let first = scroll(cursor, found.len(), list.height.into());
    for (index, row) in found.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
        let style = if index == cursor { theme.selected() } else { Style::new() };
        let key = row.keys[0].to_string();
        let room = usize::from(list.width).saturating_sub(key.chars().count() + 3);
        let line =
            Line::from(vec![Span::raw(format!(" {:<room$} ", clip(row.says, room))), Span::styled(key, theme.key())]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clickable(place, Hit::Entry(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_at_their_beginning_first_and_letters_in_order_last() {
        let found = search(Scope::Soup, "save");
        assert_eq!(found[0].action, Action::Save);
        assert_eq!(search(Scope::Soup, "cnstr")[0].action, Action::Wish);
        assert!(search(Scope::Soup, "zzz").is_empty());
        assert!(search(Scope::Front, "").len() > 20);
    }
}
