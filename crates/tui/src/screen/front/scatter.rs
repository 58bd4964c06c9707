//! Points by two rewards, with names, error bars and the staircase of what is best in these two.

use moa_core::PointKind;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::dots::{Dot, axis, shows_gains};
use super::names::Names;
use super::{Front, Target};
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::mark;
use crate::widget::{Braille, Plot, plot, staircase};

/// With more points than this only the marked ones have error bars.
const MOST_BARS: usize = 40;
/// With more points than this only those that stand out have names.
const MOST_NAMES: usize = 40;

pub(super) fn view(
    front: &Front,
    shared: &Shared,
    session: &Session,
    dots: &[Dot<'_>],
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let (x, y) = (front.x, front.y);
    let plot = plot(frame.buffer_mut(), area, axis(dots, x, front.bars), axis(dots, y, front.bars), theme);
    if plot.area.is_empty() {
        return;
    }
    front.clicks.put(plot.area, Target::Plot(plot));
    brushed(front, shared, &plot, frame);
    let named = |dot: &Dot<'_>| session.selected.as_ref() == Some(dot.id) || session.marks.contains(dot.id);
    let mut lines = Braille::new(plot.area);
    if shows_gains(front, session) {
        base_lines(&mut lines, &plot, theme.line());
    }
    steps(&mut lines, &plot, dots, (x, y), theme.line());
    if front.bars {
        let few = dots.len() <= MOST_BARS;
        for dot in dots.iter().filter(|dot| dot.wanted && (few || named(dot))) {
            let selected = session.selected.as_ref() == Some(dot.id);
            let style = if selected { theme.kind(dot.kind) } else { theme.line() };
            bars(&mut lines, &plot, dot, (x, y), style);
        }
    }
    lines.render(frame.buffer_mut());
    // What matters comes last, and lies on top.
    let mut order: Vec<&Dot<'_>> = dots.iter().collect();
    order.sort_by_key(|dot| (named(dot), dot.wanted, !dot.behind, dot.kind == PointKind::Base));
    let mut names = Names::new(plot.area);
    let mut cells = Vec::with_capacity(order.len());
    for dot in order {
        let Some((column, row)) = plot.cell(dot.values[x].mean, dot.values[y].mean) else { continue };
        let base = dot.kind == PointKind::Base;
        let (sign, style) = match () {
            () if !dot.wanted && !named(dot) => ("·", theme.line()),
            () if dot.provisional => ("◌", theme.kind(dot.kind)),
            () if dot.behind && !base && !named(dot) => ("·", theme.dim()),
            () => (mark(dot.kind), theme.kind(dot.kind)),
        };
        let style = if dot.sure || base { style.add_modifier(Modifier::BOLD) } else { style };
        let place = session.marks.iter().position(|mark| mark == dot.id);
        let (sign, style) = place.map_or((sign, style), |place| ("■", theme.series(place)));
        frame.buffer_mut().set_string(column, row, sign, style);
        let selected = session.selected.as_ref() == Some(dot.id);
        if selected {
            cursor(frame, &plot, (column, row), theme.accent());
        }
        names.take((column, row), 1);
        cells.push((dot, (column, row), selected));
    }
    let stands_out = |dot: &Dot<'_>| named(dot) || dot.kind == PointKind::Base || dot.sure;
    // The one under the cursor first: its name always has room.
    for (dot, cell, selected) in cells.into_iter().rev() {
        if selected {
            names.take((cell.0.saturating_sub(1), cell.1), 3);
        }
        if dot.wanted && (dots.len() <= MOST_NAMES || stands_out(dot)) {
            let style = if selected { theme.strong() } else { theme.dim() };
            names.put(frame, cell, front.name(dot.id), style);
        }
    }
}

/// Brackets around the point under the cursor.
fn cursor(frame: &mut Frame<'_>, plot: &Plot, (column, row): (u16, u16), style: Style) {
    if column > plot.area.x {
        frame.buffer_mut().set_string(column - 1, row, "⟨", style);
    }
    if column + 1 < plot.area.right() {
        frame.buffer_mut().set_string(column + 1, row, "⟩", style);
    }
}

/// Dashes where a gain is 0: what the base has.
fn base_lines(lines: &mut Braille, plot: &Plot, style: Style) {
    if let Some(x) = plot.x.share(0.0).filter(|share| (0.0..=1.0).contains(share)) {
        lines.dots(lines.place(x, 0.0), lines.place(x, 1.0), style);
    }
    if let Some(y) = plot.y.share(0.0).filter(|share| (0.0..=1.0).contains(share)) {
        lines.dots(lines.place(0.0, y), lines.place(1.0, y), style);
    }
}

/// The staircase of the points that no other beats in these two rewards.
fn steps(lines: &mut Braille, plot: &Plot, dots: &[Dot<'_>], (x, y): (usize, usize), style: Style) {
    if x == y {
        return;
    }
    let points = dots.iter().map(|dot| (dot.values[x].mean, dot.values[y].mean)).collect();
    let share = |(x, y): (f64, f64)| Some((plot.x.share(x)?, plot.y.share(y)?));
    let places: Vec<(f64, f64)> =
        staircase(points).into_iter().filter_map(share).map(|(x, y)| lines.place(x, y)).collect();
    let Some((first, last)) = places.first().zip(places.last()).map(|(a, b)| (*a, *b)) else { return };
    lines.dashes((first.0, lines.place(0.0, 0.0).1), first, style);
    for pair in places.windows(2) {
        lines.dashes(pair[0], (pair[1].0, pair[0].1), style);
        lines.dashes((pair[1].0, pair[0].1), pair[1], style);
    }
    lines.dashes(last, (0.0, last.1), style);
}

fn bars(lines: &mut Braille, plot: &Plot, dot: &Dot<'_>, (x, y): (usize, usize), style: Style) {
    let share = |x: f64, y: f64| Some((plot.x.share(x)?, plot.y.share(y)?));
    let (across, up) = (dot.values[x], dot.values[y]);
    for (from, to) in [((across.lo, up.mean), (across.hi, up.mean)), ((across.mean, up.lo), (across.mean, up.hi))] {
        if let (Some(from), Some(to)) = (share(from.0, from.1), share(to.0, to.1)) {
            let (from, to) = (lines.place(from.0, from.1), lines.place(to.0, to.1));
            lines.line(from, to, style);
        }
    }
}

/// The edges of what is brushed on the two axes.
fn brushed(front: &Front, shared: &Shared, plot: &Plot, frame: &mut Frame<'_>) {
    let style = shared.theme.warn();
    let brush = |column: usize| front.brushes.get(column).copied().flatten();
    if let Some((lo, hi)) = brush(front.x) {
        for (value, sign) in [(lo, "⎡"), (hi, "⎤")] {
            if let Some((column, _)) = plot.cell(value, plot.y.lo) {
                for row in plot.area.y..plot.area.bottom() {
                    frame.buffer_mut().set_string(column, row, if row == plot.area.y { sign } else { "┊" }, style);
                }
            }
        }
    }
    if let Some((lo, hi)) = brush(front.y) {
        for value in [lo, hi] {
            if let Some((_, row)) = plot.cell(plot.x.lo, value) {
                let width = usize::from(plot.area.width);
                frame.buffer_mut().set_string(plot.area.x, row, "┄".repeat(width), style);
            }
        }
    }
}
