//! Titled areas, and cutting areas and words to fit.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::theme::Theme;

/// Draws a title on a line of its own with a rule behind it, and returns the area below.
pub(crate) fn panel(frame: &mut Frame<'_>, area: Rect, title: &str, aside: &str, theme: Theme) -> Rect {
    if area.is_empty() {
        return area;
    }
    let width = usize::from(area.width);
    let title = clip(title, width.saturating_sub(2));
    let used = title.chars().count();
    let room = width.saturating_sub(used + 4);
    let aside = if aside.chars().count() + 2 <= room { aside } else { "" };
    let rule = width.saturating_sub(used + 1 + if aside.is_empty() { 0 } else { aside.chars().count() + 1 });
    let mut spans =
        vec![Span::styled(title, theme.strong()), Span::raw(" "), Span::styled("─".repeat(rule), theme.line())];
    if !aside.is_empty() {
        spans.extend([Span::raw(" "), Span::styled(aside.to_owned(), theme.dim())]);
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), Rect { height: 1, ..area });
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

/// Draws a line at the foot of an area, and returns what is left above.
pub(crate) fn foot(frame: &mut Frame<'_>, area: Rect, text: &str, style: Style) -> Rect {
    if area.is_empty() {
        return area;
    }
    let line = Rect { y: area.bottom() - 1, height: 1, ..area };
    frame.render_widget(Paragraph::new(Span::styled(clip(text, usize::from(area.width)), style)), line);
    Rect { height: area.height - 1, ..area }
}

/// Cuts an area into columns with two blanks between them.
pub(crate) fn columns<const N: usize>(area: Rect, widths: [Constraint; N]) -> [Rect; N] {
    Layout::horizontal(widths).spacing(2).areas(area)
}

/// Cuts an area into rows.
pub(crate) fn rows<const N: usize>(area: Rect, heights: [Constraint; N]) -> [Rect; N] {
    Layout::vertical(heights).areas(area)
}

/// Returns text of at most `width` columns.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Returns text in lines of at most `width` columns, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(clip(word, width)),
        }
    }
    lines
}

/// Returns the first row to show, so that `cursor` is among `height` of them and near the middle.
pub(crate) fn scroll(cursor: usize, count: usize, height: usize) -> usize {
    cursor.saturating_sub(height / 2).min(count.saturating_sub(height))
}

/// Returns parts, each a few spans, in as many lines as they take: no part is cut, unless it is wider than a line.
pub(crate) fn fitting(parts: Vec<Vec<Span<'static>>>, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for part in parts {
        let wide: usize = part.iter().map(Span::width).sum();
        match lines.last_mut().filter(|line| line.width() + 2 + wide <= width) {
            Some(line) => {
                line.push_span(Span::raw("  "));
                for span in part {
                    line.push_span(span);
                }
            }
            None => lines.push(Line::from(part)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("", 9), [""; 0]);
    }

    #[test]
    fn parts_are_never_cut() {
        let parts: Vec<_> = ["one two", "three", "four", "five"].map(|text| vec![Span::raw(text)]).to_vec();
        let lines: Vec<String> = fitting(parts, 14).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["one two  three", "four  five"]);
    }
}
