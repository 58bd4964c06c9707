//! A plot area with its grid, ticks and titles.

use crate::axis::Axis;
use crate::colour::Colour;
use crate::figure::{Anchor, Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};

/// Size of tick labels.
const TICK: f64 = 10.0;
/// Size of axis titles.
const TITLE: f64 = 11.5;

/// A frame with an axis along each side.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) frame: Rect,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Panel {
    /// Returns where a pair of values stands on the sheet.
    pub(crate) fn at(&self, x: f64, y: f64) -> Point {
        Point::new(
            self.frame.left + self.x.share(x) * self.frame.width,
            self.frame.bottom() - self.y.share(y) * self.frame.height,
        )
    }

    /// Draws the light grid.
    pub(crate) fn draw_grid(&self, figure: &mut Figure) {
        let grid = Stroke::new(Colour::GRID, 0.8);
        for (value, _) in self.x.ticks() {
            let x = self.frame.left + self.x.share(value) * self.frame.width;
            figure.line(Point::new(x, self.frame.top), Point::new(x, self.frame.bottom()), grid);
        }
        for (value, _) in self.y.ticks() {
            let y = self.frame.bottom() - self.y.share(value) * self.frame.height;
            figure.line(Point::new(self.frame.left, y), Point::new(self.frame.right(), y), grid);
        }
    }

    /// Draws the frame.
    pub(crate) fn draw_frame(&self, figure: &mut Figure) {
        let Rect { left, top, .. } = self.frame;
        let (right, bottom) = (self.frame.right(), self.frame.bottom());
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (right, top)];
        figure.path(&corners.map(|(x, y)| Point::new(x, y)), Stroke::new(Colour::FRAME, 0.8));
    }

    /// Draws the labels of the x axis, and its title, below the frame; labels nearer than `clear` to the left end are
    /// left out, so that they do not touch those of a panel beside it.
    pub(crate) fn draw_x(&self, figure: &mut Figure, title: &str, clear: f64) {
        for (value, label) in self.x.ticks() {
            let x = self.frame.left + self.x.share(value) * self.frame.width;
            if x < self.frame.left + clear {
                continue;
            }
            let text = Text::new(label, TICK, Point::new(x, self.frame.bottom() + 15.0));
            figure.text(text.anchor(Anchor::Middle).colour(Colour::GREY));
        }
        let at = Point::new(self.frame.centre().x, self.frame.bottom() + 35.0);
        let title = font::fit(title, Weight::SemiBold, TITLE, self.frame.width);
        figure.text(Text::new(title, TITLE, at).anchor(Anchor::Middle).bold());
    }

    /// Draws the labels of the y axis, and its title, left of the frame; `gutter` is the room for the labels.
    pub(crate) fn draw_y(&self, figure: &mut Figure, title: &str, gutter: f64) {
        for (value, label) in self.y.ticks() {
            let y = self.frame.bottom() - self.y.share(value) * self.frame.height;
            let text = Text::new(label, TICK, Point::new(self.frame.left - 7.0, y)).centred();
            figure.text(text.anchor(Anchor::End).colour(Colour::GREY));
        }
        if !title.is_empty() {
            let at = Point::new(self.frame.left - gutter - 12.0, self.frame.centre().y);
            let title = font::fit(title, Weight::SemiBold, TITLE, self.frame.height);
            figure.text(Text::new(title, TITLE, at).anchor(Anchor::Middle).bold().upwards().centred());
        }
    }
}

/// Returns the room that the labels of a vertical axis need.
pub(crate) fn gutter(axis: &Axis) -> f64 {
    let widths = axis.ticks().into_iter().map(|(_, label)| font::width(&label, Weight::Regular, TICK));
    widths.fold(0.0, f64::max) + 10.0
}
