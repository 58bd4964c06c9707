//! A table whose cells are shaded by how far their values are above or below zero.

use std::path::Path;

use crate::PlotError;
use crate::colour::Colour;
use crate::figure::{Anchor, Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};
use crate::render;

/// A cell with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    /// The number, as it is to be read.
    pub text: String,
    /// What stands below it in small, such as half its interval's width; may be empty.
    pub below: String,
    /// How dark the cell is, from −1 (as far below zero as can be) to 1.
    pub shade: f64,
    /// Whether the cell has a frame.
    pub is_framed: bool,
}

/// A table of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// The title.
    pub title: String,
    /// A heading for each column.
    pub columns: Vec<String>,
    /// A label and cells for each row; places without a cell stay white.
    pub rows: Vec<(String, Vec<Option<HeatCell>>)>,
    /// What stands below the table.
    pub note: String,
}

const MARGIN: f64 = 18.0;
const CELL: (f64, f64) = (112.0, 46.0);
const GAP: f64 = 3.0;
const HEADING: f64 = 11.5;
const HEADING_LINES: usize = 3;
const LABELS: f64 = 220.0;
const NOTE: f64 = 10.5;
const NOTE_LINES: usize = 4;

/// Draws a table of numbers, each in a cell that is blue above zero and orange below, the darker the farther.
///
/// # Errors
/// No rows or columns, rows with other numbers of cells than there are columns, shades that are not finite, an ending other than `.svg` or
/// `.png`, and failures to write.
pub fn draw_heat_map(path: &Path, map: &HeatMap) -> Result<(), PlotError> {
    check(map)?;
    render::save(path, &figure(map))
}

fn check(map: &HeatMap) -> Result<(), PlotError> {
    PlotError::if_empty(&map.columns, "the list of columns")?;
    PlotError::if_empty(&map.rows, "the list of rows")?;
    for (label, cells) in &map.rows {
        if cells.len() != map.columns.len() {
            let (found, expected) = (cells.len(), map.columns.len());
            return Err(PlotError::Count { what: format!("the row {label:?}"), parts: "cells", found, expected });
        }
        for cell in cells.iter().flatten() {
            PlotError::unless_finite(cell.shade, || format!("the shade of a cell of the row {label:?}"))?;
        }
    }
    Ok(())
}

fn figure(map: &HeatMap) -> Figure {
    let widths = map.rows.iter().map(|(label, _)| font::width(label, Weight::Regular, 12.0));
    let labels = widths.fold(0.0, f64::max).min(LABELS).ceil() + 10.0;
    let across = labels + map.columns.len() as f64 * (CELL.0 + GAP);
    let wrapped = |text: &String| font::wrap(text, Weight::SemiBold, HEADING, CELL.0 - 4.0, HEADING_LINES);
    let headings: Vec<Vec<String>> = map.columns.iter().map(wrapped).collect();
    let lines = headings.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let title_width = font::width(&map.title, Weight::SemiBold, 14.0).min(900.0);
    let width = across.max(title_width);
    let note = font::wrap(&map.note, Weight::Regular, NOTE, width, NOTE_LINES);
    let top = MARGIN + 30.0 + lines * HEADING * font::LEADING;
    let bottom = top + map.rows.len() as f64 * (CELL.1 + GAP);
    let height = bottom + 10.0 + note.len() as f64 * NOTE * font::LEADING + MARGIN;
    let mut figure = Figure::new(MARGIN + width + MARGIN, height);
    let title = font::fit(&map.title, Weight::SemiBold, 14.0, width);
    figure.text(Text::new(title, 14.0, Point::new(MARGIN, MARGIN + 10.0)).bold());
    let left = |column: usize| MARGIN + labels + column as f64 * (CELL.0 + GAP);
    for (column, lines) in headings.iter().enumerate() {
        for (line, text) in lines.iter().enumerate() {
            let above = (lines.len() - 1 - line) as f64 * HEADING * font::LEADING;
            let at = Point::new(left(column) + CELL.0 / 2.0, top - 8.0 - above);
            figure.text(Text::new(text.clone(), HEADING, at).anchor(Anchor::Middle).bold());
        }
    }
    for (row, (label, cells)) in map.rows.iter().enumerate() {
        let above = top + row as f64 * (CELL.1 + GAP);
        let label = font::fit(label, Weight::Regular, 12.0, LABELS);
        let at = Point::new(MARGIN + labels - 10.0, above + CELL.1 / 2.0 + 4.0);
        figure.text(Text::new(label, 12.0, at).anchor(Anchor::End));
        for (column, cell) in cells.iter().enumerate() {
            if let Some(cell) = cell {
                draw_cell(&mut figure, cell, Rect::new(left(column), above, CELL.0, CELL.1));
            }
        }
    }
    for (line, text) in note.into_iter().enumerate() {
        let at = Point::new(MARGIN, bottom + 18.0 + line as f64 * NOTE * font::LEADING);
        figure.text(Text::new(text, NOTE, at).colour(Colour::GREY));
    }
    figure
}

fn draw_cell(figure: &mut Figure, cell: &HeatCell, rect: Rect) {
    let strength = cell.shade.abs().min(1.0);
    let colour = if cell.shade >= 0.0 { Colour::BLUE } else { Colour::ORANGE };
    // Never so dark that ink cannot be read on it.
    figure.rect(rect, colour.pale(1.0 - 0.6 * strength));
    if cell.is_framed {
        let inner = rect.grown(-1.0);
        let corners = [
            Point::new(inner.left, inner.top),
            Point::new(inner.right(), inner.top),
            Point::new(inner.right(), inner.bottom()),
            Point::new(inner.left, inner.bottom()),
            Point::new(inner.left, inner.top),
        ];
        figure.path(&corners, Stroke::new(Colour::INK, 1.5));
    }
    let centre = rect.centre();
    let raised = if cell.below.is_empty() { 4.5 } else { -2.0 };
    let text = Text::new(cell.text.clone(), 13.0, centre.shifted(0.0, raised)).anchor(Anchor::Middle);
    figure.text(text.bold());
    if !cell.below.is_empty() {
        let below = Text::new(cell.below.clone(), 10.0, centre.shifted(0.0, 13.0));
        figure.text(below.anchor(Anchor::Middle));
    }
}
