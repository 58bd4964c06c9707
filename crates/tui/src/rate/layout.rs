//! Where images go: as large as the terminal allows.

use std::cmp::Reverse;

use ratatui::layout::Rect;

/// Columns between images.
const GAP: u16 = 2;
/// Small images stand no further apart than this, to be compared at a glance.
const FURTHEST: u16 = 8;
/// With less room for each image nothing can be judged.
const LEAST: (u16, u16) = (8, 4);
/// An image takes a whole number of pixels per pixel if it loses no more than this of its side.
const WHOLE: f64 = 0.85;

/// Where an image and the line below it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) image: Rect,
    pub(super) label: Rect,
}

/// Returns the places of images of these widths and heights in pixels; nothing where they would be too small. Two images stand side by
/// side, since keys name left and right; more in the grid that shows them largest. `cell` is a cell's width and height in pixels.
pub(super) fn places(area: Rect, sizes: &[(u32, u32)], cell: (u16, u16)) -> Option<Vec<Place>> {
    let count = sizes.len() as u16;
    let columns = if count <= 2 { count..=count } else { 1..=count };
    let grids = columns.filter(|columns| *columns > 0).map(|columns| grid(area, sizes, cell, columns));
    // Of equally large ones the one without gaps, and of these the widest.
    let best = grids.flatten().max_by_key(|(empty, places)| {
        let least = places.iter().map(|place| place.image.area()).min();
        (least, Reverse(*empty))
    });
    best.map(|(_, places)| places)
}

/// Returns the places in a grid of so many columns, and how many more it has.
fn grid(area: Rect, sizes: &[(u32, u32)], cell: (u16, u16), columns: u16) -> Option<(u16, Vec<Place>)> {
    let rows = (sizes.len() as u16).div_ceil(columns);
    let width = area.width.checked_sub(GAP * (columns - 1))? / columns;
    // The line below each image.
    let height = (area.height / rows).checked_sub(1)?;
    if width < LEAST.0 || height < LEAST.1 {
        return None;
    }
    let fitted: Vec<(u16, u16)> = sizes.iter().map(|size| fit(*size, (width, height), cell)).collect();
    let width = fitted.iter().map(|(width, _)| width + FURTHEST).max()?.min(width);
    let highest = fitted.iter().map(|(_, height)| *height).max()?;
    let used = rows * (highest + 1);
    let top = area.y + area.height.saturating_sub(used) / 2;
    let left = area.x + (area.width - columns * width - GAP * (columns - 1)) / 2;
    let place = |(index, (w, h)): (usize, (u16, u16))| {
        let (column, row) = (index as u16 % columns, index as u16 / columns);
        let (x, y) = (left + column * (width + GAP), top + row * (highest + 1));
        let image = Rect { x: x + (width - w) / 2, y: y + (highest - h) / 2, width: w, height: h };
        Place { image, label: Rect { x, y: y + highest, width, height: 1 } }
    };
    Some((rows * columns - sizes.len() as u16, fitted.into_iter().enumerate().map(place).collect()))
}

/// Returns the columns and rows of an image in so many of them.
fn fit((width, height): (u32, u32), (columns, rows): (u16, u16), cell: (u16, u16)) -> (u16, u16) {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (cell_width, cell_height) = (f64::from(cell.0.max(1)), f64::from(cell.1.max(1)));
    let scale = (f64::from(columns) * cell_width / width).min(f64::from(rows) * cell_height / height);
    let scale = if scale.floor() / scale >= WHOLE { scale.floor() } else { scale };
    let cells = |pixels: f64, cell: f64, most: u16| ((pixels * scale / cell).round() as u16).clamp(1, most);
    (cells(width, cell_width, columns), cells(height, cell_height, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: (u32, u32) = (32, 32);

    fn area(width: u16, height: u16) -> Rect {
        Rect { x: 0, y: 2, width, height }
    }

    #[test]
    fn two_images_stand_side_by_side_and_several_where_they_are_largest() {
        let pair = places(area(80, 19), &[SQUARE; 2], (1, 2)).expect("room");
        assert_eq!((pair[0].image.width, pair[0].image.height), (32, 16), "pixel by pixel");
        assert!(pair[0].image.right() < pair[1].image.x && pair[0].image.y == pair[1].image.y);
        let tall = places(area(40, 60), &[SQUARE; 2], (1, 2)).expect("room");
        assert_eq!(tall[0].image.y, tall[1].image.y);
        let four = places(area(80, 40), &[SQUARE; 4], (1, 2)).expect("room");
        assert!(four[0].image.y == four[1].image.y && four[2].image.y > four[0].label.y, "{four:?}");
        let wide = places(area(118, 33), &[SQUARE; 4], (1, 2)).expect("room");
        assert_eq!(wide[3].image.y, wide[2].image.y, "no gap where that makes none smaller");
    }

    #[test]
    fn images_keep_their_shape_in_cells_of_any_size_and_stay_inside() {
        for (size, cell) in [((64, 32), (1, 2)), ((512, 768), (10, 20)), ((3000, 20), (8, 17)), ((1, 900), (1, 2))] {
            for (width, height) in [(80, 20), (120, 36), (30, 40)] {
                let area = area(width, height);
                for count in 1..=9 {
                    let places = places(area, &vec![size; count], cell);
                    for place in places.iter().flatten() {
                        assert_eq!(area.union(place.image), area, "{size:?} × {count} in {area}");
                        assert_eq!(area.union(place.label), area);
                    }
                    assert!(count > 2 || places.is_some(), "{size:?} × {count} in {area}");
                }
            }
        }
        let wide = places(area(70, 20), &[(64, 32)], (1, 2)).expect("room")[0].image;
        assert_eq!((wide.width, wide.height), (64, 16));
    }

    #[test]
    fn what_is_too_small_has_no_place() {
        assert_eq!(places(area(40, 6), &[SQUARE; 9], (1, 2)), None);
        assert_eq!(places(area(10, 20), &[SQUARE; 2], (1, 2)), None);
        assert_eq!(places(area(0, 0), &[SQUARE], (1, 2)), None);
    }
}
