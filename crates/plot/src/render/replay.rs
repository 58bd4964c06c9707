//! Shapes on a plotters backend.

use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind};

use super::text::Setting;
use crate::colour::Colour;
use crate::figure::{Figure, Point, Shape, Stroke};

/// How a backend is fed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed {
    /// Backend units per point: backends take whole numbers only, so the unit must be fine.
    pub(super) unit: f64,
    /// Whether lines are handed over as lines; if not, as polygons, which rasterise more evenly.
    pub(super) strokes: bool,
}

/// Paints all shapes of the figure on a white sheet.
pub(super) fn replay<B: DrawingBackend>(
    backend: &mut B,
    figure: &Figure,
    feed: Feed,
) -> Result<(), DrawingErrorKind<B::ErrorType>> {
    let sheet = (feed.length(figure.width), feed.length(figure.height));
    backend.draw_rect((0, 0), sheet, &paint(Colour::WHITE), true)?;
    for shape in &figure.shapes {
        match shape {
            Shape::Rect { rect, fill } => {
                let low = feed.place(Point::new(rect.left, rect.top));
                let high = feed.place(Point::new(rect.right(), rect.bottom()));
                // The bitmap backend paints the far edge too.
                let high = if feed.strokes { high } else { (high.0 - 1, high.1 - 1) };
                backend.draw_rect(low, high, &paint(*fill), true)?;
            }
            Shape::Polygon { corners, fill } => {
                backend.fill_polygon(feed.places(corners), &paint(*fill))?;
            }
            Shape::Circle { centre, radius, fill } if feed.strokes => {
                let radius = feed.length(*radius) as u32;
                backend.draw_circle(feed.place(*centre), radius, &paint(*fill), true)?;
            }
            Shape::Circle { centre, radius, fill } => {
                backend.fill_polygon(feed.places(&round(*centre, *radius)), &paint(*fill))?;
            }
            Shape::Path { points, stroke } if feed.strokes => {
                let pen = Pen { colour: paint(stroke.colour), width: feed.length(stroke.width).max(1) as u32 };
                backend.draw_path(feed.places(points), &pen)?;
            }
            Shape::Path { points, stroke } => {
                for corners in outline(points, *stroke) {
                    backend.fill_polygon(feed.places(&corners), &paint(stroke.colour))?;
                }
            }
            Shape::Text(text) => {
                let setting = Setting { text, unit: feed.unit, colour: paint(text.colour) };
                backend.draw_text(&text.content, &setting, feed.place(text.at))?;
            }
        }
    }
    backend.present()
}

impl Feed {
    fn length(self, length: f64) -> i32 {
        (length * self.unit).round() as i32
    }

    fn place(self, point: Point) -> BackendCoord {
        (self.length(point.x), self.length(point.y))
    }

    fn places(self, points: &[Point]) -> Vec<BackendCoord> {
        points.iter().map(|&p| self.place(p)).collect()
    }
}

struct Pen {
    colour: BackendColor,
    width: u32,
}

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        self.colour
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

fn paint(Colour(r, g, b): Colour) -> BackendColor {
    BackendColor { alpha: 1.0, rgb: (r, g, b) }
}

/// Returns a circle as a polygon.
fn round(centre: Point, radius: f64) -> Vec<Point> {
    let corner = |i: u32| {
        let angle = f64::from(i) * std::f64::consts::TAU / 40.0;
        centre.shifted(radius * angle.cos(), radius * angle.sin())
    };
    (0..40).map(corner).collect()
}

/// Returns a path as polygons: a box for each stretch, and a circle at each bend.
fn outline(points: &[Point], stroke: Stroke) -> Vec<Vec<Point>> {
    let half = stroke.width / 2.0;
    let mut parts = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = from.distance(to);
        if length > 0.0 {
            let (dx, dy) = (half * (to.y - from.y) / length, half * (from.x - to.x) / length);
            parts.push(vec![from.shifted(dx, dy), to.shifted(dx, dy), to.shifted(-dx, -dy), from.shifted(-dx, -dy)]);
        }
    }
    let bends = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
    parts.extend(bends.iter().map(|&bend| round(bend, half)));
    parts
}
