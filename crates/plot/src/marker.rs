//! What stands for a point: its shape says the kind, its fill whether it is shown to be on the front.

use crate::colour::Colour;
use crate::figure::{Figure, Point, Stroke};
use crate::fronts::PointKind;

/// A kind of point in a state, drawn at some size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker {
    pub(crate) kind: PointKind,
    pub(crate) on_front: bool,
    /// Radius of the circle that has the marker's weight.
    pub(crate) radius: f64,
}

impl Marker {
    /// Returns the colour of the kind.
    pub(crate) fn colour(self) -> Colour {
        match self.kind {
            PointKind::Base => Colour::INK,
            PointKind::Trained => Colour::BLUE,
            PointKind::Given => Colour::PURPLE,
            PointKind::Soup => Colour::VERMILION,
            PointKind::Blend => Colour::GREEN,
        }
    }

    /// Returns the colour of the point's error bars.
    pub(crate) fn bar_colour(self) -> Colour {
        self.colour().pale(if self.dimmed() { 0.8 } else { 0.55 })
    }

    fn dimmed(self) -> bool {
        !self.on_front && self.kind != PointKind::Base
    }

    /// Draws the marker with a white rim, so that markers that touch stay apart.
    pub(crate) fn draw(self, figure: &mut Figure, at: Point) {
        let rim = if self.radius > 4.0 { 1.2 } else { 0.9 };
        self.fill(figure, at, rim, Colour::WHITE);
        if self.dimmed() {
            self.fill(figure, at, 0.0, self.colour().pale(0.45));
            self.fill(figure, at, -1.1, Colour::WHITE);
        } else {
            self.fill(figure, at, 0.0, self.colour());
        }
    }

    /// Fills the shape, `grow` wider on each side.
    fn fill(self, figure: &mut Figure, at: Point, grow: f64, colour: Colour) {
        match self.kind {
            PointKind::Trained => figure.circle(at, self.radius + grow, colour),
            PointKind::Given => {
                let reach = self.radius * 1.3 + grow * 1.7;
                let corners = [(0.0, -reach), (reach * 0.95, reach * 0.7), (-reach * 0.95, reach * 0.7)];
                figure.polygon(corners.map(|(dx, dy)| at.shifted(dx, dy)).to_vec(), colour);
            }
            PointKind::Soup => {
                let reach = self.radius * 1.25 + grow * 1.4;
                let corners = [(0.0, -reach), (reach, 0.0), (0.0, reach), (-reach, 0.0)];
                figure.polygon(corners.map(|(dx, dy)| at.shifted(dx, dy)).to_vec(), colour);
            }
            PointKind::Blend => {
                let reach = self.radius * 0.89 + grow;
                let corners = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)];
                figure.polygon(corners.map(|(dx, dy)| at.shifted(dx, dy)).to_vec(), colour);
            }
            PointKind::Base => figure.polygon(star(at, self.radius * 1.9 + grow * 2.0), colour),
        }
    }
}

/// Returns a star with five points, one of them upwards.
fn star(centre: Point, reach: f64) -> Vec<Point> {
    let corner = |i: u32| {
        let angle = f64::from(i) * std::f64::consts::PI / 5.0;
        let reach = if i.is_multiple_of(2) { reach } else { reach * 0.42 };
        centre.shifted(reach * angle.sin(), -reach * angle.cos())
    };
    (0..10).map(corner).collect()
}

/// Draws the error bars of a point: from `left` to `right`, and from `low` to `high`.
pub(crate) fn draw_bars(figure: &mut Figure, [left, right]: [Point; 2], [low, high]: [Point; 2], colour: Colour) {
    let stroke = Stroke::new(colour, 1.1);
    figure.line(left, right, stroke);
    figure.line(low, high, stroke);
}
