//! Image grids: the same prompts and noise for every point.

use std::path::PathBuf;

use moa_plot::{GridRow, PlotError, RgbPicture, draw_picture_grid};
use moa_store::{Layout, SAMPLES};

use crate::evaluation::Point;
use crate::sheet::{self, Sheet};

/// Small images are enlarged to about so many pixels, and tiles of them to so many.
const SIDE: u32 = 96;
const TILE_SIDE: u32 = 144;
/// Images of one prompt that stand side by side in a tile: two by two show how much they differ.
const ACROSS: usize = 2;
/// Most pixels that a grid's images take along one side; the drawing itself allows 8,000.
const MOST_PIXELS: u32 = 7000;
/// Space between images.
const GAP: u32 = 4;

/// How images of a size are laid out.
struct Fit {
    scale: u32,
    columns: usize,
    rows: usize,
}

impl Fit {
    fn new(picture: &RgbPicture, side: u32) -> Self {
        let scale = (side / picture.width.max(picture.height).max(1)).max(1);
        let most = |side: u32| (MOST_PIXELS / (side * scale + GAP)).max(1) as usize;
        Self { scale, columns: most(picture.width), rows: most(picture.height) }
    }
}

/// Draws the first four images of each prompt as one tile, one row per point, and returns the files; base is the first row
/// of each. Many points take several files.
pub(super) fn draw_together(
    layout: &Layout,
    points: &[(&Point, Sheet)],
    prompts: &[String],
) -> Result<Vec<PathBuf>, PlotError> {
    let Some(tile) = points.iter().find_map(|(_, sheet)| sheet.columns.first().and_then(|column| tile_of(column)))
    else {
        return Ok(Vec::new());
    };
    let fit = Fit::new(&tile, TILE_SIDE);
    let row = |(point, sheet): &(&Point, Sheet)| {
        let pictures = sheet.columns.iter().filter_map(|column| tile_of(column)).take(fit.columns).collect();
        GridRow { label: point.id.to_string(), pictures }
    };
    let Some((base, others)) = points.split_first() else { return Ok(Vec::new()) };
    let mut written = Vec::new();
    for (page, others) in others.chunks(fit.rows.saturating_sub(1).max(1)).enumerate() {
        let rows: Vec<GridRow> = std::iter::once(base).chain(others).map(row).collect();
        let path = layout.pictures_file(page + 1);
        draw_picture_grid(&path, &rows, &prompts[..rows[0].pictures.len()], fit.scale)?;
        written.push(path);
    }
    Ok(written)
}

/// Returns whether a point's grid is drawn, of the images that are there.
pub(super) fn is_drawn(point: &Point) -> bool {
    let changed = |path: PathBuf| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let (grid, pictures) = (changed(point.folder.join(SAMPLES)), changed(sheet::path(&point.folder)));
    grid.zip(pictures).is_some_and(|(grid, pictures)| grid >= pictures)
}

/// Draws several images of each prompt of one point, and returns the file.
pub(super) fn draw_alone(point: &Point, sheet: &Sheet, prompts: &[String]) -> Result<Option<PathBuf>, PlotError> {
    let Some(first) = sheet.columns.first().and_then(|column| column.first()) else { return Ok(None) };
    let fit = Fit::new(first, SIDE);
    let count = sheet.columns.iter().map(Vec::len).max().unwrap_or(0).min(fit.rows);
    let row = |index: usize| {
        let pictures = sheet.row(index).into_iter().take(fit.columns).collect();
        GridRow { label: if index == 0 { point.id.to_string() } else { String::new() }, pictures }
    };
    let rows: Vec<GridRow> = (0..count).map(row).collect();
    let path = point.folder.join(SAMPLES);
    draw_picture_grid(&path, &rows, &prompts[..rows[0].pictures.len()], fit.scale)?;
    Ok(Some(path))
}

/// Returns the first images of a prompt, two by two.
fn tile_of(pictures: &[RgbPicture]) -> Option<RgbPicture> {
    RgbPicture::tiled(&pictures[..pictures.len().min(ACROSS * ACROSS)], ACROSS)
}
