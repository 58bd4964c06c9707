//! The fronts of several experiments over each other.

use std::path::Path;

use moa_pareto::Interval;

use crate::PlotError;
use crate::axis::Axis;
use crate::colour::Colour;
use crate::figure::{Figure, Point};
use crate::fronts::{PointKind, Triangle};
use crate::key::{Entry, Key, Mark};
use crate::marker::Marker;
use crate::panel::{self, Panel};
use crate::render;
use crate::series::SeriesMark;

/// The front of one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontSeries {
    /// What to call it.
    pub label: String,
    /// Its points: the mean of each reward with its error bar.
    pub points: Vec<Vec<Interval>>,
}

const SINGLE_CELL: (f64, f64) = (600.0, 460.0);
const CELL: (f64, f64) = (300.0, 260.0);
const MARGIN: f64 = 20.0;
const FOOT: f64 = 44.0;
const RADIUS: f64 = 4.0;

/// Draws the fronts of experiments over each other, a panel for every pair of rewards.
///
/// In each panel a line joins the points of an experiment that none of its own dominates *in that pair*; the others are paler. Experiments
/// differ in colour, shape and dashes, which the key beside the panels explains.
///
/// - `base`: the mean of each reward before training
/// - `bars`: what the error bars are, in a few words
///
/// # Errors
/// No experiments, no points at all, fewer than two rewards, points with another number of rewards, numbers that are not finite, an ending
/// other than `.svg` or `.png`, and failures to write.
pub fn draw_compared_fronts(
    path: &Path,
    rewards: &[String],
    base: &[f64],
    series: &[FrontSeries],
    bars: &str,
) -> Result<(), PlotError> {
    check(rewards, base, series)?;
    render::save(path, &figure(rewards, base, series, bars))
}

fn figure(rewards: &[String], base: &[f64], series: &[FrontSeries], bars: &str) -> Figure {
    let side = rewards.len() - 1;
    let ticks = if side == 1 { 7 } else { 5 };
    let axis = |reward: usize| {
        let points = series.iter().flat_map(|one| &one.points).map(|point| point[reward]);
        Axis::covering(points.flat_map(|Interval { mean, lo, hi }| [mean, lo, hi]).chain([base[reward]]), 0.06, ticks)
    };
    let axes: Vec<Axis> = (0..rewards.len()).map(axis).collect();
    let gutter = axes[1..].iter().map(panel::gutter).fold(0.0, f64::max);
    let triangle = Triangle { side, cell: if side == 1 { SINGLE_CELL } else { CELL }, left: MARGIN + 16.0 + gutter };
    let panels = triangle.block(0, 0, side, side);
    let key = key(series, bars);
    let area = triangle.place(&key);
    let right = area.right().max(panels.right());

    let mut figure = Figure::new(right + MARGIN, panels.bottom() + FOOT + MARGIN * 0.6);
    for row in 0..side {
        for column in 0..=row {
            let frame = triangle.block(row, column, 1, 1);
            let panel = Panel { frame, x: axes[column].clone(), y: axes[row + 1].clone() };
            let pair = (column, row + 1);
            panel.draw_grid(&mut figure);
            panel.draw_frame(&mut figure);
            draw(&mut figure, &panel, series, pair);
            let marker = Marker { kind: PointKind::Base, on_front: true, radius: RADIUS };
            marker.draw(&mut figure, panel.at(base[pair.0], base[pair.1]));
            if column == 0 {
                panel.draw_y(&mut figure, &rewards[row + 1], gutter);
            }
            if row + 1 == side {
                panel.draw_x(&mut figure, &rewards[column], if column == 0 { 0.0 } else { 9.0 });
            }
        }
    }
    key.draw(&mut figure, area);
    figure
}

/// Draws error bars, then lines, then marks: none covers what says more.
fn draw(figure: &mut Figure, panel: &Panel, series: &[FrontSeries], (x, y): (usize, usize)) {
    let mark = |place: usize| SeriesMark::new(place, RADIUS);
    for (place, one) in series.iter().enumerate() {
        for point in &one.points {
            let (across, along) = (point[x], point[y]);
            let bar = mark(place).bar();
            figure.line(panel.at(across.lo, along.mean), panel.at(across.hi, along.mean), bar);
            figure.line(panel.at(across.mean, along.lo), panel.at(across.mean, along.hi), bar);
        }
    }
    let at = |point: &[Interval]| panel.at(point[x].mean, point[y].mean);
    let fronts: Vec<Vec<usize>> = series.iter().map(|one| front(&one.points, (x, y))).collect();
    for (place, (one, front)) in series.iter().zip(&fronts).enumerate() {
        let path: Vec<Point> = front.iter().map(|point| at(&one.points[*point])).collect();
        figure.path(&path, mark(place).line());
    }
    for pale in [true, false] {
        for (place, (one, front)) in series.iter().zip(&fronts).enumerate() {
            for (index, point) in one.points.iter().enumerate() {
                if front.contains(&index) != pale {
                    mark(place).draw(figure, at(point), pale);
                }
            }
        }
    }
}

/// Returns the points that none dominates in a pair of rewards, from left to right.
fn front(points: &[Vec<Interval>], (x, y): (usize, usize)) -> Vec<usize> {
    let means: Vec<[f64; 2]> = points.iter().map(|point| [point[x].mean, point[y].mean]).collect();
    let mut front = moa_pareto::non_dominated(&means).unwrap_or_default();
    front.sort_by(|&a, &b| means[a][0].total_cmp(&means[b][0]));
    front
}

fn key(series: &[FrontSeries], bars: &str) -> Key {
    let named = series
        .iter()
        .enumerate()
        .map(|(place, one)| Entry::new(Mark::Series(SeriesMark::new(place, RADIUS)), &one.label));
    let base = Marker { kind: PointKind::Base, on_front: true, radius: RADIUS };
    let mut rest = vec![Entry::new(Mark::Point(base), "base")];
    let has_bars = series.iter().flat_map(|one| &one.points).flatten().any(|value| value.lo < value.hi);
    if has_bars {
        rest.push(Entry::new(Mark::Bars(Colour::GREY.pale(0.4)), bars));
    }
    Key { sections: vec![named.collect(), rest] }
}

fn check(rewards: &[String], base: &[f64], series: &[FrontSeries]) -> Result<(), PlotError> {
    PlotError::if_empty(series, "the list of experiments")?;
    if rewards.len() < 2 {
        return Err(PlotError::TooFewRewards { found: rewards.len() });
    }
    let count = |what: String, found: usize| {
        let expected = rewards.len();
        if found == expected { Ok(()) } else { Err(PlotError::Count { what, parts: "rewards", found, expected }) }
    };
    count("the base".into(), base.len())?;
    for (name, value) in rewards.iter().zip(base) {
        PlotError::unless_finite(*value, || format!("{name} of the base"))?;
    }
    for one in series {
        for point in &one.points {
            count(format!("a point of {:?}", one.label), point.len())?;
            for (name, value) in rewards.iter().zip(point) {
                for (part, value) in [("mean", value.mean), ("lower end", value.lo), ("upper end", value.hi)] {
                    PlotError::unless_finite(value, || format!("the {part} of {name} of a point of {:?}", one.label))?;
                }
            }
        }
    }
    Ok(())
}
