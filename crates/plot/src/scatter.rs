//! The points of one pair of rewards in a panel.

use moa_pareto::Interval;

use crate::axis::Axis;
use crate::colour::Colour;
use crate::figure::{Figure, Point, Rect, Stroke};
use crate::fronts::{FrontPoint, PointKind};
use crate::key::{Entry, Mark};
use crate::labels::Obstacle;
use crate::marker::{Marker, draw_bars};
use crate::panel::Panel;

const FRONT_LINE: Stroke = Stroke::new(Colour::GREEN, 1.5);

/// Points along two of their rewards.
pub(crate) struct Scatter<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) points: &'a [FrontPoint],
    /// The rewards along x and y.
    pub(crate) pair: (usize, usize),
    /// Radius of the markers.
    pub(crate) radius: f64,
}

impl Scatter<'_> {
    /// Draws grid, front, error bars and markers.
    pub(crate) fn draw(&self, figure: &mut Figure) {
        let front = self.front();
        self.draw_reach(figure, &front);
        self.panel.draw_grid(figure);
        self.panel.draw_frame(figure);
        for index in self.painting_order() {
            let [across, along] = self.bars(index);
            draw_bars(figure, across, along, self.marker(index).bar_colour());
        }
        figure.path(&self.stairs(&front), FRONT_LINE);
        for index in self.painting_order() {
            self.marker(index).draw(figure, self.at(index));
        }
    }

    /// Returns where a point stands.
    pub(crate) fn at(&self, index: usize) -> Point {
        let rewards = &self.points[index].rewards;
        self.panel.at(rewards[self.pair.0].mean, rewards[self.pair.1].mean)
    }

    pub(crate) fn marker(&self, index: usize) -> Marker {
        marker(&self.points[index], self.radius)
    }

    /// Returns what labels should keep clear of.
    pub(crate) fn obstacles(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        for index in 0..self.points.len() {
            let reach = 2.6 * self.radius;
            obstacles.push(Obstacle { rect: Rect::around(self.at(index), reach, reach), cost: 4.0 });
            for [from, to] in self.bars(index) {
                obstacles.push(Obstacle { rect: Rect::spanning(from, to, 1.0), cost: 0.25 });
            }
        }
        for pair in self.stairs(&self.front()).windows(2) {
            obstacles.push(Obstacle { rect: Rect::spanning(pair[0], pair[1], 1.5), cost: 0.6 });
        }
        obstacles
    }

    /// Returns the points that no other dominates in these two rewards, from left to right.
    fn front(&self) -> Vec<usize> {
        let (x, y) = self.pair;
        let means: Vec<[f64; 2]> = self.points.iter().map(|p| [p.rewards[x].mean, p.rewards[y].mean]).collect();
        let mut front = moa_pareto::non_dominated(&means).unwrap_or_default();
        front.sort_by(|&a, &b| means[a][0].total_cmp(&means[b][0]));
        front
    }

    /// Returns the corners of what the front attains, as steps.
    fn stairs(&self, front: &[usize]) -> Vec<Point> {
        let mut corners: Vec<Point> = Vec::new();
        for &index in front {
            let at = self.at(index);
            let start = corners.last().map_or(self.panel.frame.left, |last| last.x);
            corners.push(Point::new(start, at.y));
            corners.push(at);
        }
        if let Some(last) = corners.last().copied() {
            corners.push(Point::new(last.x, self.panel.frame.bottom()));
        }
        corners
    }

    /// Tints what the front dominates.
    fn draw_reach(&self, figure: &mut Figure, front: &[usize]) {
        let mut corners = self.stairs(front);
        if !corners.is_empty() {
            corners.push(Point::new(self.panel.frame.left, self.panel.frame.bottom()));
            figure.polygon(corners, Colour::GREEN.pale(0.95));
        }
    }

    /// Returns the ends of a point's intervals along x and y.
    fn bars(&self, index: usize) -> [[Point; 2]; 2] {
        let rewards = &self.points[index].rewards;
        let (x, y) = (&rewards[self.pair.0], &rewards[self.pair.1]);
        let at = |x, y| self.panel.at(x, y);
        [[at(x.lo, y.mean), at(x.hi, y.mean)], [at(x.mean, y.lo), at(x.mean, y.hi)]]
    }

    /// Returns the points in the order of painting: the dominated ones at the bottom, the base on top.
    fn painting_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        order.sort_by_key(|&i| (self.points[i].kind == PointKind::Base, self.points[i].on_front));
        order
    }
}

/// Returns the marker of a point.
pub(crate) fn marker(point: &FrontPoint, radius: f64) -> Marker {
    Marker { kind: point.kind, on_front: point.on_front, radius }
}

/// Returns the axis that shows all intervals of a reward.
pub(crate) fn axis(points: &[FrontPoint], reward: usize, ticks: usize) -> Axis {
    let ends = points.iter().flat_map(|p| {
        let Interval { mean, lo, hi } = p.rewards[reward];
        [mean, lo, hi]
    });
    Axis::covering(ends, 0.07, ticks)
}

/// Returns the key to the marks that occur.
pub(crate) fn legend(points: &[FrontPoint]) -> Vec<Entry> {
    let radius = 4.0;
    let has = |kind: PointKind| points.iter().any(|p| p.kind == kind);
    let mut entries = Vec::new();
    let kinds = [
        (PointKind::Base, "base"),
        (PointKind::Trained, "trained"),
        (PointKind::Given, "given"),
        (PointKind::Soup, "soup"),
        (PointKind::Blend, "blend"),
    ];
    for (kind, text) in kinds {
        if has(kind) {
            entries.push(Entry::new(Mark::Point(Marker { kind, on_front: true, radius }), text));
        }
    }
    let dimmed = points.iter().find(|p| !p.on_front && p.kind != PointKind::Base);
    if let Some(point) = dimmed {
        let mark = Mark::Point(Marker { kind: point.kind, on_front: false, radius });
        entries.push(Entry::new(mark, "not shown to be on the front"));
    }
    entries.push(Entry::new(Mark::Line(FRONT_LINE), "front of these two rewards"));
    if points.iter().any(|p| p.rewards.iter().any(|r| r.lo < r.hi)) {
        entries.push(Entry::new(Mark::Bars(Colour::BLUE.pale(0.4)), "95 % interval against the base"));
    }
    entries
}
