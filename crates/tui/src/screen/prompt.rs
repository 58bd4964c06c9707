//! What lies over a screen and asks for something: a line of text, a format, a yes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use crate::app::{App, Hit, PromptKind};
use crate::message::SaveFormat;
use crate::theme::Theme;
use crate::widget::{clip, panel};

/// Clears an area in the middle, frames it, and returns its inside.
pub(crate) fn sheet(frame: &mut Frame<'_>, area: Rect, width: u16, height: u16, theme: Theme) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Block::bordered().border_type(BorderType::Rounded).border_style(theme.line()), place);
    Rect { x: place.x + 2, y: place.y + 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}

pub(crate) fn view(app: &App, frame: &mut Frame<'_>, area: Rect, kind: PromptKind, text: &str, error: Option<&str>) {
    let theme = app.theme;
    let (title, hint) = match kind {
        PromptKind::FilterExperiments => ("Filter", "part of a name or a reward; ⏎ keeps, esc clears".to_owned()),
        PromptKind::FilterRuns => ("Filter", "part of a name; ⏎ keeps, esc clears".to_owned()),
        PromptKind::Wish => {
            let rewards = app.session.as_ref().map_or(&[][..], |session| &session.figures.rewards);
            let name = |place: usize| rewards.get(place).or(rewards.first()).map_or("safety", String::as_str);
            let example = format!("{}>=0.7, max {}", name(1), name(0));
            (
                "Constraints",
                format!(
                    "for example {example}; also <= and NAME=VALUE to come near to. ⏎ looks for shares, measuring as it goes"
                ),
            )
        }
    };
    let inner = sheet(frame, area, 72, 7, theme);
    let inner = panel(frame, inner, title, "", theme);
    // The end of a long line is what one types.
    let room = usize::from(inner.width).saturating_sub(3);
    let skip = text.chars().count().saturating_sub(room);
    let shown: String = text.chars().skip(skip).collect();
    let line =
        Line::from(vec![Span::styled("› ", theme.accent()), Span::raw(shown), Span::styled("▏", theme.accent())]);
    frame.render_widget(Paragraph::new(line), Rect { height: 1, ..inner });
    let below = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let (words, style) = error.map_or((hint, theme.dim()), |error| (error.to_owned(), theme.bad()));
    frame.render_widget(Paragraph::new(words).style(style).wrap(Wrap { trim: true }), below);
}

pub(crate) fn save_as(app: &App, frame: &mut Frame<'_>, area: Rect, cursor: usize) {
    let theme = app.theme;
    let inner = sheet(frame, area, 72, SaveFormat::ALL.len() as u16 + 3, theme);
    let inner = panel(frame, inner, "Save the adapter for", "⏎ saves", theme);
    for (index, (_, name, files)) in SaveFormat::ALL.into_iter().enumerate() {
        let place = Rect { y: inner.y + index as u16, height: 1, ..inner };
        let style = if index == cursor.min(SaveFormat::ALL.len() - 1) { theme.selected() } else { Style::new() };
        let line = Line::from(vec![
            Span::styled(format!(" {name:<10} "), theme.strong()),
            Span::styled(clip(files, usize::from(inner.width).saturating_sub(12)), theme.dim()),
        ]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clickable(place, Hit::Entry(index));
    }
}

pub(crate) fn leave(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let inner = sheet(frame, area, 64, 6, theme);
    let inner = panel(frame, inner, "Leave?", "", theme);
    let text = if app.sweeping {
        "The sweep stops after this epoch. Nothing is lost: the same command goes on from there."
    } else {
        "The measurement that is going on is lost."
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
