//! Labels beside points, placed so that they do not cover each other where possible.

use crate::colour::Colour;
use crate::figure::{Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};

/// A label that looks for a place beside its point.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) content: String,
    pub(crate) point: Point,
    /// Radius of the point's marker.
    pub(crate) radius: f64,
    pub(crate) colour: Colour,
    pub(crate) weight: Weight,
    /// Labels of a higher rank are placed first, and stay if two collide.
    pub(crate) rank: u8,
}

/// Something that labels should not cover.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Obstacle {
    pub(crate) rect: Rect,
    /// How bad covering a unit of area is.
    pub(crate) cost: f64,
}

/// How labels are set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelStyle {
    pub(crate) size: f64,
    /// How far from its point a label may stand; from farther than 9 a line leads to it.
    pub(crate) reaches: &'static [f64],
}

/// Covering another label is worse than anything else.
const CLASH: f64 = 40.0;

/// Places the labels inside the frame and draws them; one that could only cover another one is left out.
pub(crate) fn draw(figure: &mut Figure, labels: &[Label], style: LabelStyle, frame: Rect, obstacles: &[Obstacle]) {
    for (label, rect) in labels.iter().zip(place(labels, style, frame, obstacles)) {
        let Some(rect) = rect else { continue };
        let nearest = rect.nearest(label.point);
        let distance = nearest.distance(label.point);
        if distance > label.radius + 7.0 {
            let start = label.point.towards(nearest, (label.radius + 1.0) / distance);
            let end = label.point.towards(nearest, 1.0 - 1.0 / distance);
            figure.line(start, end, Stroke::new(Colour::FRAME, 0.8));
        }
        let at = Point::new(rect.left, rect.centre().y);
        let text = Text { weight: label.weight, ..Text::new(label.content.clone(), style.size, at) };
        figure.text(text.colour(label.colour).centred());
    }
}

/// Returns a box for each label, or nothing where there is no room.
fn place(labels: &[Label], style: LabelStyle, frame: Rect, obstacles: &[Obstacle]) -> Vec<Option<Rect>> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(labels[i].rank));
    let choices: Vec<Vec<(Rect, f64)>> =
        labels.iter().map(|label| candidates(label, style, frame, obstacles)).collect();
    let mut places: Vec<Option<Rect>> = vec![None; labels.len()];
    // Each label takes the best place left; then they take turns, since a neighbour may have made room.
    for _ in 0..6 {
        for &i in &order {
            places[i] = None;
            let clash = |rect: &Rect| -> f64 { places.iter().flatten().map(|other| rect.overlap(other)).sum() };
            let cost = |(rect, cost): &(Rect, f64)| cost + CLASH * clash(rect);
            places[i] = choices[i].iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).map(|(rect, _)| *rect);
        }
    }
    for &i in order.iter().rev() {
        let covers = |rect: &Rect| {
            let others = places.iter().enumerate().filter(|(j, _)| *j != i);
            others.filter_map(|(_, other)| *other).any(|other| rect.overlap(&other) > 0.5)
        };
        if places[i].is_some_and(|rect| covers(&rect)) {
            places[i] = None;
        }
    }
    places
}

/// Returns the boxes that a label may take, with the cost of each by itself.
fn candidates(label: &Label, style: LabelStyle, frame: Rect, obstacles: &[Obstacle]) -> Vec<(Rect, f64)> {
    // Right first, then above, left, below; corners in between.
    const DIRECTIONS: [(f64, f64, f64); 16] = [
        (1.0, 0.0, 0.0),
        (1.0, -0.6, 0.6),
        (1.0, 0.6, 0.8),
        (1.0, -1.0, 1.0),
        (0.0, -1.0, 1.2),
        (1.0, 1.0, 1.4),
        (-1.0, 0.0, 1.6),
        (-1.0, -0.6, 1.8),
        (0.0, 1.0, 2.0),
        (-1.0, 0.6, 2.0),
        (-1.0, -1.0, 2.2),
        (-1.0, 1.0, 2.4),
        (0.5, -1.0, 2.0),
        (-0.5, -1.0, 2.2),
        (0.5, 1.0, 2.4),
        (-0.5, 1.0, 2.6),
    ];
    let width = font::width(&label.content, label.weight, style.size);
    let height = style.size;
    let mut found = Vec::new();
    for &reach in style.reaches {
        let gap = label.radius + reach;
        for (dx, dy, taste) in DIRECTIONS {
            let (x, y) = (dx * (width / 2.0 + gap), dy * (height / 2.0 + gap));
            let rect = Rect::around(label.point.shifted(x, y), width, height);
            if frame.grown(-2.0).holds(&rect) {
                let covered: f64 = obstacles.iter().map(|o| o.cost * rect.overlap(&o.rect)).sum();
                found.push((rect, covered + taste + 1.5 * (reach - style.reaches[0])));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: LabelStyle = LabelStyle { size: 10.0, reaches: &[3.0, 12.0, 24.0, 40.0] };
    const FRAME: Rect = Rect::new(0.0, 0.0, 300.0, 200.0);

    fn label(x: f64, y: f64, rank: u8) -> Label {
        Label {
            content: "a weighting".to_owned(),
            point: Point::new(x, y),
            radius: 4.0,
            colour: Colour::INK,
            weight: Weight::Regular,
            rank,
        }
    }

    #[test]
    fn crowded_labels_do_not_cover_each_other_and_stay_inside() {
        let labels: Vec<Label> =
            (0..9).map(|i| label(140.0 + f64::from(i % 3) * 9.0, 90.0 + f64::from(i / 3) * 9.0, 1)).collect();
        let placed: Vec<Rect> = place(&labels, STYLE, FRAME, &[]).into_iter().flatten().collect();
        assert!(placed.len() >= 7, "{} of 9 found a place", placed.len());
        for (i, a) in placed.iter().enumerate() {
            assert!(FRAME.holds(a));
            assert!(placed[i + 1..].iter().all(|b| a.overlap(b) <= 0.5));
        }
    }

    #[test]
    fn the_higher_rank_stays_where_there_is_room_for_one() {
        let frame = Rect::new(0.0, 0.0, 90.0, 18.0);
        let labels = [label(10.0, 9.0, 0), label(10.0, 9.0, 2)];
        let places = place(&labels, STYLE, frame, &[]);
        assert!(places[0].is_none() && places[1].is_some());
    }

    #[test]
    fn obstacles_are_avoided() {
        let wall = Obstacle { rect: Rect::new(105.0, 60.0, 120.0, 60.0), cost: 1.0 };
        let rect = place(&[label(100.0, 90.0, 0)], STYLE, FRAME, &[wall])[0].unwrap();
        assert!(rect.overlap(&wall.rect) < 1.0, "{rect:?}");
    }
}
