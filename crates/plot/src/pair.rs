//! One pair of rewards, large, with the points' names.

use std::path::Path;

use crate::PlotError;
use crate::colour::Colour;
use crate::figure::{Figure, Rect};
use crate::font::Weight;
use crate::fronts::{self, FrontPoint, PointKind};
use crate::key::{Key, KeyRows};
use crate::labels::{self, Label, LabelStyle};
use crate::panel::{self, Panel};
use crate::render;
use crate::scatter::{self, Scatter};

const FRAME: (f64, f64) = (640.0, 440.0);
const MARGIN: f64 = 24.0;
/// With more points, names cover the points.
const MOST_NAMES: usize = 17;
const NAMES: LabelStyle = LabelStyle { size: 10.0, reaches: &[4.0, 10.0, 18.0, 28.0, 42.0, 60.0] };

/// Draws reward `pair.0` along x against reward `pair.1` along y, with the name of each point beside it.
///
/// The line is the front of the pair; dimmed points are dominated in all rewards. More than sixteen points besides
/// the base are numbered, and their names listed beside the panel. Labels that find no free place are left out,
/// dominated points' first.
///
/// # Errors
/// As [`draw_fronts`](crate::draw_fronts), and a pair that does not exist.
pub fn draw_front_pair(
    path: &Path,
    rewards: &[String],
    points: &[FrontPoint],
    pair: (usize, usize),
) -> Result<(), PlotError> {
    fronts::check(rewards, points)?;
    let (x, y) = pair;
    if x == y || x.max(y) >= rewards.len() {
        return Err(PlotError::NoSuchPair { x, y, count: rewards.len() });
    }
    render::save(path, &figure([&rewards[x], &rewards[y]], points, pair))
}

fn figure([x_title, y_title]: [&str; 2], points: &[FrontPoint], pair: (usize, usize)) -> Figure {
    let (x, y) = (scatter::axis(points, pair.0, 8), scatter::axis(points, pair.1, 7));
    let gutter = panel::gutter(&y);
    let frame = Rect::new(MARGIN + 16.0 + gutter, MARGIN, FRAME.0, FRAME.1);
    let legend = scatter::legend(points);
    let rows = KeyRows::new(&legend, frame.width);
    let foot = frame.bottom() + 52.0;

    let list = Key { sections: vec![fronts::listed(points)] };
    let beside = Rect::new(frame.right() + 26.0, frame.top, list.width(frame.height), frame.height);
    let named = points.len() <= MOST_NAMES;
    let right = if named { frame.right() } else { beside.right() };

    let mut figure = Figure::new(right + MARGIN, foot + rows.height() + MARGIN * 0.7);
    let panel = Panel { frame, x, y };
    let scatter = Scatter { panel: &panel, points, pair, radius: 5.0 };
    scatter.draw(&mut figure);
    let labels = if named { names(&scatter) } else { fronts::numbers(&scatter) };
    labels::draw(&mut figure, &labels, NAMES, frame, &scatter.obstacles());
    if !named {
        list.draw(&mut figure, beside);
    }
    panel.draw_x(&mut figure, x_title, 0.0);
    panel.draw_y(&mut figure, y_title, gutter);
    rows.draw(&mut figure, frame.centre().x, foot);
    figure
}

fn names(scatter: &Scatter<'_>) -> Vec<Label> {
    let label = |(index, point): (usize, &FrontPoint)| {
        let base = point.kind == PointKind::Base;
        Label {
            content: point.label.clone(),
            point: scatter.at(index),
            radius: if base { scatter.radius * 1.5 } else { scatter.radius },
            colour: if point.on_front || base { Colour::INK } else { Colour::GREY.pale(0.25) },
            weight: if base { Weight::SemiBold } else { Weight::Regular },
            rank: if base { 2 } else { u8::from(point.on_front) },
        }
    };
    scatter.points.iter().enumerate().map(label).collect()
}
