//! All experiments of the results folder.

use std::time::{Duration, SystemTime};

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Hit, Overlay, PromptKind};
use crate::key::Action;
use crate::library::{Entry, State};
use crate::screen::moved;
use crate::theme::Theme;
use crate::view::message;
use crate::widget::{bar, clip, foot, panel, scroll};

pub(crate) fn act(app: &mut App, action: Action) {
    let count = app.shown_experiments().len();
    match action {
        Action::Open => {
            if let Some(root) = app.shown_experiments().get(app.library_cursor).map(|entry| entry.root.clone()) {
                app.open(root);
            }
        }
        Action::Filter => {
            let text = app.library_filter.clone();
            app.overlay = Some(Overlay::Prompt { kind: PromptKind::FilterExperiments, text, error: None });
        }
        action => app.library_cursor = moved(app.library_cursor, count, action),
    }
}

pub(crate) fn view(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let folder = app.results.as_ref().map_or_else(String::new, |folder| folder.display().to_string());
    let Some(library) = &app.library else {
        return message(app, frame, area, "Experiments", &format!("looking through {folder} …"));
    };
    if library.is_empty() {
        let text = format!("{folder} holds no results; `moa sweep experiments/quick.ron` makes some in a minute");
        return message(app, frame, area, "No experiments yet", &text);
    }
    let shown = app.shown_experiments();
    let aside = match app.library_filter.as_str() {
        "" => folder,
        filter => format!("{} of {} with “{filter}”", shown.len(), library.len()),
    };
    let mut inner = panel(frame, area, "Experiments", &aside, app.theme);
    if let Some(Entry { state: State::Broken(reason), .. }) = shown.get(app.library_cursor) {
        inner = foot(frame, inner, reason, app.theme.warn());
    }
    let name = shown.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0).clamp(10, 28);
    let heading = format!(
        "  {:<name$}  {:<9}  {:<19}  {:>11}  {:>7}  {}",
        "name", "state", "weightings", "hypervolume", "age", "rewards"
    );
    frame.render_widget(Paragraph::new(clip(&heading, inner.width.into())).style(app.theme.dim()), inner);
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let first = scroll(app.library_cursor, shown.len(), list.height.into());
    for (index, entry) in shown.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
        let chosen = index == app.library_cursor;
        let style = if chosen { app.theme.selected() } else { Style::new() };
        frame.render_widget(Paragraph::new(line(entry, chosen, name, app.now, app.theme)).style(style), place);
        app.clickable(place, Hit::Experiment(index));
    }
}

fn line(entry: &Entry, chosen: bool, name: usize, now: SystemTime, theme: Theme) -> Line<'static> {
    let (state, style) = match entry.state {
        State::Running => ("● running", theme.good()),
        State::Complete => ("complete", Style::new()),
        State::Stopped => ("stopped", theme.dim()),
        State::Broken(_) => ("✗ broken", theme.bad()),
    };
    let (done, all) = entry.weightings;
    let [filled, empty] = bar(done as f64 / all.max(1) as f64, 10, theme.accent(), theme.line());
    let volume = entry.hypervolume.map_or("–".into(), |volume| format!("{volume:.4}"));
    let age = now.duration_since(entry.modified).unwrap_or_default();
    Line::from(vec![
        Span::styled(if chosen { "▸ " } else { "  " }, theme.accent()),
        Span::styled(format!("{:<name$}", clip(&entry.name, name)), theme.strong()),
        Span::styled(format!("  {state:<9}  "), style),
        filled,
        empty,
        Span::raw(format!(" {:<8}", format!("{done}/{all}"))),
        Span::raw(format!("  {volume:>11}")),
        Span::styled(format!("  {:>7}", ago(age)), theme.dim()),
        Span::styled(format!("  {}", entry.rewards.join(" ")), theme.dim()),
    ])
}

/// Returns how long ago something was.
pub(crate) fn ago(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}
