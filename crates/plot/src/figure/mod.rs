//! A drawing as a list of shapes, independent of any file format.
//!
//! Lengths are in points of 1/96 inch; `x` grows to the right, `y` downwards.

mod geometry;
mod shape;

pub(crate) use geometry::{Point, Rect};
pub(crate) use shape::{Anchor, Shape, Stroke, Text};

use crate::colour::Colour;

/// Shapes on a white sheet, painted in order.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Figure {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width: width.ceil(), height: height.ceil(), shapes: Vec::new() }
    }

    pub(crate) fn rect(&mut self, rect: Rect, fill: Colour) {
        self.shapes.push(Shape::Rect { rect, fill });
    }

    pub(crate) fn polygon(&mut self, corners: Vec<Point>, fill: Colour) {
        self.shapes.push(Shape::Polygon { corners, fill });
    }

    pub(crate) fn circle(&mut self, centre: Point, radius: f64, fill: Colour) {
        self.shapes.push(Shape::Circle { centre, radius, fill });
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        self.path(&[from, to], stroke);
    }

    /// Draws straight lines through the points, dashed as the stroke says.
    pub(crate) fn path(&mut self, points: &[Point], stroke: Stroke) {
        for points in stroke.dashes(points) {
            self.shapes.push(Shape::Path { points, stroke });
        }
    }

    pub(crate) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}
