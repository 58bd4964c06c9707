//! Images of up to four points: the same prompts and the same noise, one below the other.

use moa_core::RunId;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::app::{App, Hit, Tone};
use crate::experiment::Experiment;
use crate::figures::Point;
use crate::key::Action;
use crate::screen::details::direction;
use crate::screen::{front, moved};
use crate::session::{Pictures, Session};
use crate::theme::mark;
use crate::view::message;
use crate::widget::{clip, columns, panel, scroll};

/// Lines of the prompts above the images.
const CAPTION: u16 = 3;

/// Where one looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct PicturesState {
    /// The first prompt that is shown.
    prompt: usize,
    /// Which image of each prompt.
    picture: usize,
    /// Added to the height that fits.
    zoom: i16,
}

pub(crate) fn act(app: &mut App, action: Action) {
    let Some(session) = &mut app.session else { return };
    let ids: Vec<RunId> = session.figures.points.iter().map(|point| point.id.clone()).collect();
    let (prompts, pictures) = extent(session);
    let state = &mut session.pictures;
    match action {
        Action::Left => state.prompt = state.prompt.saturating_sub(1),
        Action::Right => state.prompt = (state.prompt + 1).min(prompts.saturating_sub(1)),
        Action::First => state.prompt = 0,
        Action::Last => state.prompt = prompts.saturating_sub(1),
        Action::NextSeed => state.picture = (state.picture + 1) % pictures.max(1),
        Action::ZoomIn => state.zoom = (state.zoom + 1).min(20),
        Action::ZoomOut => state.zoom = (state.zoom - 1).max(-6),
        Action::Mark if session.toggle_mark() => {}
        Action::Mark => app.say("four are compared already: M takes all marks away", Tone::Plain),
        Action::Unmark => session.marks.clear(),
        Action::MixThis => front::mix(app),
        action => {
            let cursor = ids.iter().position(|id| Some(id) == session.selected.as_ref());
            session.selected = ids.get(cursor.map_or(0, |cursor| moved(cursor, ids.len(), action))).cloned();
        }
    }
}

pub(crate) fn click(app: &mut App, index: usize) {
    let Some(session) = &mut app.session else { return };
    let id = session.figures.points.get(index).map(|point| point.id.clone());
    if id.is_some() && id == session.selected {
        return act(app, Action::Mark);
    }
    session.selected = id;
}

/// Returns how many prompts and images of each there are at most.
fn extent(session: &Session) -> (usize, usize) {
    let sheets = session.compared().into_iter().filter_map(|id| match session.sheets.get(&id) {
        Some(Pictures::Ready(sheet)) => Some((sheet.prompts(), sheet.pictures())),
        _ => None,
    });
    sheets.fold((0, 0), |(a, b), (c, d)| (a.max(c), b.max(d)))
}

pub(crate) fn view(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    if session.figures.points.is_empty() {
        return message(app, frame, area, "No images yet", "they come with the evaluation: of the base first");
    }
    let longest = session.figures.points.iter().map(|point| point.id.as_str().chars().count()).max().unwrap_or(8);
    let width = (longest as u16 + 6).clamp(16, (area.width / 4).max(16)).min(34);
    let [list, main] = columns(area, [Constraint::Length(width), Constraint::Fill(1)]);
    points(app, session, frame, list);
    let (prompts, pictures) = extent(session);
    let aside = if prompts == 0 {
        String::new()
    } else {
        format!(
            "from prompt {} of {prompts}, noise {} of {pictures}",
            session.pictures.prompt + 1,
            session.pictures.picture + 1
        )
    };
    let inner = panel(frame, main, "Same prompts, same noise", &aside, app.theme);
    grid(app, session, experiment, frame, inner);
}

/// The list of points, with marks.
fn points(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let all = &session.figures.points;
    let inner = panel(frame, area, "Points", &all.len().to_string(), theme);
    let cursor = all.iter().position(|point| Some(&point.id) == session.selected.as_ref());
    let first = scroll(cursor.unwrap_or(0), all.len(), inner.height.into());
    for (index, point) in all.iter().enumerate().skip(first).take(inner.height.into()) {
        let place = Rect { y: inner.y + (index - first) as u16, height: 1, ..inner };
        let style = if Some(index) == cursor { theme.selected() } else { Style::new() };
        let mark_of = session.marks.iter().position(|mark| *mark == point.id);
        let line = Line::from(vec![
            match mark_of {
                Some(place) => Span::styled("■ ", theme.series(place)),
                None => Span::raw("  "),
            },
            Span::styled(format!("{} ", mark(point.kind)), theme.kind(point.kind)),
            Span::styled(
                clip(point.id.as_str(), usize::from(inner.width).saturating_sub(4)),
                if point.is_behind() { theme.dim() } else { theme.strong() },
            ),
        ]);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clickable(place, Hit::Point(index));
    }
}

/// A row of images for each point that is compared.
fn grid(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let compared = session.compared();
    let count = compared.len().max(1) as u16;
    let room = area.height.saturating_sub(CAPTION) / count;
    if room < 3 {
        return message(app, frame, area, "Too small", "make the terminal higher, or take marks away with M");
    }
    let aspect = compared.iter().find_map(|id| match session.sheets.get(id) {
        Some(Pictures::Ready(sheet)) => sheet.get(0, 0).map(crate::picture::Rgb::aspect),
        _ => None,
    });
    let height = (i32::from(room) - 1 + i32::from(session.pictures.zoom)).clamp(2, i32::from(room) - 1) as u16;
    // Letters are twice as high as wide.
    let width = ((2.0 * f64::from(height) / aspect.unwrap_or(1.0)).round() as u16).clamp(2, area.width.max(2));
    let across = usize::from((area.width + 1) / (width + 1)).max(1);
    let shown = session.pictures.prompt..session.pictures.prompt + across;
    for (place, prompt) in shown.clone().enumerate() {
        let text = session.figures.prompts.get(prompt).map_or("", String::as_str);
        let caption = Rect { x: area.x + place as u16 * (width + 1), y: area.y, width, height: CAPTION };
        if caption.right() <= area.right() {
            frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), caption);
        }
    }
    for (row, id) in compared.iter().enumerate() {
        let top = area.y + CAPTION + row as u16 * room;
        let mark_of = session.marks.iter().position(|mark| mark == id);
        let style = mark_of.map_or(theme.accent(), |place| theme.series(place));
        let mut spans = vec![Span::styled("■ ", style), Span::styled(id.to_string(), theme.strong())];
        if let Some(point) = session.figures.point(id) {
            spans.extend(scores(session, point, app));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), Rect { y: top, height: 1, ..area });
        let below = Rect { y: top + 1, height: room - 1, ..area };
        let note = |frame: &mut Frame<'_>, text: String| {
            frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), below);
        };
        match session.sheets.get(id) {
            Some(Pictures::Ready(sheet)) => {
                for (place, prompt) in shown.clone().enumerate() {
                    let cell = Rect { x: area.x + place as u16 * (width + 1), y: top + 1, width, height };
                    let picture = sheet.get(prompt, session.pictures.picture.min(sheet.pictures().max(1) - 1));
                    if let Some(picture) = picture.filter(|_| cell.right() <= area.right()) {
                        app.gallery.draw(picture, cell, theme.dim(), frame.buffer_mut());
                    }
                }
            }
            Some(Pictures::Missing(reason)) => {
                note(frame, format!("no images: {reason}; a sweep that goes on draws them again"));
            }
            Some(Pictures::Asked) => note(frame, "reading …".into()),
            None => {
                let planned = experiment.runs.iter().any(|run| run.id == *id);
                note(frame, if planned { "not evaluated yet".into() } else { "no images".into() });
            }
        }
    }
}

fn scores(session: &Session, point: &Point, app: &App) -> Vec<Span<'static>> {
    let theme = app.theme;
    let mut spans = Vec::new();
    for (name, score) in session.figures.rewards.iter().zip(&point.rewards) {
        let (arrow, style) = direction(score, theme);
        spans.push(Span::styled(format!("   {name} "), theme.dim()));
        spans.push(Span::raw(format!("{:.3}", score.mean.mean)));
        spans.push(Span::styled(arrow, style));
    }
    spans
}
