//! What the state looks like: a line of screens above, a line of keys below, a screen between.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::app::{App, Hit, Overlay, Tone};
use crate::key::{Action, Screen, bindings};
use crate::screen;
use crate::session::Status;
use crate::widget::{bar, clip};

/// Smaller terminals show a plea.
const LEAST: (u16, u16) = (40, 10);

/// Draws the UI.
pub fn view(app: &App, frame: &mut Frame<'_>) {
    app.hits.borrow_mut().clear();
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("{} × {} is too small: at least {} × {}", area.width, area.height, LEAST.0, LEAST.1);
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).alignment(Alignment::Center), area);
    }
    let row = |y: u16| Rect { y: area.y + y, height: 1, ..area };
    head(app, frame, row(0));
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 3 };
    match (app.screen, &app.session) {
        (Screen::Experiments, _) | (_, None) => screen::experiments::view(app, frame, body),
        (screen, Some(session)) => match (&session.status, &session.experiment) {
            (_, Some(experiment)) => match screen {
                Screen::Sweep if session.curves.is_some() => {
                    screen::curves::view(app, session, experiment, frame, body);
                }
                Screen::Sweep | Screen::Experiments => screen::sweep::view(app, session, experiment, frame, body),
                Screen::Front => screen::front::view(app, session, frame, body),
                Screen::Pictures => screen::pictures::view(app, session, experiment, frame, body),
                Screen::Soup => screen::soup::view(app, session, frame, body),
            },
            (Status::Failed(reason), None) => message(app, frame, body, "This experiment cannot be shown", reason),
            (Status::Waiting, None) => {
                let text = if app.sweeping {
                    "the sweep opens its models …".to_owned()
                } else {
                    format!(
                        "{}: no sweep has written metrics yet; this page fills when one does",
                        session.root.display()
                    )
                };
                message(app, frame, body, "Waiting", &text);
            }
            _ => message(app, frame, body, "Opening", &format!("reading {} …", session.root.display())),
        },
    }
    news(app, frame, row(area.height - 2));
    hints(app, frame, row(area.height - 1));
    match &app.overlay {
        Some(Overlay::Help { scroll }) => screen::help::view(app, frame, area, *scroll),
        Some(Overlay::Palette { query, cursor }) => screen::palette::view(app, frame, area, query, *cursor),
        Some(Overlay::Prompt { kind, text, error }) => {
            screen::prompt::view(app, frame, area, *kind, text, error.as_deref());
        }
        Some(Overlay::SaveAs { cursor }) => screen::prompt::save_as(app, frame, area, *cursor),
        Some(Overlay::Leave) => screen::prompt::leave(app, frame, area),
        None => {}
    }
}

/// Draws a message in the middle of a screen.
pub(crate) fn message(app: &App, frame: &mut Frame<'_>, area: Rect, title: &str, text: &str) {
    let width = area.width.min(76);
    let top = area.y + area.height / 3;
    let place = Rect { x: area.x + (area.width - width) / 2, y: top, width, height: area.bottom() - top };
    let lines = vec![
        Line::styled(title.to_owned(), app.theme.strong()).alignment(Alignment::Center),
        Line::default(),
        Line::styled(text.to_owned(), app.theme.dim()).alignment(Alignment::Center),
    ];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), place);
}

/// The line of screens, and which experiment is open.
fn head(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let mut spans = vec![Span::styled(" moa ", theme.accent())];
    let mut x = area.x + 5;
    let wide = area.width >= 76;
    for (index, screen) in Screen::ALL.into_iter().enumerate() {
        let open = screen == Screen::Experiments || app.session.is_some();
        let name = if wide || screen == app.screen {
            format!(" {} {} ", index + 1, screen.name())
        } else {
            format!(" {} ", index + 1)
        };
        let style = match () {
            () if screen == app.screen => theme.accent().patch(theme.selected()),
            () if open => ratatui::style::Style::new(),
            () => theme.dim(),
        };
        let width = name.chars().count() as u16;
        app.clickable(Rect { x, width, ..area }, Hit::Do(Action::GoTo(screen)));
        x += width;
        spans.push(Span::styled(name, style));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    let Some(session) = app.session.as_ref().filter(|_| app.screen != Screen::Experiments || area.width > 100) else {
        return;
    };
    let room = usize::from(area.right().saturating_sub(x + 2));
    let name = session.experiment.as_ref().map_or_else(
        || session.root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        |experiment| experiment.name.clone(),
    );
    let live = session.experiment.as_ref().is_some_and(|experiment| experiment.live);
    let mark = if live { "● live" } else { "" };
    let name = clip(&name, room.saturating_sub(mark.chars().count() + 2));
    let line = Line::from(vec![
        Span::styled(name, theme.strong()),
        Span::raw(if live { " " } else { "" }),
        Span::styled(mark, theme.good()),
        Span::raw(" "),
    ]);
    let place = Rect { x: area.right().saturating_sub(room as u16), width: room as u16, ..area };
    frame.render_widget(Paragraph::new(line.alignment(Alignment::Right)), place);
}

/// The line of what has just happened, or is going on.
fn news(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let inner = Rect { x: area.x + 1, width: area.width - 2, ..area };
    if let Some((label, fraction)) = &app.measuring {
        let [filled, empty] = bar(*fraction, 16, theme.accent(), theme.line());
        let text = format!(" {:>3.0} %  {label}   x stops", 100.0 * fraction);
        let line = Line::from(vec![filled, empty, Span::raw(clip(&text, usize::from(inner.width).saturating_sub(17)))]);
        return frame.render_widget(Paragraph::new(line), inner);
    }
    let Some((text, tone)) = &app.news else { return };
    let (mark, style) = match tone {
        Tone::Plain => ("", theme.dim()),
        Tone::Good => ("✓ ", theme.good()),
        Tone::Bad => ("✗ ", theme.bad()),
    };
    let text = clip(&format!("{mark}{}", text.replace('\n', "; ")), usize::from(inner.width));
    frame.render_widget(Paragraph::new(Span::styled(text, style)), inner);
}

/// The line of keys: those of the screen, then those that hold everywhere, as many as there is room for.
fn hints(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let all: Vec<_> = bindings(app.scope()).filter(|row| !row.hint.is_empty()).collect();
    let width = |row: &crate::key::Binding| row.keys[0].to_string().chars().count() + row.hint.chars().count() + 3;
    let global: Vec<_> = all.iter().filter(|row| row.scope == crate::key::Scope::Global).collect();
    let mut room = usize::from(area.width).saturating_sub(2 + global.iter().map(|row| width(row)).sum::<usize>());
    let mut shown = Vec::new();
    for row in all.iter().filter(|row| row.scope != crate::key::Scope::Global) {
        if width(row) > room {
            break;
        }
        room -= width(row);
        shown.push(row);
    }
    let mut spans = vec![Span::raw(" ")];
    let mut x = area.x + 1;
    for row in shown.into_iter().chain(global) {
        let key = row.keys[0].to_string();
        app.clickable(Rect { x, width: width(row) as u16 - 2, ..area }, Hit::Do(row.action));
        x += width(row) as u16;
        spans.extend([Span::styled(key, theme.key()), Span::styled(format!(" {}  ", row.hint), theme.dim())]);
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
