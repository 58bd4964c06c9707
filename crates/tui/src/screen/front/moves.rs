//! How the cursor moves on the front, and how ranges of rewards are brushed.

use moa_core::RunId;
use ratatui::layout::Rect;

use super::Front;
use super::dots::{Dot, axis, dots, names};
use crate::component::Step;
use crate::session::Session;
use crate::shared::Shared;
use crate::widget::{Axis, Plot};

/// A direction on the plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Left,
    Right,
    Up,
    Down,
}

impl Front {
    /// Moves the cursor to the nearest wanted point in a direction; among parallel coordinates to the next one, and in the list that takes the
    /// plot's place to the next row.
    pub(super) fn step(&mut self, way: Way, shared: &mut Shared) {
        if self.listed {
            return match way {
                Way::Up => self.step_list(Step::Up, shared),
                Way::Down => self.step_list(Step::Down, shared),
                Way::Left => self.first = self.first.saturating_sub(1),
                Way::Right => {
                    let count = shared.session.as_ref().map_or(1, |session| names(self, session).len());
                    self.first = (self.first + 1).min(count.saturating_sub(1));
                }
            };
        }
        let Some(session) = &mut shared.session else { return };
        if self.parallel && matches!(way, Way::Left | Way::Right) {
            let count = names(self, session).len().max(1);
            self.x = if way == Way::Right { (self.x + 1) % count } else { (self.x + count - 1) % count };
            return self.check(session);
        }
        if let Some(id) = self.found(way, session) {
            session.selected = Some(id);
        }
    }

    fn found(&self, way: Way, session: &Session) -> Option<RunId> {
        let dots = dots(self, session);
        let first = dots.first()?;
        let Some(current) = dots.iter().find(|dot| Some(dot.id) == session.selected.as_ref()) else {
            return Some(first.id.clone());
        };
        if self.parallel {
            let mut order: Vec<&Dot<'_>> = dots.iter().filter(|dot| dot.wanted || dot.id == current.id).collect();
            order.sort_by(|a, b| a.values[self.x].mean.total_cmp(&b.values[self.x].mean));
            let place = order.iter().position(|dot| dot.id == current.id)?;
            let next = if way == Way::Up { (place + 1).min(order.len() - 1) } else { place.saturating_sub(1) };
            return Some(order[next].id.clone());
        }
        let (across, up) = (axis(&dots, self.x, false), axis(&dots, self.y, false));
        let place = |dot: &Dot<'_>| {
            let share = |axis: Axis, column: usize| axis.share(dot.values[column].mean).unwrap_or(0.0);
            (share(across, self.x), share(up, self.y))
        };
        let here = place(current);
        let cost = |dot: &&Dot<'_>| {
            let (dx, dy) = (place(dot).0 - here.0, place(dot).1 - here.1);
            let (ahead, aside) = match way {
                Way::Left => (-dx, dy),
                Way::Right => (dx, dy),
                Way::Up => (dy, dx),
                Way::Down => (-dy, dx),
            };
            (ahead > 1e-9).then(|| ahead + 2.0 * aside.abs())
        };
        let candidates = dots.iter().filter(|dot| dot.wanted && dot.id != current.id);
        let nearest = candidates.filter_map(|dot| Some((cost(&dot)?, dot))).min_by(|a, b| a.0.total_cmp(&b.0));
        nearest.map(|(_, dot)| dot.id.clone())
    }

    /// Puts the cursor on the point nearest to a click.
    pub(super) fn select_nearest(&self, plot: &Plot, place: (u16, u16), shared: &mut Shared) {
        let Some(session) = &mut shared.session else { return };
        let id = {
            let dots = dots(self, session);
            let distance = |dot: &Dot<'_>| {
                let cell = plot.cell(dot.values[self.x].mean, dot.values[self.y].mean)?;
                // Cells are twice as high as wide.
                Some(f64::from(cell.0.abs_diff(place.0)).powi(2) + 4.0 * f64::from(cell.1.abs_diff(place.1)).powi(2))
            };
            let nearest = dots.iter().filter_map(|dot| Some((distance(dot)?, dot))).min_by(|a, b| a.0.total_cmp(&b.0));
            nearest.map(|(_, dot)| dot.id.clone())
        };
        session.selected = id.or(session.selected.take());
    }

    /// Moves one end of the brush on x by a twentieth of the axis.
    pub(super) fn nudge(&mut self, end: usize, sign: f64, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        let axis = axis(&dots(self, session), self.x, false);
        let Some(brush) = self.brushes.get_mut(self.x) else { return };
        let (mut lo, mut hi) = brush.unwrap_or((axis.lo, axis.hi));
        let by = sign * (axis.hi - axis.lo) / 20.0;
        if end == 0 {
            lo = (lo + by).clamp(axis.lo, hi);
        } else {
            hi = (hi + by).clamp(lo, axis.hi);
        }
        *brush = (lo > axis.lo || hi < axis.hi).then_some((lo, hi));
    }

    /// Brushes the range of a drag on both axes.
    pub(super) fn brush(&mut self, plot: &Plot, from: (u16, u16), to: (u16, u16)) {
        let (a, b) = (plot.values(from), plot.values(to));
        for (column, a, b) in [(self.x, a.0, b.0), (self.y, a.1, b.1)] {
            self.put_brush(column, a, b);
        }
    }

    /// Brushes a range on one of the parallel axes.
    pub(super) fn brush_axis(&mut self, (column, axis): (usize, Axis), area: Rect, from: (u16, u16), to: (u16, u16)) {
        let value = |row: u16| {
            let offset = f64::from(row.clamp(area.y, area.bottom().saturating_sub(1)) - area.y);
            axis.value(1.0 - offset / f64::from(area.height.max(2) - 1))
        };
        self.put_brush(column, value(from.1), value(to.1));
    }

    fn put_brush(&mut self, column: usize, a: f64, b: f64) {
        if let Some(brush) = self.brushes.get_mut(column) {
            *brush = ((a - b).abs() > 0.0).then_some((a.min(b), a.max(b)));
        }
    }
}
