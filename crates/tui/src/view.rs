//! What the state looks like: a line of screens above, a line of keys below, a screen between.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use crate::app::{App, Command, Hit};
use crate::overlay;
use crate::screen::SOUP;
use crate::session::{Session, Status};
use crate::shared::{Measuring, Tone};
use crate::theme::Theme;
use crate::widget::{bar, clip, message, wrapped};

/// News take so many lines at most.
const MOST_NEWS: usize = 4;
/// Smaller terminals show a plea.
const LEAST: (u16, u16) = (40, 10);

/// Draws the UI.
pub fn view(app: &App, frame: &mut Frame<'_>) {
    app.clicks.clear();
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("{} × {} is too small: at least {} × {}", area.width, area.height, LEAST.0, LEAST.1);
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).alignment(Alignment::Center), area);
    }
    let row = |y: u16| Rect { y: area.y + y, height: 1, ..area };
    head(app, frame, row(0));
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 3 };
    let (screen, theme) = (app.shown(), app.shared.theme);
    match &app.shared.session {
        Some(session) if session.experiment.is_none() && !screen.is_free() => {
            let (title, text) = not_ready(session, app.shared.sweeping);
            message(theme, frame, body, title, &text);
        }
        None if !screen.is_free() => message(theme, frame, body, "No experiment", "open one first (1)"),
        _ => screen.view(&app.shared, frame, body),
    }
    news(app, frame, row(area.height - 2));
    hints(app, frame, row(area.height - 1));
    overlay::view(app, frame, area);
}

/// Returns why there is nothing to show of the open experiment.
fn not_ready(session: &Session, sweeping: bool) -> (&'static str, String) {
    let root = session.root.display();
    match &session.status {
        Status::Failed(reason) => ("This experiment cannot be shown", reason.clone()),
        Status::Waiting if sweeping => ("Waiting", "the sweep opens its models …".to_owned()),
        Status::Waiting => {
            ("Waiting", format!("{root}: no sweep has written metrics yet; this page fills when a sweep writes some"))
        }
        Status::Opening | Status::Ready => ("Opening", format!("reading {root} …")),
    }
}

/// The line of screens, and which experiment is open.
fn head(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.shared.theme;
    let mut spans = vec![Span::styled(" moa ", theme.accent())];
    let mut x = area.x + 5;
    let names: usize = app.screens.iter().map(|screen| screen.name().chars().count() + 4).sum();
    let wide = usize::from(area.width) >= names + 18;
    for (place, screen) in app.screens.iter().enumerate() {
        let shown = place == app.place;
        let name =
            if wide || shown { format!(" {} {} ", place + 1, screen.name()) } else { format!(" {} ", place + 1) };
        let style = match () {
            () if shown => theme.accent().patch(theme.selected()),
            () if screen.is_free() || app.shared.session.is_some() => Style::new(),
            () => theme.dim(),
        };
        let width = name.chars().count() as u16;
        app.clicks.put(Rect { x, width, ..area }, Hit::Do(Command::Go(place)));
        x += width;
        spans.push(Span::styled(name, style));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    let Some(session) = app.shared.session.as_ref().filter(|_| !app.shown().is_free() || area.width > 100) else {
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
    let theme = app.shared.theme;
    let inner = Rect { x: area.x + 1, width: area.width - 2, ..area };
    if let Some(measuring) = &app.shared.measuring {
        let [filled, empty] = bar(measuring.fraction, 16, theme.accent(), theme.line());
        let percent = format!(" {:>3.0} %  ", 100.0 * measuring.fraction);
        let room = usize::from(inner.width).saturating_sub(16 + percent.chars().count());
        let (text, style) = match &app.shared.news {
            Some((text, tone)) => (text.replace('\n', "; "), style(*tone, theme)),
            None => (doing(app, measuring, room), Style::new()),
        };
        let line = Line::from(vec![filled, empty, Span::raw(percent), Span::styled(clip(&text, room), style)]);
        return frame.render_widget(Paragraph::new(line), inner);
    }
    let Some((text, tone)) = &app.shared.news else { return };
    let mark = match tone {
        Tone::Plain => "",
        Tone::Good => "✓ ",
        Tone::Bad => "✗ ",
    };
    // Long news take lines of the screen above.
    let mut lines = wrapped(&format!("{mark}{}", text.replace('\n', "; ")), usize::from(inner.width));
    if lines.len() > MOST_NEWS {
        let rest = lines.split_off(MOST_NEWS - 1).join(" ");
        lines.push(clip(&rest, usize::from(inner.width)));
    }
    let height = (lines.len() as u16).max(1);
    let inner = Rect { y: (inner.y + 1).saturating_sub(height), height, ..inner };
    frame.render_widget(Clear, Rect { x: area.x, width: area.width, ..inner });
    let text = lines.join("\n");
    frame.render_widget(Paragraph::new(text).style(style(*tone, theme)), inner);
}

fn style(tone: Tone, theme: Theme) -> Style {
    match tone {
        Tone::Plain => theme.dim(),
        Tone::Good => theme.good(),
        Tone::Bad => theme.bad(),
    }
}

/// Returns what is measured, and which keys stop it: they have room before the name has.
fn doing(app: &App, measuring: &Measuring, room: usize) -> String {
    let place = app.screens.iter().position(|screen| screen.name() == SOUP).map_or(0, |place| place + 1);
    let stop = match () {
        () if measuring.stopping => "stopping …".to_owned(),
        () if app.shown().name() == SOUP => "x stops".to_owned(),
        () => format!("{place} x stops"),
    };
    format!("{}   {stop}", clip(&measuring.label, room.saturating_sub(stop.chars().count() + 3)))
}

/// The line of keys: those of the screen, then those that hold everywhere, as many as there is room for.
fn hints(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.shared.theme;
    let counts = |command: &Command| app.shown().is_active() || !matches!(command, Command::Own(_));
    let all = app.commands().into_iter().filter(|(command, row)| !row.hint.is_empty() && counts(command));
    let all: Vec<_> = all.collect();
    let width = |row: &crate::key::Binding| row.keys[0].to_string().chars().count() + row.hint.chars().count() + 3;
    let (own, everywhere): (Vec<_>, Vec<_>) = all.into_iter().partition(|(own, _)| matches!(own, Command::Own(_)));
    let taken: usize = everywhere.iter().map(|(_, row)| width(row)).sum();
    let mut room = usize::from(area.width).saturating_sub(2 + taken);
    let mut shown = Vec::new();
    for row in own {
        if width(&row.1) > room {
            break;
        }
        room -= width(&row.1);
        shown.push(row);
    }
    let mut spans = vec![Span::raw(" ")];
    let mut x = area.x + 1;
    for (command, row) in shown.into_iter().chain(everywhere) {
        app.clicks.put(Rect { x, width: width(&row) as u16 - 2, ..area }, Hit::Do(command));
        x += width(&row) as u16;
        spans.push(Span::styled(row.keys[0].to_string(), theme.key()));
        spans.push(Span::styled(format!(" {}  ", row.hint), theme.dim()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
