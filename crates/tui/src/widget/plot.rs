//! The frame of a plot: two axes with numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Axis;
use crate::theme::Theme;

/// Where a plot lies, and what its axes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plot {
    pub(crate) area: Rect,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Plot {
    /// Returns the cell of a place on the axes, if it is on the plot.
    pub(crate) fn cell(&self, x: f64, y: f64) -> Option<(u16, u16)> {
        let (x, y) = (self.x.share(x)?, self.y.share(y)?);
        if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) || self.area.is_empty() {
            return None;
        }
        let column = (x * f64::from(self.area.width - 1)).round() as u16;
        let row = ((1.0 - y) * f64::from(self.area.height - 1)).round() as u16;
        Some((self.area.x + column, self.area.y + row))
    }

    /// Returns what a cell stands for on the axes.
    pub(crate) fn values(&self, (column, row): (u16, u16)) -> (f64, f64) {
        let share = |offset: u16, length: u16| f64::from(offset.min(length)) / f64::from(length.max(2) - 1);
        let x = share(column.saturating_sub(self.area.x), self.area.width);
        let y = 1.0 - share(row.saturating_sub(self.area.y), self.area.height);
        (self.x.value(x.min(1.0)), self.y.value(y.max(0.0)))
    }
}

/// Draws axes with numbers, and returns the plot inside.
pub(crate) fn plot(buffer: &mut Buffer, area: Rect, x: Axis, y: Axis, theme: Theme) -> Plot {
    let y_ticks = y.ticks(usize::from((area.height / 4).clamp(2, 8)));
    let width = y_ticks.iter().map(|(_, text)| text.len()).max().unwrap_or(1) as u16;
    if area.width < width + 8 || area.height < 4 {
        return Plot { area: Rect { width: 0, height: 0, ..area }, x, y };
    }
    let inner = Rect { x: area.x + width + 1, y: area.y, width: area.width - width - 1, height: area.height - 2 };
    let plot = Plot { area: inner, x, y };
    let (line, dim) = (theme.line(), theme.dim());
    for row in inner.y..inner.bottom() {
        buffer.set_string(inner.x - 1, row, "│", line);
    }
    buffer.set_string(inner.x - 1, inner.bottom(), "└", line);
    buffer.set_string(inner.x, inner.bottom(), "─".repeat(usize::from(inner.width)), line);
    for (value, text) in y_ticks {
        if let Some((_, row)) = plot.cell(x.lo, value) {
            buffer.set_string(inner.x - 1 - text.len() as u16, row, &text, dim);
            buffer.set_string(inner.x - 1, row, "┤", line);
        }
    }
    let mut free = area.x;
    for (value, text) in x.ticks(usize::from((inner.width / 12).clamp(2, 10))) {
        let Some((column, _)) = plot.cell(value, y.lo) else { continue };
        buffer.set_string(column, inner.bottom(), "┴", line);
        let start = column.saturating_sub(text.len() as u16 / 2).min(area.right().saturating_sub(text.len() as u16));
        if start >= free {
            buffer.set_string(start, inner.bottom() + 1, &text, dim);
            free = start + text.len() as u16 + 1;
        }
    }
    plot
}
