//! What the rating UI looks like: progress above, keys below, the question between.

use std::ops::Range;

use moa_rating::Mode;
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::app::{App, Hit, Picture};
use super::clerk::Asked;
use super::keys::{self, EVERYWHERE, TAG_KEYS};
use super::layout::{Place, places};
use super::overlay;
use crate::key::c;
use crate::shared::Tone;
use crate::widget::{bar, clip, message, wrapped};

/// Smaller terminals are told so.
const LEAST: (u16, u16) = (40, 12);
/// From this height on there is room for blank lines.
const ROOMY: u16 = 30;
/// Lines of a prompt and of tags, at most.
const MOST_PROMPT: usize = 3;
const MOST_TAGS: usize = 2;
/// The columns of the bar of progress.
const BAR: u16 = 16;

/// Draws the UI.
pub fn view(app: &App, frame: &mut Frame<'_>) {
    app.clicks.clear();
    app.visible.set(false);
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(frame, area, &format!("at least {} × {}", LEAST.0, LEAST.1));
    }
    let row = |y: u16| Rect { y, height: 1, ..area };
    head(app, frame, row(area.y));
    let tags = tags(app, area.width - 2);
    // Keys, news, and where there is room, what was learned on a line of its own.
    let (foot_rows, learned) = if area.height >= ROOMY { (3, "") } else { (2, &*app.progress.learned.text) };
    let below = foot_rows + tags.len() as u16;
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 1 - below };
    match app.question() {
        Some(question) => show(app, question, frame, body),
        None if app.who.is_some() => message(app.theme, frame, body, "One moment …", "the next question is chosen"),
        None => {}
    }
    for (line, y) in tags.iter().zip(body.bottom()..) {
        show_tags(app, frame, row(y), line);
    }
    if foot_rows > 2 {
        plainly(app, &app.progress.learned.text, frame, row(area.bottom() - 3));
    }
    match &app.news {
        Some((text, tone)) => news(app, text, *tone, frame, row(area.bottom() - 2)),
        None => plainly(app, learned, frame, row(area.bottom() - 2)),
    }
    hints(app, frame, row(area.bottom() - 1));
    overlay::view(app, frame, area);
}

fn too_small(frame: &mut Frame<'_>, area: Rect, hint: &str) {
    let text = format!("{} × {} is too small: {hint}", area.width, area.height);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).alignment(Alignment::Center), area);
}

/// The line of how far rating is.
fn head(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let answered = app.progress.answered;
    let mut count = vec![Span::raw("  ")];
    if let Some(goal) = app.options.goal.filter(|goal| *goal > 0) {
        count.extend(bar(answered as f64 / goal as f64, BAR.into(), theme.accent(), theme.line()));
        count.push(Span::raw(format!(" {answered} of {goal}")));
    } else {
        count.push(Span::raw(plural(answered)));
    }
    let mut own = app.who.clone().unwrap_or_default();
    if let Some(rater) = app.own() {
        own = format!("{} · {}", clip(&own, 20), plural(rater.answered));
        if let Some(pace) = rater.per_minute {
            own = format!("{own} · {pace:.0} a minute");
        }
    }
    let taken: usize = count.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(taken + 2);
    // The name has room before the title has.
    let own = clip(&own, room);
    let title = clip(&app.title, room.saturating_sub(own.chars().count() + 2));
    let mut spans = vec![Span::raw(" "), Span::styled(title, theme.accent())];
    spans.append(&mut count);
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    let right = Line::styled(own + " ", theme.dim()).alignment(Alignment::Right);
    let width = (right.width() as u16).min(area.width);
    frame.render_widget(Paragraph::new(right), Rect { x: area.right() - width, width, ..area });
}

fn plural(answers: usize) -> String {
    format!("{answers} answer{}", if answers == 1 { "" } else { "s" })
}

/// The areas of a question: its prompt, what is asked, its images.
fn areas(question: &Asked, body: Rect) -> (Vec<String>, Rect, Rect, Rect) {
    let roomy = u16::from(body.height >= ROOMY);
    let mut prompt = wrapped(&question.prompt, body.width.into());
    if prompt.len() > MOST_PROMPT {
        let rest = prompt.split_off(MOST_PROMPT - 1).join(" ");
        prompt.push(clip(&rest, body.width.into()));
    }
    let height = prompt.len() as u16;
    let first = Rect { y: body.y + roomy, height, ..body };
    let asked = Rect { y: first.bottom(), height: 1, ..body };
    let top = asked.bottom() + roomy;
    (prompt, first, asked, Rect { y: top, height: body.bottom().saturating_sub(top), ..body })
}

/// Returns where the images of a question go.
fn placed(app: &App, question: &Asked, area: Rect) -> Option<Vec<Place>> {
    let size = |place: &usize| match app.pictures.get(place) {
        Some(Picture::Ready(rgb)) => Some(rgb.size()),
        _ => None,
    };
    // Images on their way are taken for as large as the others.
    let first = question.images.iter().find_map(size).unwrap_or((1, 1));
    let sizes: Vec<(u32, u32)> = question.images.iter().map(|place| size(place).unwrap_or(first)).collect();
    places(area, &sizes, app.cell)
}

fn show(app: &App, question: &Asked, frame: &mut Frame<'_>, body: Rect) {
    let theme = app.theme;
    let (prompt, first, asked, images) = areas(question, body);
    let lines: Vec<Line<'_>> = prompt.into_iter().map(|line| Line::styled(line, theme.strong())).collect();
    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), first);
    frame
        .render_widget(Paragraph::new(wanted(app.options.mode)).style(theme.dim()).alignment(Alignment::Center), asked);
    let Some(places) = placed(app, question, images) else {
        let text = format!("the terminal is too small for {} images", question.images.len());
        return frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), images);
    };
    let mut visible = true;
    for (index, (place, at)) in question.images.iter().zip(&places).enumerate() {
        match app.pictures.get(place) {
            Some(Picture::Ready(rgb)) => {
                visible &= app.gallery.prepare(rgb, at.image);
                app.gallery.draw(rgb, at.image, theme.dim(), frame.buffer_mut());
            }
            Some(Picture::Broken(reason)) => {
                visible = false;
                let text = format!("This image cannot be shown: {reason}. Skip it.");
                let text = Paragraph::new(text).style(theme.bad()).wrap(Wrap { trim: true });
                frame.render_widget(text, Rect { x: at.label.x, width: at.label.width, ..at.image });
            }
            Some(Picture::Waiting) | None => visible = false,
        }
        if matches!(app.options.mode, Mode::Ranking { .. }) {
            app.clicks.put(at.image, Hit::Image(index));
        }
        let label = label(app, index).alignment(Alignment::Center);
        frame.render_widget(Paragraph::new(label), at.label);
    }
    app.visible.set(visible && app.overlay.is_none());
    // The next questions are to be there at once.
    for next in app.questions.iter().skip(1) {
        let places = placed(app, next, areas(next, body).3);
        for (place, at) in next.images.iter().zip(places.iter().flatten()) {
            if let Some(Picture::Ready(rgb)) = app.pictures.get(place) {
                app.gallery.prepare(rgb, at.image);
            }
        }
    }
}

/// Returns what is asked.
fn wanted(mode: Mode) -> String {
    match mode {
        Mode::Pairs => "Which image is better?".into(),
        Mode::Ranking { .. } => "Order the images, the best first.".into(),
        Mode::Labels => "Is this image good?".into(),
        Mode::Scores { best } => format!("How good is this image? 1 is the worst, {best} the best."),
    }
}

/// Returns the line below an image.
fn label(app: &App, index: usize) -> Line<'static> {
    let theme = app.theme;
    let key = |text: String| Span::styled(text, theme.key());
    match app.options.mode {
        Mode::Pairs if index == 0 => Line::from(key("← 1".into())),
        Mode::Pairs => Line::from(key("2 →".into())),
        Mode::Ranking { .. } => match app.ranks.get(index) {
            Some(rank) => {
                let rank = Span::styled(format!("  rank {rank}"), theme.good().patch(theme.strong()));
                Line::from(vec![key((index + 1).to_string()), rank])
            }
            None => Line::from(key((index + 1).to_string())),
        },
        Mode::Labels | Mode::Scores { .. } => Line::default(),
    }
}

/// Returns which tags are on which line, as many as there is room for.
fn tags(app: &App, width: u16) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut used = usize::MAX;
    for (place, tag) in app.options.tags.iter().enumerate() {
        let wide = tag_width(tag);
        let fits = used.saturating_add(wide) <= usize::from(width);
        if !fits && lines.len() == MOST_TAGS {
            break;
        }
        if let Some(line) = lines.last_mut().filter(|_| fits) {
            line.end = place + 1;
        } else {
            lines.push(place..place + 1);
            used = WHY.len();
        }
        used += wide;
    }
    lines
}

const WHY: &str = "Why?  ";

/// Returns the columns of a tag, with its key, mark and the blanks behind it.
fn tag_width(tag: &str) -> usize {
    tag.chars().count() + 6
}

fn show_tags(app: &App, frame: &mut Frame<'_>, area: Rect, line: &Range<usize>) {
    let theme = app.theme;
    let why = if line.start == 0 { WHY } else { "      " };
    let mut spans = vec![Span::raw(" "), Span::styled(why, theme.dim())];
    let mut x = area.x + 1 + WHY.len() as u16;
    for place in line.clone() {
        let tag = &app.options.tags[place];
        let chosen = app.tags.get(place).is_some_and(|chosen| *chosen);
        let (mark, style) = if chosen { ("✓", theme.good().patch(theme.strong())) } else { (" ", Style::new()) };
        let letter = TAG_KEYS.get(place).map_or(' ', |letter| *letter);
        let width = tag_width(tag) as u16;
        app.clicks.put(Rect { x, width: width - 2, ..area }, Hit::Tag(place));
        x += width;
        spans.push(Span::styled(format!("{letter} "), theme.key()));
        spans.push(Span::styled(format!("{mark}{tag}"), style));
        spans.push(Span::raw("   "));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The line of what has just happened.
fn news(app: &App, text: &str, tone: Tone, frame: &mut Frame<'_>, area: Rect) {
    let (mark, style) = match tone {
        Tone::Plain => ("", app.theme.dim()),
        Tone::Good => ("✓ ", app.theme.good()),
        Tone::Bad => ("✗ ", app.theme.bad()),
    };
    line(&format!("{mark}{text}"), style, frame, area);
}

fn plainly(app: &App, text: &str, frame: &mut Frame<'_>, area: Rect) {
    line(text, app.theme.dim(), frame, area);
}

fn line(text: &str, style: Style, frame: &mut Frame<'_>, area: Rect) {
    let area = Rect { x: area.x + 1, width: area.width - 2, ..area };
    frame.render_widget(Paragraph::new(clip(&text.replace('\n', " "), area.width.into())).style(style), area);
}

/// The line of keys: those of the question, then those of all, as many as there is room for.
fn hints(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (theme, mode) = (app.theme, app.options.mode);
    // A tag may have the letter that quits.
    let quits = if app.tags.is_empty() { "q" } else { "^c" };
    let named = |row| keys::named(row, mode, false);
    let all: Vec<(String, &'static str, _)> = keys::of(mode)
        .iter()
        .chain(EVERYWHERE)
        .map(|row| {
            let name = if row.binding.hint == "quit" { quits.to_owned() } else { named(row) };
            (name, row.binding.hint, row.binding.keys)
        })
        .collect();
    let width = |(name, hint, _): &(String, &str, _)| name.chars().count() + hint.chars().count() + 3;
    let mut room = usize::from(area.width).saturating_sub(1 + all.iter().rev().take(2).map(width).sum::<usize>());
    let last = all.len() - 2;
    let mut spans = vec![Span::raw(" ")];
    let mut x = area.x + 1;
    for (place, hint) in all.into_iter().enumerate() {
        let wide = width(&hint);
        if place < last {
            if wide > room {
                continue;
            }
            room -= wide;
        }
        let (name, hint, keys) = hint;
        if keys.len() < 9 {
            let key = if name == "q" { c('q') } else { keys[0] };
            app.clicks.put(Rect { x, width: wide as u16 - 2, ..area }, Hit::Key(key));
        }
        x += wide as u16;
        spans.push(Span::styled(name, theme.key()));
        spans.push(Span::styled(format!(" {hint}  "), theme.dim()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
