//! A row of images for each point that is compared, or for what two of them are against each other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::SystemTime;

use moa_core::{EvaluationRecord, PointKind, RunId};
use moa_store::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{Images, Versus, extent, pair};
use crate::experiment::Experiment;
use crate::picture::Rgb;
use crate::screen::front::direction;
use crate::session::{Pictures, Session};
use crate::shared::Shared;
use crate::theme::sign;
use crate::widget::{clip, fitting, message, signed};

/// Time between two images that blink.
const BLINK_MILLIS: u128 = 500;
/// Differences that are kept, at most.
const MOST_KEPT: usize = 200;

/// What a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Point(RunId),
    Difference(RunId, RunId),
}

/// Images of differences, made once each.
#[derive(Default)]
pub(super) struct Differences {
    known: RefCell<HashMap<(u64, u64), Option<Rgb>>>,
}

impl Differences {
    fn of(&self, one: &Rgb, other: &Rgb) -> Option<Rgb> {
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.entry((one.hash(), other.hash())).or_insert_with(|| one.difference(other)).clone()
    }
}

/// Returns which of two is shown while they blink.
fn turn(now: SystemTime) -> usize {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    (since / BLINK_MILLIS % 2) as usize
}

impl Images {
    /// Returns what the rows show.
    fn rows(&self, session: &Session, now: SystemTime) -> Vec<Of> {
        match (self.versus, pair(session)) {
            (Versus::Blink, Some(pair)) => vec![Of::Point(pair[turn(now)].clone())],
            (Versus::Difference, Some([one, other])) => {
                vec![Of::Point(one.clone()), Of::Point(other.clone()), Of::Difference(other, one)]
            }
            _ => session.compared().into_iter().map(Of::Point).collect(),
        }
    }
}

/// Returns an image of a point.
fn image<'a>(session: &'a Session, id: &RunId, (prompt, noise): (usize, usize)) -> Option<&'a Rgb> {
    match session.sheets.get(id) {
        Some(Pictures::Ready(sheet)) => sheet.get(prompt, noise.min(sheet.pictures().max(1) - 1)),
        _ => None,
    }
}

pub(super) fn view(
    own: &Images,
    shared: &Shared,
    session: &Session,
    experiment: &Experiment,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let area = against(shared, session, frame, area);
    let rows = own.rows(session, shared.now);
    // Prompts above the images; of one prompt a single line is enough on a small screen.
    let caption = if own.noises && area.height < 20 { 1 } else { 3 };
    let head: u16 = if own.noises { 2 } else { 1 };
    let room = area.height.saturating_sub(caption) / rows.len().max(1) as u16;
    if room < head + 2 {
        return message(theme, frame, area, "Too small", "make the terminal higher, or clear marks with M");
    }
    let aspect = rows.iter().find_map(|row| {
        let (Of::Point(id) | Of::Difference(id, _)) = row;
        image(session, id, (0, 0)).map(Rgb::aspect)
    });
    // Below each image what it scores, where that was kept.
    let known =
        rows.iter().any(|row| matches!(row, Of::Point(id) if session.scores.get(id).is_some_and(Option::is_some)));
    let scored = if known { (experiment.rewards.len() as u16).min((room - head) / 4) } else { 0 };
    let most = room - head - scored;
    // All images of a prompt have room beside each other, unless they are made larger.
    let noises = if own.noises { extent(session).1.clamp(1, 4) as u16 } else { 1 };
    let widest = f64::from(area.width.saturating_sub(noises - 1) / noises);
    let fits = (0.5 * widest * aspect.unwrap_or(1.0)).floor() as u16;
    let usual = if own.noises { fits.clamp(2, most) } else { most };
    let height = (i32::from(usual) + i32::from(own.zoom)).clamp(2, i32::from(most)) as u16;
    // Cells are twice as high as wide.
    let width = ((2.0 * f64::from(height) / aspect.unwrap_or(1.0)).round() as u16).clamp(2, area.width.max(2));
    let across = usize::from((area.width + 1) / (width + 1)).max(1);
    let shown: Vec<(usize, usize)> = if own.noises {
        (0..across).map(|noise| (own.prompt, noise)).collect()
    } else {
        (own.prompt..own.prompt + across).map(|prompt| (prompt, own.noise)).collect()
    };
    captions(own, session, &shown, (width, caption), frame, area, theme.dim());
    for (place, row) in rows.iter().enumerate() {
        let top = area.y + caption + place as u16 * room;
        heading(own, shared, session, experiment, row, frame, Rect { y: top, height: head, ..area });
        let below = Rect { y: top + head, height: room - head, ..area };
        let mut drawn = 0;
        for (column, at) in shown.iter().enumerate() {
            let cell = Rect { x: area.x + column as u16 * (width + 1), y: top + head, width, height };
            let found = match row {
                Of::Point(id) => image(session, id, *at).filter(|_| is_there(session, id, *at)).cloned(),
                Of::Difference(one, other) => {
                    let both = image(session, one, *at).zip(image(session, other, *at));
                    both.and_then(|(one, other)| own.differences.of(one, other))
                }
            };
            if let Some(picture) = found.filter(|_| cell.right() <= area.right()) {
                shared.gallery.draw(&picture, cell, theme.dim(), frame.buffer_mut());
                drawn += 1;
                if let Of::Point(id) = row {
                    let lines = of_image(session, experiment, id, *at, usize::from(width));
                    let place = Rect { y: cell.bottom(), height: scored, ..cell };
                    frame.render_widget(Paragraph::new(lines).style(theme.dim()), place);
                }
            }
        }
        if let (0, Of::Point(id)) = (drawn, row) {
            let text = missing(session, experiment, id);
            frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), below);
        }
    }
}

/// Draws at the foot what one of two points has more than the other, over all prompts; returns the area above.
fn against(shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let theme = shared.theme;
    let Some([other, one]) = session.pair().filter(|_| area.height >= 14) else { return area };
    let Some(Some(Ok(found))) = session.pairs.get(&[other.clone(), one.clone()]) else { return area };
    let mut parts = vec![vec![Span::styled(format!("{one} − {other}, 95 %:"), theme.dim())]];
    parts.extend(found.iter().map(|paired| {
        let half = paired.difference.half_width().map_or(String::new(), |half| format!(" ± {half:.3}"));
        let (arrow, style) = sign(paired.sign(), theme);
        vec![
            Span::styled(format!("{} ", paired.name), theme.dim()),
            Span::raw(signed(paired.difference.mean)),
            Span::styled(half, theme.dim()),
            Span::styled(arrow, style),
        ]
    }));
    let lines = fitting(parts, area.width.into());
    let height = (lines.len() as u16).min(3);
    frame.render_widget(Paragraph::new(lines), Rect { y: area.bottom() - height, height, ..area });
    Rect { height: area.height - height, ..area }
}

/// Returns what an image scores, a line for each reward; nothing where that was not kept.
fn of_image(
    session: &Session,
    experiment: &Experiment,
    id: &RunId,
    (prompt, noise): (usize, usize),
    width: usize,
) -> Vec<Line<'static>> {
    let Some(Some(scores)) = session.scores.get(id) else { return Vec::new() };
    let per_prompt = scores.images_per_prompt as usize;
    let line = |reward: &String| {
        let column = scores.columns.iter().find(|column| column.role == Role::Reward && column.name == *reward)?;
        let score = *column.scores.get(prompt * per_prompt + noise).filter(|_| noise < per_prompt)?;
        let value = score.map_or("–".to_owned(), |score| format!("{score:.3}"));
        let name = clip(reward, width.saturating_sub(value.chars().count() + 1));
        Some(Line::from(format!("{name} {value}")))
    };
    experiment.rewards.iter().filter_map(line).collect()
}

/// Whether a point has this very image, and not only the prompt's last in its place.
fn is_there(session: &Session, id: &RunId, (_, noise): (usize, usize)) -> bool {
    match session.sheets.get(id) {
        Some(Pictures::Ready(sheet)) => noise < sheet.pictures(),
        _ => false,
    }
}

fn missing(session: &Session, experiment: &Experiment, id: &RunId) -> String {
    match session.sheets.get(id) {
        Some(Pictures::Missing(reason)) => format!("no images: {reason}; a resumed sweep draws them again"),
        Some(Pictures::Asked) => "reading …".into(),
        Some(Pictures::Ready(_)) => "no such prompt".into(),
        None if experiment.runs.iter().any(|run| run.id == *id) => "not evaluated yet".into(),
        None => "no images".into(),
    }
}

fn captions(
    own: &Images,
    session: &Session,
    shown: &[(usize, usize)],
    (width, height): (u16, u16),
    frame: &mut Frame<'_>,
    area: Rect,
    style: ratatui::style::Style,
) {
    let text = |prompt: usize| session.figures.prompts.get(prompt).map_or("", String::as_str);
    let mut put = |text: &str, place: Rect| {
        frame.render_widget(Paragraph::new(text.to_owned()).style(style).wrap(Wrap { trim: true }), place);
    };
    if own.noises {
        return put(text(own.prompt), Rect { height, ..area });
    }
    for (column, (prompt, _)) in shown.iter().enumerate() {
        let place = Rect { x: area.x + column as u16 * (width + 1), y: area.y, width, height };
        if place.right() <= area.right() {
            put(text(*prompt), place);
        }
    }
}

/// Draws what a row is, and what it scores: over all prompts, or on the one that is shown.
fn heading(
    own: &Images,
    shared: &Shared,
    session: &Session,
    experiment: &Experiment,
    row: &Of,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let width = usize::from(area.width);
    let id = match row {
        Of::Point(id) => id,
        Of::Difference(one, other) => {
            let text = clip(&format!("{one} − {other}, twice as strong"), width);
            return frame.render_widget(Paragraph::new(text).style(theme.strong()), area);
        }
    };
    let mark_of = session.marks.iter().position(|mark| mark == id);
    let style = mark_of.map_or(theme.accent(), |place| theme.series(place));
    let name = Span::styled(clip(id.as_str(), width.saturating_sub(2)), theme.strong());
    let mut first = vec![Span::styled("■ ", style), name];
    if !own.noises {
        let room = width.saturating_sub(first.iter().map(Span::width).sum());
        first.extend(scores(shared, session, id, room));
        return frame.render_widget(Paragraph::new(Line::from(first)), area);
    }
    let second = Line::styled(of_prompt(experiment, id, own.prompt, width), theme.dim());
    frame.render_widget(Paragraph::new(vec![Line::from(first), second]), area);
}

/// Returns the gains of a point over all prompts, as many as there is room for.
fn scores(shared: &Shared, session: &Session, id: &RunId, mut room: usize) -> Vec<Span<'static>> {
    let theme = shared.theme;
    let Some(point) = session.figures.point(id) else { return Vec::new() };
    let mut spans = Vec::new();
    for (name, score) in session.figures.report.rewards.iter().zip(&point.rewards) {
        let (arrow, style) = direction(score, theme);
        let value = match score.difference {
            Some(gain) if point.kind != PointKind::Base => signed(gain.mean),
            _ => format!("{:.3}", score.mean.mean),
        };
        let used = name.chars().count() + value.chars().count() + 5;
        if used > room {
            break;
        }
        room -= used;
        spans.push(Span::styled(format!("   {name} "), theme.dim()));
        spans.push(Span::raw(value));
        spans.push(Span::styled(arrow, style));
    }
    spans
}

/// Returns what the images of one prompt score in the mean, and how much more than the base's.
fn of_prompt(experiment: &Experiment, id: &RunId, prompt: usize, width: usize) -> String {
    let find = |id: &str| experiment.evaluations.iter().find(|record| record.id.as_str() == id);
    let (Some(own), base) = (find(id.as_str()), find(RunId::BASE)) else { return "no scores of single prompts".into() };
    let value =
        |record: &EvaluationRecord, reward: usize| record.rewards.get(reward)?.prompt_means.get(prompt).copied();
    let part = |(reward, name): (usize, &String)| {
        let own_value = value(own, reward)?;
        let gain = base.filter(|_| id.as_str() != RunId::BASE).and_then(|base| Some(own_value - value(base, reward)?));
        Some(gain.map_or(format!("{name} {own_value:.3}"), |gain| format!("{name} {own_value:.3} ({gain:+.3})")))
    };
    let parts: Vec<String> = experiment.rewards.iter().enumerate().filter_map(part).collect();
    let fits = |text: String, part: &String| {
        let longer = if text.is_empty() { format!("this prompt: {part}") } else { format!("{text}  {part}") };
        if longer.chars().count() <= width { longer } else { text }
    };
    parts.iter().fold(String::new(), fits)
}
