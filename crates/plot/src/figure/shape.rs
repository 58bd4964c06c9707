//! The kinds of shapes.

use super::{Point, Rect};
use crate::colour::Colour;
use crate::font::{self, Weight};

/// Something to paint.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Rect { rect: Rect, fill: Colour },
    Polygon { corners: Vec<Point>, fill: Colour },
    Circle { centre: Point, radius: f64, fill: Colour },
    Path { points: Vec<Point>, stroke: Stroke },
    Text(Text),
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) colour: Colour,
    pub(crate) width: f64,
    /// Lengths of ink and gap in turn; empty for a solid line.
    pub(crate) pattern: &'static [f64],
}

impl Stroke {
    pub(crate) const fn new(colour: Colour, width: f64) -> Self {
        Self { colour, width, pattern: &[] }
    }

    pub(crate) const fn dashed(self, pattern: &'static [f64]) -> Self {
        Self { pattern, ..self }
    }

    /// Returns the inked parts of the path through the points.
    pub(super) fn dashes(&self, points: &[Point]) -> Vec<Vec<Point>> {
        if self.pattern.is_empty() || points.len() < 2 {
            return vec![points.to_vec()];
        }
        let mut parts = Vec::new();
        let mut part = vec![points[0]];
        let (mut phase, mut left) = (0, self.pattern[0]);
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            let mut rest = from.distance(to);
            while rest > left {
                from = from.towards(to, left / rest);
                rest -= left;
                part.push(from);
                if phase % 2 == 0 {
                    parts.push(std::mem::take(&mut part));
                }
                part = vec![from];
                phase = (phase + 1) % self.pattern.len();
                left = self.pattern[phase];
            }
            left -= rest;
            part.push(to);
        }
        if phase % 2 == 0 {
            parts.push(part);
        }
        parts
    }
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) content: String,
    /// Height of the em.
    pub(crate) size: f64,
    /// Where the anchor stands on the baseline.
    pub(crate) at: Point,
    pub(crate) anchor: Anchor,
    pub(crate) weight: Weight,
    pub(crate) colour: Colour,
    /// Whether the text runs upwards.
    pub(crate) upwards: bool,
}

impl Text {
    /// Returns a text whose baseline starts at a point.
    pub(crate) fn new(content: impl Into<String>, size: f64, at: Point) -> Self {
        Self {
            content: content.into(),
            size,
            at,
            anchor: Anchor::Start,
            weight: Weight::Regular,
            colour: Colour::INK,
            upwards: false,
        }
    }

    /// Moves the text so that its capitals, not its baseline, are centred on its place.
    pub(crate) fn centred(mut self) -> Self {
        let drop = self.size * font::CAPITALS / 2.0;
        self.at = if self.upwards { self.at.shifted(drop, 0.0) } else { self.at.shifted(0.0, drop) };
        self
    }

    pub(crate) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(crate) fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    pub(crate) fn bold(self) -> Self {
        Self { weight: Weight::SemiBold, ..self }
    }

    pub(crate) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners_and_keep_their_lengths() {
        let points = [Point::new(0.0, 0.0), Point::new(5.0, 0.0), Point::new(5.0, 5.0)];
        let parts = Stroke::new(Colour::INK, 1.0).dashed(&[4.0, 2.0]).dashes(&points);
        let length = |part: &Vec<Point>| part.windows(2).map(|p| p[0].distance(p[1])).sum::<f64>();
        let lengths: Vec<f64> = parts.iter().map(length).collect();
        assert_eq!(lengths, [4.0, 4.0]);
        assert_eq!(parts[1].first(), Some(&Point::new(5.0, 1.0)));
    }

    #[test]
    fn a_solid_line_stays_whole() {
        let points = [Point::new(0.0, 0.0), Point::new(5.0, 0.0)];
        assert_eq!(Stroke::new(Colour::INK, 1.0).dashes(&points), [points.to_vec()]);
    }
}
