//! Everything that can be done here, searched by typing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Command, Hit};
use crate::key::Binding;
use crate::widget::{clip, panel, scroll, sheet};

/// Returns what can be done and fits a query, the best fit first.
pub(crate) fn search(possible: Vec<(Command, Binding)>, query: &str) -> Vec<(Command, Binding)> {
    let query = query.to_lowercase();
    let possible = possible.into_iter().enumerate();
    let mut found: Vec<_> = possible.filter_map(|(place, row)| Some((rank(row.1.says, &query)?, place, row))).collect();
    found.sort_by_key(|(rank, place, _)| (*rank, *place));
    found.into_iter().map(|(_, _, row)| row).collect()
}

/// Returns how well a text fits: as a whole, at the beginning of a word, inside, or character by character.
fn rank(text: &str, query: &str) -> Option<usize> {
    let text = text.to_lowercase();
    match text.find(query) {
        Some(0) => Some(0),
        Some(place) if text.as_bytes()[place - 1] == b' ' => Some(1),
        Some(_) => Some(2),
        None => {
            let mut rest = text.chars();
            query.chars().all(|character| rest.any(|other| other == character)).then_some(3)
        }
    }
}

pub(super) fn view(app: &App, frame: &mut Frame<'_>, area: Rect, query: &str, cursor: usize) {
    let theme = app.shared.theme;
    let found = search(app.commands(), query);
    let height = (found.len() as u16 + 4).clamp(6, area.height.saturating_sub(4));
    let inner = sheet(frame, area, 72, height, theme);
    let inner = panel(frame, inner, "Actions", "⏎ runs it", theme);
    let line = Line::from(vec![
        Span::styled("› ", theme.accent()),
        Span::raw(query.to_owned()),
        Span::styled("▏", theme.accent()),
    ]);
    frame.render_widget(Paragraph::new(line), Rect { height: 1, ..inner });
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if found.is_empty() {
        return frame.render_widget(Paragraph::new("no action of that name").style(theme.dim()), list);
    }
    let cursor = cursor.min(found.len() - 1);
    let first = scroll(cursor, found.len(), list.height.into());
    for (index, (_, row)) in found.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
        let style = if index == cursor { theme.selected() } else { Style::new() };
        let key = row.keys[0].to_string();
        let room = usize::from(list.width).saturating_sub(key.chars().count() + 3);
        let line =
            Line::from(vec![Span::raw(format!(" {:<room$} ", clip(row.says, room))), Span::styled(key, theme.key())]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clicks.put(place, Hit::Entry(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::c;

    #[test]
    fn words_are_found_at_their_beginning_first_and_characters_in_order_last() {
        let says = ["show images", "evaluate a soup", "save the adapter", "search constraints"];
        let rows = says.map(|says| Binding { keys: &const { [c('x')] }, says, hint: "" });
        let possible: Vec<(Command, Binding)> =
            rows.into_iter().enumerate().map(|(place, row)| (Command::Own(place), row)).collect();
        let found = |query: &str| -> Vec<&'static str> {
            search(possible.clone(), query).into_iter().map(|(_, row)| row.says).collect()
        };
        assert_eq!(found("sa")[0], "save the adapter");
        assert_eq!(found("adap"), ["save the adapter"]);
        assert_eq!(found("cnstr"), ["search constraints"]);
        assert!(found("zzz").is_empty());
        assert_eq!(found("").len(), 4);
    }
}
