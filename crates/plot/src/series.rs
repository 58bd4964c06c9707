//! What tells many series apart: colour, shape and dashes together.

use std::f64::consts::PI;

use crate::colour::Colour;
use crate::figure::{Figure, Point, Stroke};

/// The shapes, in turn.
const SHAPES: [Shape; 5] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Cross];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// The mark of one of many series. Seven colours and five shapes take turns, so that 35 series in a row have different marks, and
/// neighbours differ in both; lines from the eighth series on are dashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesMark {
    shape: Shape,
    colour: Colour,
    line: Stroke,
    radius: f64,
}

impl SeriesMark {
    pub(crate) fn new(place: usize, radius: f64) -> Self {
        let colour = Colour::SERIES[place % Colour::SERIES.len()];
        let line = Stroke::new(colour.pale(0.15), 1.4);
        let line = match place / Colour::SERIES.len() {
            0 => line,
            1 => line.dashed(&[6.0, 3.0]),
            _ => line.dashed(&[2.0, 2.5]),
        };
        Self { shape: SHAPES[place % SHAPES.len()], colour, line, radius }
    }

    pub(crate) fn line(&self) -> Stroke {
        self.line
    }

    pub(crate) fn bar(&self) -> Stroke {
        Stroke::new(self.colour.pale(0.55), 1.0)
    }

    /// Draws the mark with a white rim; a pale one steps back.
    pub(crate) fn draw(&self, figure: &mut Figure, at: Point, pale: bool) {
        self.fill(figure, at, 0.9, Colour::WHITE);
        self.fill(figure, at, 0.0, if pale { self.colour.pale(0.55) } else { self.colour });
    }

    fn fill(&self, figure: &mut Figure, at: Point, grow: f64, colour: Colour) {
        let reach = self.radius + grow;
        let ring = |corners: u32, reach: f64, turn: f64| -> Vec<Point> {
            let corner = |i: u32| {
                let angle = 2.0 * PI * (f64::from(i) / f64::from(corners)) + turn;
                at.shifted(reach * angle.sin(), -reach * angle.cos())
            };
            (0..corners).map(corner).collect()
        };
        match self.shape {
            Shape::Circle => figure.circle(at, reach, colour),
            Shape::Square => figure.polygon(ring(4, reach * 1.22, PI / 4.0), colour),
            Shape::Triangle => figure.polygon(ring(3, reach * 1.4, 0.0), colour),
            Shape::Diamond => figure.polygon(ring(4, reach * 1.3, 0.0), colour),
            Shape::Cross => {
                let (long, thin) = (reach * 1.2, reach * 0.45);
                let corners = [
                    (-thin, -long),
                    (thin, -long),
                    (thin, -thin),
                    (long, -thin),
                    (long, thin),
                    (thin, thin),
                    (thin, long),
                    (-thin, long),
                    (-thin, thin),
                    (-long, thin),
                    (-long, -thin),
                    (-thin, -thin),
                ];
                figure.polygon(corners.map(|(dx, dy)| at.shifted(dx, dy)).to_vec(), colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_five_series_have_different_marks() {
        let marks: Vec<SeriesMark> = (0..35).map(|place| SeriesMark::new(place, 4.0)).collect();
        for (place, mark) in marks.iter().enumerate() {
            let same = |other: &&SeriesMark| other.shape == mark.shape && other.colour == mark.colour;
            assert_eq!(marks.iter().filter(same).count(), 1, "{place}");
        }
        assert!(marks.windows(2).all(|pair| pair[0].shape != pair[1].shape && pair[0].colour != pair[1].colour));
    }
}
