//! All rewards at once: one axis for each, one line for each point.

use moa_core::PointKind;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::{App, Hit};
use crate::screen::front::{Dot, axis};
use crate::session::Session;
use crate::widget::{Axis, Braille, clip, short};

pub(crate) fn view(
    app: &App,
    session: &Session,
    dots: &[Dot<'_>],
    names: &[String],
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = app.theme;
    if area.height < 5 || area.width < 20 {
        return;
    }
    let inner = Rect { x: area.x + 4, y: area.y + 2, width: area.width - 8, height: area.height - 3 };
    let axes: Vec<Axis> = (0..names.len()).map(|column| axis(dots, column, false)).collect();
    let place = |column: usize| column as f64 / (names.len().max(2) - 1) as f64;
    let mut order: Vec<&Dot<'_>> = dots.iter().collect();
    let selected = |dot: &Dot<'_>| session.selected.as_ref() == Some(&dot.point.id);
    let marked = |dot: &Dot<'_>| session.marks.iter().position(|mark| *mark == dot.point.id);
    order.sort_by_key(|dot| (selected(dot), marked(dot).is_some(), dot.wanted, !dot.point.is_behind()));
    let mut lines = Braille::new(inner);
    for dot in order {
        let style = match (marked(dot), dot.point.kind) {
            _ if selected(dot) => theme.accent(),
            (Some(place), _) => theme.series(place),
            _ if !dot.wanted => continue,
            (None, PointKind::Base) => theme.strong(),
            (None, _) if dot.point.is_behind() => theme.line(),
            (None, PointKind::Soup) => theme.series(1),
            (None, PointKind::Blend) => theme.series(2),
            (None, PointKind::Trained) => theme.dim(),
        };
        let places: Vec<(f64, f64)> = dot
            .values
            .iter()
            .zip(&axes)
            .enumerate()
            .filter_map(|(column, (value, axis))| Some(lines.place(place(column), axis.share(value.mean)?)))
            .collect();
        for pair in places.windows(2) {
            lines.line(pair[0], pair[1], style);
        }
    }
    lines.render(frame.buffer_mut());
    for (column, (name, axis)) in names.iter().zip(&axes).enumerate() {
        let x = inner.x + (place(column) * f64::from(inner.width - 1)).round() as u16;
        let brush = session.front.brushes.get(column).copied().flatten();
        for row in inner.y..inner.bottom() {
            let share = 1.0 - f64::from(row - inner.y) / f64::from(inner.height.max(2) - 1);
            let inside = brush.is_some_and(|(lo, hi)| (lo..=hi).contains(&axis.value(share)));
            let style = if inside { theme.warn() } else { theme.line() };
            frame.buffer_mut().set_string(x, row, if inside { "┃" } else { "│" }, style);
        }
        let room = usize::from(inner.width) / names.len().max(1);
        let style = if column == session.front.x { theme.accent() } else { theme.strong() };
        let mut centred = |row: u16, text: &str, style| {
            let length = text.chars().count() as u16;
            let start = x.saturating_sub(length / 2).clamp(area.x, area.right().saturating_sub(length).max(area.x));
            frame.buffer_mut().set_string(start, row, text, style);
        };
        centred(area.y, &clip(name, room), style);
        centred(area.y + 1, &short(axis.hi), theme.dim());
        centred(inner.bottom(), &short(axis.lo), theme.dim());
        let area = Rect { x: x.saturating_sub(1), width: 3, ..inner };
        app.clickable(area, Hit::Parallel(column, *axis));
        for dot in dots.iter().filter(|dot| selected(dot)) {
            if let Some(share) = axis.share(dot.values[column].mean) {
                let row = inner.y + ((1.0 - share) * f64::from(inner.height - 1)).round() as u16;
                frame.buffer_mut().set_string(x, row, "●", theme.accent());
                let text = short(dot.values[column].mean);
                let left = x + 2 + text.len() as u16 > area.right().max(inner.right() + 3);
                let start = if left { x.saturating_sub(1 + text.len() as u16) } else { x + 2 };
                frame.buffer_mut().set_string(start, row, text, theme.accent());
            }
        }
    }
}
