//! Every pair of rewards in one figure.

use std::path::Path;

use moa_pareto::Interval;

use crate::PlotError;
use crate::colour::Colour;
use crate::figure::{Figure, Rect};
use crate::font::Weight;
use crate::key::{Entry, Key, Mark};
use crate::labels::{self, Label, LabelStyle};
use crate::panel::{self, Panel};
use crate::render;
use crate::scatter::{self, Scatter};

/// What a point of a front is; each kind has its own marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointKind {
    /// The model before training: a black star.
    Base,
    /// A trained adapter: a blue circle.
    Trained,
    /// An adapter that was given: a purple triangle.
    Given,
    /// A merge of adapters: a vermilion diamond.
    Soup,
    /// Adapters whose predictions are mixed: a green square.
    Blend,
}

/// One model with its rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontPoint {
    /// What to call it.
    pub label: String,
    /// What it is.
    pub kind: PointKind,
    /// Whether it is shown to be on the front, beyond noise; if not, it is dimmed.
    pub on_front: bool,
    /// Mean of each reward, in the order of the rewards' names, with the 95 % interval of its paired difference to the base laid
    /// around it; the base's is empty.
    pub rewards: Vec<Interval>,
}

const CELL: (f64, f64) = (232.0, 204.0);
const SINGLE_CELL: (f64, f64) = (430.0, 370.0);
const GAP: f64 = 16.0;
const MARGIN: f64 = 20.0;
/// Distance from a panel to the key beside it.
const INDENT: f64 = 14.0;
/// Room for the x axis' labels and title.
const FOOT: f64 = 44.0;
const NUMBERS: LabelStyle = LabelStyle { size: 8.5, reaches: &[2.5, 7.0, 13.0, 20.0] };

/// Draws every pair of rewards against each other: a triangle of panels with common axes.
///
/// Points are numbered; the free corner holds the key. In each panel the line is the front of *that pair*, while
/// dimmed points are not shown to be on the front of *all* rewards together. Numbers that find no free place are left out,
/// dimmed points' first.
///
/// # Errors
/// No points, fewer than two rewards, points with another number of rewards, numbers that are not finite, an ending
/// other than `.svg` or `.png`, and failures to write.
pub fn draw_fronts(path: &Path, rewards: &[String], points: &[FrontPoint]) -> Result<(), PlotError> {
    check(rewards, points)?;
    render::save(path, &figure(rewards, points))
}

fn figure(rewards: &[String], points: &[FrontPoint]) -> Figure {
    let side = rewards.len() - 1;
    let ticks = if side == 1 { 6 } else { 5 };
    let axes: Vec<_> = (0..rewards.len()).map(|r| scatter::axis(points, r, ticks)).collect();
    let gutter = axes[1..].iter().map(panel::gutter).fold(0.0, f64::max);
    let triangle = Triangle { side, cell: if side == 1 { SINGLE_CELL } else { CELL }, left: MARGIN + 16.0 + gutter };
    let keys = triangle.keys(points);
    let panels = triangle.block(0, 0, side, side);
    let right = keys.iter().map(|(_, area)| area.right()).fold(panels.right(), f64::max);

    let mut figure = Figure::new(right + MARGIN, panels.bottom() + FOOT + MARGIN * 0.6);
    for row in 0..side {
        for column in 0..=row {
            let frame = triangle.block(row, column, 1, 1);
            let panel = Panel { frame, x: axes[column].clone(), y: axes[row + 1].clone() };
            let radius = if side == 1 { 4.6 } else { 3.6 };
            let scatter = Scatter { panel: &panel, points, pair: (column, row + 1), radius };
            scatter.draw(&mut figure);
            labels::draw(&mut figure, &numbers(&scatter), NUMBERS, frame, &scatter.obstacles());
            if column == 0 {
                panel.draw_y(&mut figure, &rewards[row + 1], gutter);
            }
            if row + 1 == side {
                panel.draw_x(&mut figure, &rewards[column], if column == 0 { 0.0 } else { 9.0 });
            }
        }
    }
    for (key, area) in keys {
        key.draw(&mut figure, area);
    }
    figure
}

/// Panels below a diagonal: `side` rows, the first with one panel.
pub(crate) struct Triangle {
    pub(crate) side: usize,
    pub(crate) cell: (f64, f64),
    pub(crate) left: f64,
}

impl Triangle {
    /// Returns the box of some rows and columns of cells, from a cell on.
    pub(crate) fn block(&self, row: usize, column: usize, rows: usize, columns: usize) -> Rect {
        let (width, height) = (self.cell.0 + GAP, self.cell.1 + GAP);
        Rect::new(
            self.left + column as f64 * width,
            MARGIN + row as f64 * height,
            columns as f64 * width - GAP,
            rows as f64 * height - GAP,
        )
    }

    /// Returns the keys with their places: above the diagonal if they fit there, else at the right.
    fn keys(&self, points: &[FrontPoint]) -> Vec<(Key, Rect)> {
        let (marks, list) = (scatter::legend(points), listed(points));
        let marks_alone = Key { sections: vec![marks.clone()] };
        let list_alone = Key { sections: vec![list.clone()] };
        let both = Key { sections: vec![marks, list] };
        let fits = |key: &Key, area: &Rect| key.width(area.height) <= area.width;
        // Free of row `row`, with a distance to the panel at its left.
        let free = |row: usize| {
            let Rect { left, top, width, height } = self.block(row, row + 1, 1, self.side - row - 1);
            Rect::new(left + INDENT, top, width - INDENT, height)
        };
        if self.side > 1 && fits(&both, &free(0)) {
            return vec![(both, free(0))];
        }
        if self.side > 2 && fits(&list_alone, &free(0)) && fits(&marks_alone, &free(1)) {
            return vec![(list_alone, free(0)), (marks_alone, free(1))];
        }
        if self.side > 1 && fits(&marks_alone, &free(0)) {
            let beside = self.beside(&list_alone);
            return vec![(marks_alone, free(0)), (list_alone, beside)];
        }
        let beside = self.beside(&both);
        vec![(both, beside)]
    }

    /// Returns where a single key goes: above the diagonal if it fits there, else at the right.
    pub(crate) fn place(&self, key: &Key) -> Rect {
        if self.side > 1 {
            let Rect { left, top, width, height } = self.block(0, 1, 1, self.side - 1);
            let free = Rect::new(left + INDENT, top, width - INDENT, height);
            if key.width(free.height) <= free.width {
                return free;
            }
        }
        self.beside(key)
    }

    /// Returns the box that a key takes at the right of all panels.
    fn beside(&self, key: &Key) -> Rect {
        let panels = self.block(0, 0, self.side, self.side);
        Rect::new(panels.right() + 28.0, panels.top, key.width(panels.height), panels.height)
    }
}

/// Returns a key entry for each point, with its number.
pub(crate) fn listed(points: &[FrontPoint]) -> Vec<Entry> {
    let entry = |(index, number): (usize, usize)| {
        let point: &FrontPoint = &points[index];
        Entry {
            number: Some(number),
            dimmed: !point.on_front,
            ..Entry::new(Mark::Point(scatter::marker(point, 3.6)), point.label.clone())
        }
    };
    numbered(points).map(entry).collect()
}

/// Returns the index and the number of each point that is not the base, which its star tells apart.
fn numbered(points: &[FrontPoint]) -> impl Iterator<Item = (usize, usize)> {
    let others = points.iter().enumerate().filter(|(_, point)| point.kind != PointKind::Base);
    others.enumerate().map(|(number, (index, _))| (index, number + 1))
}

/// Returns the points' numbers as labels.
pub(crate) fn numbers(scatter: &Scatter<'_>) -> Vec<Label> {
    let label = |(index, number): (usize, usize)| {
        let on_front = scatter.points[index].on_front;
        Label {
            content: number.to_string(),
            point: scatter.at(index),
            radius: scatter.radius,
            colour: if on_front { Colour::INK } else { Colour::GREY.pale(0.3) },
            weight: Weight::Regular,
            rank: u8::from(on_front),
        }
    };
    numbered(scatter.points).map(label).collect()
}

/// Refuses what cannot be drawn.
pub(crate) fn check(rewards: &[String], points: &[FrontPoint]) -> Result<(), PlotError> {
    PlotError::if_empty(points, "the list of points")?;
    if rewards.len() < 2 {
        return Err(PlotError::TooFewRewards { found: rewards.len() });
    }
    for point in points {
        if point.rewards.len() != rewards.len() {
            return Err(PlotError::Count {
                what: format!("point {:?}", point.label),
                parts: "rewards",
                found: point.rewards.len(),
                expected: rewards.len(),
            });
        }
        for (name, reward) in rewards.iter().zip(&point.rewards) {
            for (part, value) in [("mean", reward.mean), ("lower end", reward.lo), ("upper end", reward.hi)] {
                PlotError::unless_finite(value, || format!("the {part} of {name} of point {:?}", point.label))?;
            }
        }
    }
    Ok(())
}
