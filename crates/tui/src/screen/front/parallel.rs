//! All rewards at once: one axis for each, one line for each point.

use moa_core::PointKind;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::dots::{Dot, axis, shows_gains};
use super::{Front, Target};
use crate::session::Session;
use crate::shared::Shared;
use crate::widget::{Axis, Braille, clip, fitting, short, signed};

/// So many points have a colour of their own; with more, kinds have.
const MOST_COLOURS: usize = 14;

/// Returns the style of the point in a place among `dots`.
fn style(shared: &Shared, session: &Session, dots: &[Dot<'_>], place: usize) -> Style {
    let (theme, dot) = (shared.theme, &dots[place]);
    let mark = session.marks.iter().position(|mark| mark == dot.id);
    match (mark, dot.kind) {
        (Some(mark), _) => theme.series(mark),
        (None, PointKind::Base) => theme.strong(),
        (None, _) if dots.len() <= MOST_COLOURS => theme.series(place),
        (None, _) if dot.behind => theme.line(),
        (None, kind) => theme.kind(kind),
    }
}

pub(super) fn view(
    front: &Front,
    shared: &Shared,
    session: &Session,
    (dots, names): (&[Dot<'_>], &[String]),
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    if area.height < 5 || area.width < 20 {
        return;
    }
    let area = legend(front, shared, session, dots, frame, area);
    let inner = Rect { x: area.x + 4, y: area.y + 2, width: area.width - 8, height: area.height - 3 };
    let axes: Vec<Axis> = (0..names.len()).map(|column| axis(dots, column, false)).collect();
    let place = |column: usize| column as f64 / (names.len().max(2) - 1) as f64;
    let selected = |dot: &Dot<'_>| session.selected.as_ref() == Some(dot.id);
    let marked = |dot: &Dot<'_>| session.marks.contains(dot.id);
    let mut order: Vec<usize> = (0..dots.len()).filter(|dot| dots[*dot].wanted || selected(&dots[*dot])).collect();
    order.sort_by_key(|dot| (selected(&dots[*dot]), marked(&dots[*dot]), !dots[*dot].behind));
    let mut lines = Braille::new(inner);
    for index in order {
        let dot = &dots[index];
        let style = if selected(dot) { theme.accent() } else { style(shared, session, dots, index) };
        let values = dot.values.iter().zip(&axes).enumerate();
        let places: Vec<(f64, f64)> = values
            .filter_map(|(column, (value, axis))| Some(lines.place(place(column), axis.share(value.mean)?)))
            .collect();
        for pair in places.windows(2) {
            if dot.behind && !selected(dot) {
                lines.dashes(pair[0], pair[1], style);
            } else {
                lines.line(pair[0], pair[1], style);
            }
        }
    }
    lines.render(frame.buffer_mut());
    for (column, (name, axis)) in names.iter().zip(&axes).enumerate() {
        let x = inner.x + (place(column) * f64::from(inner.width - 1)).round() as u16;
        let brush = front.brushes.get(column).copied().flatten();
        for row in inner.y..inner.bottom() {
            let share = 1.0 - f64::from(row - inner.y) / f64::from(inner.height.max(2) - 1);
            let inside = brush.is_some_and(|(lo, hi)| (lo..=hi).contains(&axis.value(share)));
            let style = if inside { theme.warn() } else { theme.line() };
            frame.buffer_mut().set_string(x, row, if inside { "┃" } else { "│" }, style);
        }
        let room = usize::from(inner.width) / names.len().max(1);
        let style = if column == front.x { theme.accent() } else { theme.strong() };
        let mut centred = |row: u16, text: &str, style| {
            let length = text.chars().count() as u16;
            let start = x.saturating_sub(length / 2).clamp(area.x, area.right().saturating_sub(length).max(area.x));
            frame.buffer_mut().set_string(start, row, text, style);
        };
        centred(area.y, &clip(name, room), style);
        centred(area.y + 1, &short(axis.hi), theme.dim());
        centred(inner.bottom(), &short(axis.lo), theme.dim());
        front.clicks.put(Rect { x: x.saturating_sub(1), width: 3, ..inner }, Target::Axis(column, *axis));
        for dot in dots.iter().filter(|dot| selected(dot)) {
            if let Some(share) = axis.share(dot.values[column].mean) {
                let row = inner.y + ((1.0 - share) * f64::from(inner.height - 1)).round() as u16;
                frame.buffer_mut().set_string(x, row, "●", theme.accent());
                let mean = dot.values[column].mean;
                let text = if shows_gains(front, session) { signed(mean) } else { short(mean) };
                let left = x + 2 + text.len() as u16 > area.right().max(inner.right() + 3);
                let start = if left { x.saturating_sub(1 + text.len() as u16) } else { x + 2 };
                frame.buffer_mut().set_string(start, row, text, theme.accent());
            }
        }
    }
}

/// Draws which line is whose, as far as there is room; returns the area above.
fn legend(
    front: &Front,
    shared: &Shared,
    session: &Session,
    dots: &[Dot<'_>],
    frame: &mut Frame<'_>,
    area: Rect,
) -> Rect {
    let theme = shared.theme;
    if area.height < 12 {
        return area;
    }
    let part = |(style, line, name): (Style, &'static str, String)| {
        vec![Span::styled(line, style), Span::styled(format!(" {name}"), theme.dim())]
    };
    let mut parts: Vec<Vec<Span<'static>>> = vec![part((theme.accent(), "━", "selected".into()))];
    let own = |place: usize| {
        let line = if dots[place].behind { "╌" } else { "━" };
        part((style(shared, session, dots, place), line, front.name(dots[place].id).to_owned()))
    };
    if dots.len() <= MOST_COLOURS {
        parts.extend((0..dots.len()).map(own));
    } else {
        parts.push(part((theme.strong(), "━", "base".into())));
        let kinds = [
            (PointKind::Trained, "trained"),
            (PointKind::Given, "given"),
            (PointKind::Soup, "soup"),
            (PointKind::Blend, "blend"),
        ];
        let present = kinds.into_iter().filter(|(kind, _)| dots.iter().any(|dot| dot.kind == *kind));
        parts.extend(present.map(|(kind, name)| part((theme.kind(kind), "━", name.into()))));
    }
    parts.push(part((theme.dim(), "╌", "dominated".into())));
    let lines: Vec<Line<'_>> = fitting(parts, area.width.into()).into_iter().take(3).collect();
    let height = lines.len() as u16;
    frame.render_widget(Paragraph::new(lines), Rect { y: area.bottom() - height, height, ..area });
    Rect { height: area.height - height, ..area }
}
