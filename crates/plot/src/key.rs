//! The key: what marks and lines mean.

use crate::colour::Colour;
use crate::figure::{Anchor, Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};
use crate::marker::{Marker, draw_bars};
use crate::series::SeriesMark;

const SIZE: f64 = 10.0;
const LINE: f64 = 16.0;
/// Room for a mark, left of its text.
const MARK: f64 = 24.0;
const NUMBER: f64 = 16.0;
/// Room between columns, or between entries in a row.
const GAP: f64 = 18.0;

/// What an entry explains.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    Point(Marker),
    Line(Stroke),
    Bars(Colour),
    /// A mark on its line.
    Series(SeriesMark),
}

/// One line of the key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    /// The number that stands beside the point in the panels.
    pub(crate) number: Option<usize>,
    pub(crate) text: String,
    /// Whether the text is greyed.
    pub(crate) dimmed: bool,
}

impl Entry {
    pub(crate) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, number: None, text: text.into(), dimmed: false }
    }

    fn width(&self) -> f64 {
        let number = if self.number.is_some() { NUMBER } else { 0.0 };
        MARK + number + font::width(&self.text, Weight::Regular, SIZE)
    }

    /// Draws the entry with its left end at `at`, in the middle of the line.
    fn draw(&self, figure: &mut Figure, at: Point, width: f64) {
        let centre = at.shifted(8.0, 0.0);
        match self.mark {
            Mark::Point(marker) => marker.draw(figure, centre),
            Mark::Line(stroke) => figure.line(at.shifted(-1.0, 0.0), at.shifted(17.0, 0.0), stroke),
            Mark::Series(mark) => {
                figure.line(at.shifted(-2.0, 0.0), at.shifted(18.0, 0.0), mark.line());
                mark.draw(figure, centre, false);
            }
            Mark::Bars(colour) => {
                let across = [centre.shifted(-6.0, 0.0), centre.shifted(6.0, 0.0)];
                draw_bars(figure, across, [centre.shifted(0.0, 6.0), centre.shifted(0.0, -6.0)], colour);
            }
        }
        let colour = if self.dimmed { Colour::GREY.pale(0.25) } else { Colour::INK };
        let mut left = at.x + MARK;
        if let Some(number) = self.number {
            let text = Text::new(number.to_string(), SIZE, Point::new(left + NUMBER - 5.0, at.y));
            figure.text(text.anchor(Anchor::End).colour(colour).bold().centred());
            left += NUMBER;
        }
        let shown = font::fit(&self.text, Weight::Regular, SIZE, at.x + width - left);
        figure.text(Text::new(shown, SIZE, Point::new(left, at.y)).colour(colour).centred());
    }
}

/// Entries in sections, set in columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key {
    pub(crate) sections: Vec<Vec<Entry>>,
}

impl Key {
    /// Returns the width that the key takes in a given height.
    pub(crate) fn width(&self, height: f64) -> f64 {
        let columns = self.columns(height);
        let widths = columns.iter().map(|column| column_width(column));
        widths.sum::<f64>() + GAP * (columns.len().max(1) - 1) as f64
    }

    /// Draws the key from the upper left corner of the box; columns too wide for it are cut.
    pub(crate) fn draw(&self, figure: &mut Figure, area: Rect) {
        let mut left = area.left;
        for column in self.columns(area.height) {
            let width = column_width(&column).min(area.right() - left);
            for (line, entry) in column.iter().enumerate() {
                if let Some(entry) = entry {
                    let y = area.top + LINE * (line as f64 + 0.5);
                    entry.draw(figure, Point::new(left, y), width);
                }
            }
            left += width + GAP;
        }
    }

    /// Returns the entries of each column; sections that follow one another in a column have an empty line between.
    fn columns(&self, height: f64) -> Vec<Vec<Option<&Entry>>> {
        let lines = ((height / LINE) as usize).max(1);
        let mut columns: Vec<Vec<Option<&Entry>>> = vec![Vec::new()];
        for section in &self.sections {
            let used = columns.last().map_or(0, Vec::len);
            if used > 0 && used + 1 + section.len() <= lines {
                columns.extend_last([None]);
            } else if used > 0 {
                columns.push(Vec::new());
            }
            for (number, part) in section.chunks(lines).enumerate() {
                if number > 0 {
                    columns.push(Vec::new());
                }
                columns.extend_last(part.iter().map(Some));
            }
        }
        columns
    }
}

trait ExtendLast<T> {
    fn extend_last(&mut self, items: impl IntoIterator<Item = T>);
}

impl<T> ExtendLast<T> for Vec<Vec<T>> {
    fn extend_last(&mut self, items: impl IntoIterator<Item = T>) {
        if let Some(last) = self.last_mut() {
            last.extend(items);
        }
    }
}

fn column_width(column: &[Option<&Entry>]) -> f64 {
    column.iter().flatten().map(|entry| entry.width()).fold(0.0, f64::max)
}

/// Entries side by side in centred rows.
pub(crate) struct KeyRows<'a> {
    rows: Vec<Vec<&'a Entry>>,
}

impl<'a> KeyRows<'a> {
    /// Breaks the entries into rows no wider than `width`.
    pub(crate) fn new(entries: &'a [Entry], width: f64) -> Self {
        let mut rows: Vec<Vec<&Entry>> = Vec::new();
        for entry in entries {
            let fits = |row: &Vec<&Entry>| row_width(row) + GAP + entry.width() <= width;
            match rows.last_mut().filter(|row| fits(row)) {
                Some(row) => row.push(entry),
                None => rows.push(vec![entry]),
            }
        }
        Self { rows }
    }

    pub(crate) fn height(&self) -> f64 {
        LINE * self.rows.len() as f64
    }

    /// Draws the rows centred on `middle`, from `top` downwards.
    pub(crate) fn draw(&self, figure: &mut Figure, middle: f64, top: f64) {
        for (line, row) in self.rows.iter().enumerate() {
            let mut left = middle - row_width(row) / 2.0;
            for entry in row {
                let width = entry.width();
                entry.draw(figure, Point::new(left, top + LINE * (line as f64 + 0.5)), width);
                left += width + GAP;
            }
        }
    }
}

fn row_width(row: &[&Entry]) -> f64 {
    row.iter().map(|entry| entry.width()).sum::<f64>() + GAP * (row.len().max(1) - 1) as f64
}
