//! A grid of images: one row per model, one column per prompt.

use std::path::Path;

use crate::PlotError;
use crate::colour::Colour;
use crate::figure::{Anchor, Figure, Point, Rect, Text};
use crate::font::{self, LEADING, Weight};
use crate::render::{Density, Raster, write_whole};

/// An image of 8-bit red, green and blue values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbPicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green, blue; row after row from the top: `3 × width × height` bytes.
    pub pixels: Vec<u8>,
}

impl RgbPicture {
    /// Returns images of one size as one, `across` in a row; free places at the end stay white. Nothing when there are none, or
    /// when their sizes differ.
    pub fn tiled(pictures: &[Self], across: usize) -> Option<Self> {
        let first = pictures.first()?;
        let across = across.clamp(1, pictures.len());
        let (width, height) = (first.width as usize, first.height as usize);
        let fits = |other: &Self| {
            (other.width, other.height) == (first.width, first.height) && other.pixels.len() == 3 * width * height
        };
        if !pictures.iter().all(fits) {
            return None;
        }
        let down = pictures.len().div_ceil(across);
        let stride = 3 * width * across;
        let mut pixels = vec![u8::MAX; stride * height * down];
        for (place, picture) in pictures.iter().enumerate() {
            let corner = place / across * height * stride + place % across * width * 3;
            for (line, bytes) in picture.pixels.chunks_exact(3 * width).enumerate() {
                pixels[corner + line * stride..][..bytes.len()].copy_from_slice(bytes);
            }
        }
        Some(Self { width: (width * across) as u32, height: (height * down) as u32, pixels })
    }
}

/// The images of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridRow {
    /// What to call the row; line breaks are kept.
    pub label: String,
    /// One image for each column; missing ones at the end stay blank.
    pub pictures: Vec<RgbPicture>,
}

/// Sizes are in pixels of the file here, so that every pixel of an image becomes a whole square.
const DENSITY: Density = Density { pixels: 1, oversampling: 4 };
const MARGIN: f64 = 16.0;
const GAP: f64 = 4.0;
const LABEL: f64 = 14.0;
const CAPTION: f64 = 11.5;
/// The most room that row labels get.
const LABELS: f64 = 170.0;
const CAPTION_LINES: usize = 4;

/// Draws images side by side as a PNG, each pixel as a square of `scale` × `scale`.
///
/// Row labels stand at the left, column captions, wrapped, at the top. `columns` may be empty for a grid without
/// captions.
///
/// # Errors
/// No rows or images, an image whose bytes do not match its size, a row with more images than captions, a scale of 0, an
/// ending other than `.png`, a grid of more than about 8,000 × 8,000 pixels, and failures to write.
pub fn draw_picture_grid(path: &Path, rows: &[GridRow], columns: &[String], scale: u32) -> Result<(), PlotError> {
    check(path, rows, columns, scale)?;
    let grid = Grid::new(rows, columns, scale);
    let mut raster = Raster::draw(path, &grid.figure(rows, columns), DENSITY)?;
    for (number, row) in rows.iter().enumerate() {
        for (column, picture) in row.pictures.iter().enumerate() {
            let cell = grid.cell(number, column);
            raster.paste(picture, scale as usize, (cell.left as usize, cell.top as usize));
        }
    }
    write_whole(path, &raster.png(path)?)
}

/// Where things stand.
struct Grid {
    /// Width and height of a cell.
    cell: (f64, f64),
    rows: usize,
    columns: usize,
    labels: Vec<Vec<String>>,
    captions: Vec<Vec<String>>,
    /// The corner of the first cell.
    left: f64,
    top: f64,
}

impl Grid {
    fn new(rows: &[GridRow], columns: &[String], scale: u32) -> Self {
        let pictures = || rows.iter().flat_map(|row| &row.pictures);
        let most = |side: fn(&RgbPicture) -> u32| pictures().map(side).max().unwrap_or(0);
        let cell = (f64::from(most(|p| p.width) * scale), f64::from(most(|p| p.height) * scale));
        let count = rows.iter().map(|row| row.pictures.len()).max().unwrap_or(0).max(columns.len());

        let label_lines = ((cell.1 / (LABEL * LEADING)) as usize).max(1);
        let labels: Vec<Vec<String>> = rows.iter().map(|row| lines(&row.label, label_lines)).collect();
        let widths = labels.iter().flatten().map(|line| font::width(line, Weight::SemiBold, LABEL));
        let label_width = widths.fold(0.0, f64::max);

        let wrapped = |text: &String| font::wrap(text, Weight::Regular, CAPTION, cell.0 - 4.0, CAPTION_LINES);
        let captions: Vec<Vec<String>> = columns.iter().map(wrapped).collect();
        let caption_lines = captions.iter().map(Vec::len).max().unwrap_or(0) as f64;

        let after = |extent: f64, gap: f64| if extent > 0.0 { (extent + gap).ceil() } else { 0.0 };
        Self {
            cell,
            rows: rows.len(),
            columns: count,
            labels,
            captions,
            left: MARGIN + after(label_width, 14.0),
            top: MARGIN + after(caption_lines * CAPTION * LEADING, 6.0),
        }
    }

    fn cell(&self, row: usize, column: usize) -> Rect {
        let left = self.left + column as f64 * (self.cell.0 + GAP);
        let top = self.top + row as f64 * (self.cell.1 + GAP);
        Rect::new(left, top, self.cell.0, self.cell.1)
    }

    /// Returns the sheet with labels and captions, the cells blank.
    fn figure(&self, rows: &[GridRow], columns: &[String]) -> Figure {
        let corner = self.cell(self.rows - 1, self.columns - 1);
        let mut figure = Figure::new(corner.right() + MARGIN, corner.bottom() + MARGIN);
        for (number, lines) in self.labels.iter().enumerate().take(rows.len()) {
            let step = LABEL * LEADING;
            let middle = self.cell(number, 0).centre().y;
            let first = middle - step * (lines.len() as f64 - 1.0) / 2.0;
            for (line, text) in lines.iter().enumerate() {
                let at = Point::new(self.left - 12.0, first + step * line as f64);
                figure.text(Text::new(text.clone(), LABEL, at).anchor(Anchor::End).bold().centred());
            }
        }
        for (number, lines) in self.captions.iter().enumerate().take(columns.len()) {
            let step = CAPTION * LEADING;
            let middle = self.cell(0, number).centre().x;
            for (line, text) in lines.iter().rev().enumerate() {
                let at = Point::new(middle, self.top - 8.0 - step * line as f64);
                figure.text(Text::new(text.clone(), CAPTION, at).anchor(Anchor::Middle).colour(Colour::GREY));
            }
        }
        for (number, row) in rows.iter().enumerate() {
            for column in row.pictures.len()..self.columns {
                figure.rect(self.cell(number, column), Colour::GRID.pale(0.5));
            }
        }
        figure
    }
}

/// Returns a row's label as lines that fit.
fn lines(label: &str, most: usize) -> Vec<String> {
    let wrapped = label.lines().flat_map(|line| font::wrap(line, Weight::SemiBold, LABEL, LABELS, most));
    wrapped.take(most).collect()
}

impl Raster {
    /// Copies an image to a place, each of its pixels as a square.
    fn paste(&mut self, picture: &RgbPicture, scale: usize, (left, top): (usize, usize)) {
        let (width, height) = (picture.width as usize, picture.height as usize);
        for y in 0..height * scale {
            let source = &picture.pixels[y / scale * width * 3..][..width * 3];
            let start = ((top + y) * self.width + left) * 3;
            let target = &mut self.pixels[start..start + width * scale * 3];
            for (square, pixel) in target.chunks_exact_mut(scale * 3).zip(source.chunks_exact(3)) {
                for copy in square.chunks_exact_mut(3) {
                    copy.copy_from_slice(pixel);
                }
            }
        }
    }
}

fn check(path: &Path, rows: &[GridRow], columns: &[String], scale: u32) -> Result<(), PlotError> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        return Err(PlotError::Format { path: path.to_owned(), wanted: ".png" });
    }
    if !(1..=64).contains(&scale) {
        return Err(PlotError::Setting { what: "the scale of the images", value: scale.into(), wanted: "1 to 64" });
    }
    PlotError::if_empty(rows, "the list of rows")?;
    if rows.iter().all(|row| row.pictures.is_empty()) {
        return Err(PlotError::Empty { what: "every row of images".to_owned() });
    }
    for row in rows {
        let count =
            |parts, found, expected| PlotError::Count { what: format!("row {:?}", row.label), parts, found, expected };
        if !columns.is_empty() && row.pictures.len() > columns.len() {
            return Err(count("pictures", row.pictures.len(), columns.len()));
        }
        for picture in &row.pictures {
            let expected = picture.width as usize * picture.height as usize * 3;
            if expected == 0 || picture.pixels.len() != expected {
                return Err(count("bytes in an image", picture.pixels.len(), expected.max(3)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(level: u8) -> RgbPicture {
        RgbPicture { width: 2, height: 1, pixels: vec![level; 6] }
    }

    #[test]
    fn tiles_stand_in_reading_order_and_free_places_are_white() {
        let tiled = RgbPicture::tiled(&[grey(1), grey(2), grey(3)], 2).expect("of one size");
        assert_eq!((tiled.width, tiled.height), (4, 2));
        let rows = [[[1u8; 6], [2; 6]], [[3; 6], [255; 6]]];
        assert_eq!(tiled.pixels, rows.concat().concat());
        assert_eq!(RgbPicture::tiled(&[grey(9)], 2), Some(grey(9)));
    }

    #[test]
    fn pictures_of_different_sizes_and_none_at_all_are_no_tile() {
        let other = RgbPicture { width: 1, height: 2, pixels: vec![0; 6] };
        assert_eq!(RgbPicture::tiled(&[grey(1), other], 2), None);
        assert_eq!(RgbPicture::tiled(&[], 2), None);
    }
}
