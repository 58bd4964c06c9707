//! Between two models: one row of panels for each edge, one panel for each reward.

use std::path::Path;

use moa_pareto::Interval;

use crate::PlotError;
use crate::axis::Axis;
use crate::colour::Colour;
use crate::figure::{Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};
use crate::fronts::PointKind;
use crate::key::{Entry, KeyRows, Mark};
use crate::marker::Marker;
use crate::panel::{self, Panel};
use crate::render;

/// What lies between two models, made in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeLine {
    /// What the points between the ends are.
    pub kind: PointKind,
    /// The share of the second model, and the value with its interval.
    pub inner: Vec<(f64, Interval)>,
    /// The two models themselves, at the shares 0 and 1; the same for every line of a panel.
    pub ends: Vec<(f64, Interval)>,
}

/// The lines of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePanel {
    /// The quantity, with its unit.
    pub title: String,
    /// One line for each way to get from one model to the other.
    pub lines: Vec<EdgeLine>,
}

/// The panels of one edge.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeRow {
    /// The model at share 0.
    pub from: String,
    /// The model at share 1.
    pub to: String,
    /// Its panels.
    pub panels: Vec<EdgePanel>,
}

const CELL: (f64, f64) = (290.0, 200.0);
const MARGIN: f64 = 22.0;
const BETWEEN: f64 = 24.0;
const HEAD: f64 = 20.0;
const FOOT: f64 = 44.0;
const RADIUS: f64 = 4.0;
/// Points at the same share stand so far beside each other.
const DODGE: f64 = 7.0;
/// The straight line between the ends.
const CHORD: Stroke = Stroke::new(Colour::FRAME, 1.2).dashed(&[5.0, 3.0]);

/// Draws a row of panels for each edge: the value against the share of the second model, with intervals, one line for each
/// kind, and the chord between the ends. A line at 0 where 0 is in sight.
///
/// # Errors
/// No rows, no panels, no lines; numbers that are not finite, an ending other than `.svg` or `.png`, and failures to write.
pub fn draw_edges(path: &Path, title: &str, rows: &[EdgeRow]) -> Result<(), PlotError> {
    check(rows)?;
    render::save(path, &figure(title, rows))
}

fn figure(title: &str, rows: &[EdgeRow]) -> Figure {
    let columns = rows.iter().map(|row| row.panels.len()).max().unwrap_or(0);
    let axes: Vec<Vec<Axis>> = rows.iter().map(|row| row.panels.iter().map(y_axis).collect()).collect();
    let gutter = axes.iter().flatten().map(panel::gutter).fold(0.0, f64::max);
    let pitch = (gutter + CELL.0 + BETWEEN, HEAD + CELL.1 + FOOT + BETWEEN * 0.4);
    let across = columns as f64 * pitch.0 - BETWEEN;
    let entries = entries(rows);
    let key = KeyRows::new(&entries, across);
    let top = MARGIN + 26.0;
    let key_top = top + rows.len() as f64 * pitch.1 + 8.0;

    let mut figure = Figure::new(MARGIN + across + MARGIN, key_top + key.height() + MARGIN * 0.8);
    let shown = font::fit(title, Weight::SemiBold, 14.0, across);
    figure.text(Text::new(shown, 14.0, Point::new(MARGIN, MARGIN + 10.0)).bold());
    for (line, (row, axes)) in rows.iter().zip(axes).enumerate() {
        for (column, (panel, y)) in row.panels.iter().zip(axes).enumerate() {
            let left = MARGIN + column as f64 * pitch.0 + gutter;
            let frame = Rect::new(left, top + line as f64 * pitch.1 + HEAD, CELL.0, CELL.1);
            let area = Panel { frame, x: Axis::covering([0.0, 1.0].into_iter(), 0.06, 5), y };
            let heading = font::fit(&panel.title, Weight::SemiBold, 11.5, CELL.0);
            figure.text(Text::new(heading, 11.5, Point::new(left, frame.top - 8.0)).bold());
            area.draw_grid(&mut figure);
            draw_lines(&mut figure, &area, panel);
            area.draw_frame(&mut figure);
            area.draw_y(&mut figure, "", gutter);
            area.draw_x(&mut figure, &format!("{} → {}: share of {}", row.from, row.to, row.to), 0.0);
        }
    }
    key.draw(&mut figure, MARGIN + across / 2.0, key_top);
    figure
}

fn draw_lines(figure: &mut Figure, area: &Panel, panel: &EdgePanel) {
    if (0.0..=1.0).contains(&area.y.share(0.0)) {
        let zero = area.at(0.0, 0.0).y;
        let [left, right] = [area.frame.left, area.frame.right()].map(|x| Point::new(x, zero));
        figure.line(left, right, Stroke::new(Colour::GREY.pale(0.4), 1.0));
    }
    let ends = panel.lines.first().map_or(&[][..], |line| &line.ends);
    if let [first, last] = ends {
        figure.line(area.at(first.0, first.1.mean), area.at(last.0, last.1.mean), CHORD);
    }
    let marker = |kind| Marker { kind, on_front: true, radius: RADIUS };
    let shift = |place: usize| (place as f64 - (panel.lines.len() as f64 - 1.0) / 2.0) * DODGE;
    for (place, line) in panel.lines.iter().enumerate() {
        let at = |by: f64| move |(x, value): &(f64, Interval)| area.at(*x, value.mean).shifted(by, 0.0);
        let mut path: Vec<Point> = line.inner.iter().map(at(shift(place))).collect();
        path.extend(line.ends.iter().map(at(0.0)));
        path.sort_by(|one, other| one.x.total_cmp(&other.x));
        figure.path(&path, Stroke::new(marker(line.kind).colour().pale(0.25), 1.5));
    }
    for (place, line) in panel.lines.iter().enumerate() {
        for point in &line.inner {
            draw_point(figure, area, marker(line.kind), *point, shift(place));
        }
    }
    for point in ends {
        draw_point(figure, area, marker(PointKind::Trained), *point, 0.0);
    }
}

fn draw_point(figure: &mut Figure, area: &Panel, marker: Marker, (x, value): (f64, Interval), shift: f64) {
    let at = |y: f64| area.at(x, y).shifted(shift, 0.0);
    figure.line(at(value.lo), at(value.hi), Stroke::new(marker.bar_colour(), 1.3));
    marker.draw(figure, at(value.mean));
}

fn entries(rows: &[EdgeRow]) -> Vec<Entry> {
    let lines = || rows.iter().flat_map(|row| &row.panels).flat_map(|panel| &panel.lines);
    let kinds = [
        (PointKind::Trained, "trained"),
        (PointKind::Soup, "soup: weights mixed"),
        (PointKind::Blend, "blend: predictions mixed"),
    ];
    let occurs = |kind: PointKind| kind == PointKind::Trained || lines().any(|line| line.kind == kind);
    let marker = |kind| Mark::Point(Marker { kind, on_front: true, radius: RADIUS });
    let kinds = kinds.into_iter().filter(|(kind, _)| occurs(*kind));
    let mut entries: Vec<Entry> = kinds.map(|(kind, text)| Entry::new(marker(kind), text)).collect();
    entries.push(Entry::new(Mark::Line(CHORD), "straight between the ends"));
    entries
}

fn y_axis(panel: &EdgePanel) -> Axis {
    let all = panel.lines.iter().flat_map(|line| line.inner.iter().chain(&line.ends));
    Axis::covering(all.flat_map(|(_, Interval { mean, lo, hi })| [*mean, *lo, *hi]), 0.08, 5)
}

fn check(rows: &[EdgeRow]) -> Result<(), PlotError> {
    PlotError::if_empty(rows, "the list of edges")?;
    for row in rows {
        PlotError::if_empty(&row.panels, &format!("the edge from {:?} to {:?}", row.from, row.to))?;
        for panel in &row.panels {
            PlotError::if_empty(&panel.lines, &format!("the panel {:?}", panel.title))?;
            for (x, Interval { mean, lo, hi }) in
                panel.lines.iter().flat_map(|line| line.inner.iter().chain(&line.ends))
            {
                for (part, value) in [("share", x), ("mean", mean), ("lower end", lo), ("upper end", hi)] {
                    PlotError::unless_finite(*value, || format!("a {part} of the panel {:?}", panel.title))?;
                }
            }
        }
    }
    Ok(())
}
