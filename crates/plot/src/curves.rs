//! Small multiples of curves: one panel per quantity, one line per adapter.

use std::path::Path;

use crate::PlotError;
use crate::axis::Axis;
use crate::colour::Colour;
use crate::figure::{Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};
use crate::key::{Entry, KeyRows, Mark};
use crate::panel::{self, Panel};
use crate::render;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What to call it; curves of the same name have the same colour in every panel.
    pub label: String,
    /// Pairs of x and y, in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
}

/// The curves of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePanel {
    /// The quantity, with its unit.
    pub title: String,
    /// Its curves.
    pub curves: Vec<Curve>,
}

const CELL: (f64, f64) = (290.0, 180.0);
/// A panel that is alone.
const SINGLE_CELL: (f64, f64) = (460.0, 290.0);
const MARGIN: f64 = 22.0;
/// Room between panels, above each panel for its title, and below it for its labels.
const BETWEEN: f64 = 26.0;
const HEAD: f64 = 20.0;
const FOOT: f64 = 22.0;
/// Beyond the seventh curve the colours come again, dashed.
const PATTERNS: [&[f64]; 4] = [&[], &[6.0, 3.0], &[1.6, 2.4], &[7.0, 2.5, 1.6, 2.5]];

/// Draws one panel per quantity, with a common key below.
///
/// `x_title` says what runs along x ("epoch"). When all x are whole numbers, so are the ticks. A curve of one point
/// is drawn as a dot.
///
/// # Errors
/// No panels or no curves, a curve without points, numbers that are not finite, an ending other than `.svg`
/// or `.png`, and failures to write.
pub fn draw_curves(path: &Path, title: &str, x_title: &str, panels: &[CurvePanel]) -> Result<(), PlotError> {
    check(panels)?;
    render::save(path, &figure(title, x_title, panels))
}

fn figure(title: &str, x_title: &str, panels: &[CurvePanel]) -> Figure {
    let columns = match panels.len() {
        1..=3 => panels.len(),
        4 => 2,
        _ => 3,
    };
    let rows = panels.len().div_ceil(columns);
    let cell = if panels.len() == 1 { SINGLE_CELL } else { CELL };
    let x = x_axis(panels);
    let ys: Vec<Axis> = panels.iter().map(y_axis).collect();
    let gutter = ys.iter().map(panel::gutter).fold(0.0, f64::max);
    let pitch = (gutter + cell.0 + BETWEEN, HEAD + cell.1 + FOOT + BETWEEN * 0.5);

    let names = names(panels);
    let entries: Vec<Entry> =
        names.iter().enumerate().map(|(i, name)| Entry::new(Mark::Line(stroke(i, 2.0)), *name)).collect();
    let across = columns as f64 * pitch.0 - BETWEEN;
    let key = KeyRows::new(&entries, across);
    let top = MARGIN + if title.is_empty() { 0.0 } else { 26.0 };
    let key_top = top + rows as f64 * pitch.1 - BETWEEN * 0.5 + 26.0;

    let mut figure = Figure::new(MARGIN + across + MARGIN, key_top + key.height() + MARGIN * 0.8);
    if !title.is_empty() {
        let shown = font::fit(title, Weight::SemiBold, 14.0, across);
        figure.text(Text::new(shown, 14.0, Point::new(MARGIN, MARGIN + 10.0)).bold());
    }
    for (number, (panel, y)) in panels.iter().zip(ys).enumerate() {
        let (row, column) = (number / columns, number % columns);
        let left = MARGIN + column as f64 * pitch.0 + gutter;
        let frame = Rect::new(left, top + row as f64 * pitch.1 + HEAD, cell.0, cell.1);
        let area = Panel { frame, x: x.clone(), y };
        let heading = font::fit(&panel.title, Weight::SemiBold, 11.5, cell.0);
        figure.text(Text::new(heading, 11.5, Point::new(left, frame.top - 8.0)).bold());
        area.draw_grid(&mut figure);
        area.draw_frame(&mut figure);
        area.draw_y(&mut figure, "", gutter);
        // The title of x stands only where no panel follows below.
        let last = number + columns >= panels.len();
        area.draw_x(&mut figure, if last { x_title } else { "" }, 0.0);
        draw_lines(&mut figure, &area, panel, &names);
    }
    key.draw(&mut figure, MARGIN + across / 2.0, key_top);
    figure
}

fn draw_lines(figure: &mut Figure, area: &Panel, panel: &CurvePanel, names: &[&str]) {
    // The first curve of the key ends on top.
    for curve in panel.curves.iter().rev() {
        let index = names.iter().position(|name| *name == curve.label).unwrap_or(0);
        let points: Vec<Point> = curve.points.iter().map(|&(x, y)| area.at(x, y)).collect();
        let stroke = stroke(index, 1.7);
        match points[..] {
            [only] => figure.circle(only, 2.8, stroke.colour),
            _ => figure.path(&points, stroke),
        }
    }
}

fn stroke(index: usize, width: f64) -> Stroke {
    let colours = Colour::SERIES.len();
    let pattern = PATTERNS[index / colours % PATTERNS.len()];
    Stroke::new(Colour::SERIES[index % colours], width).dashed(pattern)
}

/// Returns the names of all curves, each once, in the order in which they first come.
fn names(panels: &[CurvePanel]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for curve in panels.iter().flat_map(|panel| &panel.curves) {
        if !names.contains(&curve.label.as_str()) {
            names.push(&curve.label);
        }
    }
    names
}

fn x_axis(panels: &[CurvePanel]) -> Axis {
    let all = || panels.iter().flat_map(|p| &p.curves).flat_map(|c| &c.points).map(|&(x, _)| x);
    let axis = Axis::covering(all(), 0.02, 6);
    if all().all(|x| x.fract() == 0.0) { axis.whole() } else { axis }
}

fn y_axis(panel: &CurvePanel) -> Axis {
    Axis::covering(panel.curves.iter().flat_map(|c| &c.points).map(|&(_, y)| y), 0.08, 5)
}

fn check(panels: &[CurvePanel]) -> Result<(), PlotError> {
    PlotError::if_empty(panels, "the list of panels")?;
    for panel in panels {
        PlotError::if_empty(&panel.curves, &format!("the panel {:?}", panel.title))?;
        for curve in &panel.curves {
            PlotError::if_empty(&curve.points, &format!("the curve {:?} of {:?}", curve.label, panel.title))?;
            for (number, &(x, y)) in curve.points.iter().enumerate() {
                for (part, value) in [("x", x), ("y", y)] {
                    PlotError::unless_finite(value, || {
                        format!("{part} of point {number} of the curve {:?} of {:?}", curve.label, panel.title)
                    })?;
                }
            }
        }
    }
    Ok(())
}
