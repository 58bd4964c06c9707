//! A slider for each corner: what would the soup score, and what does it draw?

use std::path::Path;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::app::{App, Hit, Overlay, PromptKind, Tone};
use crate::figures::Figures;
use crate::key::Action;
use crate::message::{Request, Work};
use crate::mix::{Mix, Model, WHOLE};
use crate::picture::Rgb;
use crate::screen::{moved, triangle};
use crate::session::{Pictures, Session};
use crate::view::message;
use crate::widget::{clip, columns, panel, rows};

/// How far a key moves a slider, in percent.
const STEP: u32 = 5;

/// Images of a soup.
#[derive(Clone, Debug)]
struct Preview {
    shares: Vec<f64>,
    pictures: Vec<Rgb>,
    coarse: bool,
}

/// How the sliders stand.
#[derive(Default)]
pub(crate) struct SoupState {
    mix: Option<Mix>,
    /// The last shares in which several took part: what a slider that comes down from 100 % goes back to.
    memory: Vec<f64>,
    row: usize,
    pub(crate) model: Option<Model>,
    pub(crate) model_stale: bool,
    preview: Option<Preview>,
    /// The shares that a preview was asked for last.
    asked: Option<Vec<f64>>,
    pub(crate) previewing: bool,
    /// Why there is no preview.
    pub(crate) failed: Option<String>,
    /// The constraints that were asked for last.
    pub(crate) wish: String,
}

impl SoupState {
    /// Returns the sliders, equal before anybody moved them.
    fn mix(&self, figures: &Figures) -> Mix {
        let count = figures.corners.len();
        self.mix.clone().filter(|mix| mix.percent().len() == count).unwrap_or_else(|| Mix::equal(count))
    }

    /// Returns the shares of the corners.
    pub(crate) fn shares(&self, figures: &Figures) -> Vec<f64> {
        self.mix(figures).shares()
    }

    /// Puts the sliders somewhere.
    pub(crate) fn set(&mut self, shares: &[f64]) {
        self.put(Mix::near(shares));
    }

    fn put(&mut self, mix: Mix) {
        if mix.percent().iter().filter(|percent| **percent > 0).count() > 1 {
            self.memory = mix.shares();
        }
        self.mix = Some(mix);
        self.failed = None;
    }

    fn slide(&mut self, figures: &Figures, index: usize, percent: u32) {
        let mut mix = self.mix(figures);
        if index < mix.percent().len() {
            mix.set(index, percent, &self.memory);
            self.put(mix);
        }
    }

    /// Returns a request for images where the shown ones are of other shares.
    pub(crate) fn preview_request(&mut self, root: &Path, figures: &Figures) -> Option<Request> {
        if figures.corners.is_empty() || !corners_are_there(figures) {
            return None;
        }
        let shares = self.shares(figures);
        if self.asked.as_ref() == Some(&shares) {
            return None;
        }
        self.asked = Some(shares.clone());
        self.previewing = true;
        Some(Request::Work(Work::Preview(root.to_path_buf(), shares)))
    }

    /// Takes images, unless the sliders have moved on.
    pub(crate) fn take_preview(&mut self, shares: &[f64], pictures: Vec<Rgb>, coarse: bool) {
        if self.asked.as_deref() != Some(shares) {
            return;
        }
        self.previewing = coarse;
        self.preview = Some(Preview { shares: shares.to_vec(), pictures, coarse });
    }
}

/// Whether all corners are trained, so that they can be mixed.
fn corners_are_there(figures: &Figures) -> bool {
    figures.corners.iter().all(|corner| figures.point(corner).is_some())
}

pub(crate) fn act(app: &mut App, action: Action) {
    let Some(session) = &mut app.session else { return };
    let figures = &session.figures;
    if figures.corners.is_empty() {
        return;
    }
    let row = session.soup.row.min(figures.corners.len() - 1);
    let here = session.soup.mix(figures).percent()[row];
    match action {
        Action::Up | Action::Down => session.soup.row = moved(row, figures.corners.len(), action),
        Action::Left => session.soup.slide(figures, row, here.saturating_sub(STEP)),
        Action::Right => session.soup.slide(figures, row, here + STEP),
        Action::FineLeft => session.soup.slide(figures, row, here.saturating_sub(1)),
        Action::FineRight => session.soup.slide(figures, row, here + 1),
        Action::First => session.soup.slide(figures, row, 0),
        Action::Last => session.soup.slide(figures, row, WHOLE),
        Action::Equal => session.soup.put(Mix::equal(figures.corners.len())),
        Action::Evaluate | Action::Wish | Action::Save => ask(app, action),
        Action::Cancel if app.measuring.is_some() => app.ask(Request::Work(Work::CancelMeasuring)),
        _ => {}
    }
}

/// Asks the worker for something, or says why that cannot be.
fn ask(app: &mut App, action: Action) {
    let Some(session) = &app.session else { return };
    let (root, shares) = (session.root.clone(), session.soup.shares(&session.figures));
    if let Some(reason) = &app.worker_gone {
        return app.say(format!("that cannot be done: {reason}"), Tone::Bad);
    }
    if !corners_are_there(&session.figures) {
        return app.say("the adapters are not trained and evaluated yet", Tone::Bad);
    }
    match action {
        Action::Save => app.overlay = Some(Overlay::SaveAs { cursor: 0 }),
        _ if app.measuring.is_some() => {
            app.say("one measurement at a time: x stops the one that is going on", Tone::Plain);
        }
        Action::Wish => {
            let text = session.soup.wish.clone();
            app.overlay = Some(Overlay::Prompt { kind: PromptKind::Wish, text, error: None });
        }
        _ => {
            app.measuring = Some(("measuring".into(), 0.0));
            app.ask(Request::Work(Work::Evaluate(root, shares)));
        }
    }
}

/// Puts a slider where the mouse is.
pub(crate) fn slide(app: &mut App, index: usize, area: Rect, column: u16) {
    let Some(session) = &mut app.session else { return };
    let share = f64::from(column.clamp(area.x, area.right()) - area.x) / f64::from(area.width.max(2) - 1);
    session.soup.row = index;
    session.soup.slide(&session.figures, index, (share.min(1.0) * f64::from(WHOLE)).round() as u32);
}

/// Puts three sliders where the mouse is in the triangle.
pub(crate) fn drag_in_triangle(app: &mut App, area: Rect, place: (u16, u16)) {
    let Some(session) = &mut app.session else { return };
    session.soup.set(&triangle::shares(area, place));
}

pub(crate) fn view(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let figures = &session.figures;
    if figures.corners.is_empty() {
        let text = if figures.points.is_empty() {
            "soups are mixed of evaluated adapters: let the sweep go on"
        } else {
            "soups are mixed of corners, adapters trained for one reward alone, and this experiment has none"
        };
        return message(app, frame, area, "Nothing to mix", text);
    }
    let count = figures.corners.len() as u16;
    let three = figures.corners.len() == 3;
    let top = (count + 3)
        .max(figures.rewards.len() as u16 + 3)
        .max(if three { 9 } else { 0 })
        .min(area.height.saturating_sub(7));
    let [above, below] = rows(area, [Constraint::Length(top), Constraint::Fill(1)]);
    let [left, right] = columns(above, [Constraint::Fill(1), Constraint::Percentage(48)]);
    let left = if three && left.width >= 44 {
        let [sliders, corner] = columns(left, [Constraint::Fill(1), Constraint::Length(20)]);
        triangle::view(app, figures, &session.soup.shares(figures), frame, corner);
        sliders
    } else {
        left
    };
    sliders(app, session, frame, left);
    predicted(app, session, frame, right);
    preview(app, session, frame, below);
}

fn sliders(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let (figures, soup) = (&session.figures, &session.soup);
    let mix = soup.mix(figures);
    let inner = panel(frame, area, "Mix", "", theme);
    let name = figures.corners.iter().map(|id| id.as_str().chars().count()).max().unwrap_or(4).clamp(4, 16);
    let width = usize::from(inner.width).saturating_sub(name + 9).max(4);
    let row = soup.row.min(figures.corners.len() - 1);
    let first = crate::widget::scroll(row, figures.corners.len(), inner.height.into());
    for (index, id) in figures.corners.iter().enumerate().skip(first).take(inner.height.into()) {
        let place = Rect { y: inner.y + (index - first) as u16, height: 1, ..inner };
        let percent = mix.percent()[index];
        let chosen = index == row;
        let knob = (f64::from(percent) / f64::from(WHOLE) * (width - 1) as f64).round() as usize;
        let style = theme.series(index);
        let line = Line::from(vec![
            Span::styled(if chosen { "▸ " } else { "  " }, theme.accent()),
            Span::styled(
                format!("{:<name$} ", clip(id.as_str(), name)),
                if chosen { theme.strong() } else { Style::new() },
            ),
            Span::styled("━".repeat(knob), style),
            Span::styled("●", style),
            Span::styled("─".repeat(width - 1 - knob), theme.line()),
            Span::styled(format!(" {percent:>3} %"), theme.strong()),
        ]);
        frame.render_widget(Paragraph::new(line), place);
        app.clickable(Rect { x: place.x + name as u16 + 3, width: width as u16, ..place }, Hit::Slider(index));
    }
}

/// What the rewards are expected to be, on axes that span what was measured.
fn predicted(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let (figures, soup) = (&session.figures, &session.soup);
    let shares = soup.shares(figures);
    let near = |point: &&crate::figures::Point| {
        point.shares.as_ref().is_some_and(|own| own.iter().zip(&shares).all(|(a, b)| (a - b).abs() < 0.005))
    };
    let measured = figures.points.iter().find(near);
    let aside = match (&soup.model, measured) {
        (_, Some(point)) => format!("measured as {}", point.id),
        (Some(model), None) => format!("by {} measured mixtures", model.points),
        (None, None) => String::new(),
    };
    let inner = panel(frame, area, if measured.is_some() { "Measured" } else { "Predicted" }, &aside, theme);
    let predicted: Vec<(f64, f64)> = match (measured, &soup.model) {
        (Some(point), _) => {
            point.rewards.iter().map(|score| (score.mean.mean, (score.mean.hi - score.mean.lo) / 2.0)).collect()
        }
        (None, Some(model)) => model.predict(&shares).iter().map(|p| (p.mean, 1.96 * p.deviation)).collect(),
        (None, None) => {
            let text = "at least two mixtures must be measured before anything can be predicted";
            return frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), inner);
        }
    };
    let width = usize::from(inner.width);
    let name = figures.rewards.iter().map(|name| name.chars().count()).max().unwrap_or(4).min(14);
    let scale = width.saturating_sub(name + 17);
    for (index, (reward, (mean, half))) in figures.rewards.iter().zip(&predicted).enumerate().take(inner.height.into())
    {
        let place = Rect { y: inner.y + index as u16, height: 1, ..inner };
        let base = figures.base().and_then(|base| base.rewards.get(index)).map(|score| score.mean.mean);
        let style = match base {
            Some(base) if mean - half > base => theme.good(),
            Some(base) if mean + half < base => theme.bad(),
            _ => Style::new(),
        };
        let mut spans = vec![
            Span::raw(format!("{:<name$} ", clip(reward, name))),
            Span::styled(format!("{mean:.3}"), theme.strong().patch(style)),
            Span::styled(format!(" ± {half:.3} "), theme.dim()),
        ];
        if scale >= 8 {
            spans.extend(range(figures, index, (*mean, *half), base, scale, app));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), place);
    }
    let rest = inner.height.saturating_sub(predicted.len() as u16);
    if rest > 0 && scale >= 8 {
        let line = Line::from(vec![
            Span::styled(" ".repeat(name + 15), theme.dim()),
            Span::styled("◆", theme.strong()),
            Span::styled(" base  ", theme.dim()),
            Span::styled("━", theme.accent()),
            Span::styled(" 95 %", theme.dim()),
        ]);
        frame.render_widget(Paragraph::new(line), Rect { y: inner.bottom() - rest, height: 1, ..inner });
    }
}

/// A line from the least to the most that was measured, with the prediction's interval and the base on it.
fn range(
    figures: &Figures,
    reward: usize,
    (mean, half): (f64, f64),
    base: Option<f64>,
    width: usize,
    app: &App,
) -> Vec<Span<'static>> {
    let theme = app.theme;
    let means = figures.points.iter().filter_map(|point| Some(point.rewards.get(reward)?.mean.mean));
    let axis = crate::widget::Axis::around(means.chain([mean - half, mean + half]), false);
    let cell =
        |value: f64| axis.share(value).map(|share| (share.clamp(0.0, 1.0) * (width - 1) as f64).round() as usize);
    let (from, to, middle) = (cell(mean - half), cell(mean + half), cell(mean));
    let base = base.and_then(cell);
    (0..width)
        .map(|place| {
            if Some(place) == middle {
                Span::styled("●", theme.accent())
            } else if Some(place) == base {
                Span::styled("◆", theme.strong())
            } else if from.is_some_and(|from| from <= place) && to.is_some_and(|to| place <= to) {
                Span::styled("━", theme.accent())
            } else {
                Span::styled("─", theme.line())
            }
        })
        .collect()
}

/// The base's images, and the soup's from the same noise.
fn preview(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let (figures, soup) = (&session.figures, &session.soup);
    let shares = soup.shares(figures);
    let fresh = soup.preview.as_ref().is_some_and(|preview| preview.shares == shares);
    let state = match (&soup.preview, &app.worker_gone) {
        (_, Some(_)) => "no previews: the worker is gone",
        (Some(preview), _) if fresh && !preview.coarse => "",
        (Some(_), _) if fresh => "coarse, refining …",
        _ if soup.failed.is_some() => "",
        _ if soup.previewing => "drawing …",
        _ => "",
    };
    let title = soup.mix(figures).describe(&figures.corners);
    let inner = panel(frame, area, &title, state, theme);
    let note = |frame: &mut Frame<'_>, text: &str| {
        frame.render_widget(Paragraph::new(text.to_owned()).style(theme.dim()).wrap(Wrap { trim: true }), inner);
    };
    if !corners_are_there(figures) {
        return note(frame, "images come when the corners are trained and evaluated");
    }
    if let Some(reason) = &soup.failed {
        return note(frame, &format!("no images: {reason}"));
    }
    let base = figures.base().and_then(|base| match session.sheets.get(&base.id) {
        Some(Pictures::Ready(sheet)) => Some(sheet),
        _ => None,
    });
    let Some(aspect) =
        soup.preview.as_ref().and_then(|preview| preview.pictures.first()).or_else(|| base?.get(0, 0)).map(Rgb::aspect)
    else {
        return note(frame, if app.worker_gone.is_some() { "" } else { "drawing …" });
    };
    let both = base.is_some();
    let captions = inner.height >= 14;
    let inner = if captions { Rect { y: inner.y + 1, height: inner.height - 1, ..inner } } else { inner };
    let room = if both { (inner.height - 1) / 2 } else { inner.height };
    let height = room.clamp(2, 16);
    // Letters are twice as high as wide.
    let label = 6;
    let width = ((2.0 * f64::from(height) / aspect).round() as u16).clamp(2, inner.width.max(2));
    let across = usize::from(inner.width.saturating_sub(label) / (width + 1));
    for prompt in 0..if captions { across } else { 0 } {
        let place = Rect { x: inner.x + label + prompt as u16 * (width + 1), y: inner.y - 1, width, height: 1 };
        let text = session.figures.prompts.get(prompt).map_or("", String::as_str);
        frame.render_widget(Paragraph::new(clip(text, width.into())).style(theme.dim()), place);
    }
    let mut row = |y: u16, name: &str, picture: &dyn Fn(usize) -> Option<Rgb>| {
        frame.render_widget(
            Paragraph::new(name.to_owned()).style(theme.dim()),
            Rect { y, height: 1, width: label, ..inner },
        );
        for prompt in 0..across {
            let place = Rect { x: inner.x + label + prompt as u16 * (width + 1), y, width, height };
            if let Some(picture) = picture(prompt).filter(|_| place.bottom() <= inner.bottom()) {
                app.gallery.draw(&picture, place, theme.dim(), frame.buffer_mut());
            }
        }
    };
    if let Some(sheet) = base {
        row(inner.y, "base", &|prompt| sheet.get(prompt, 0).cloned());
    }
    let y = if both { inner.y + height + 1 } else { inner.y };
    row(y, "mix", &|prompt| soup.preview.as_ref()?.pictures.get(prompt).cloned());
}
