//! Lines finer than cells: every cell is two dots wide and four dots high.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Dots over an area.
pub(crate) struct Braille {
    area: Rect,
    dots: Vec<(u8, Style)>,
}

/// The bit of each dot, by row and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Braille {
    pub(crate) fn new(area: Rect) -> Self {
        Self { area, dots: vec![(0, Style::new()); usize::from(area.width) * usize::from(area.height)] }
    }

    /// Returns where shares of the width and of the height (from below) are, in dots.
    pub(crate) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let (width, height) = (2.0 * f64::from(self.area.width) - 1.0, 4.0 * f64::from(self.area.height) - 1.0);
        (x * width, (1.0 - y) * height)
    }

    fn dot(&mut self, x: i64, y: i64, style: Style) {
        let (width, height) = (i64::from(self.area.width), i64::from(self.area.height));
        if !(0..2 * width).contains(&x) || !(0..4 * height).contains(&y) {
            return;
        }
        let cell = &mut self.dots[(y / 4 * width + x / 2) as usize];
        cell.0 |= BITS[(y % 4) as usize][(x % 2) as usize];
        cell.1 = style;
    }

    /// Draws a line between two places in dots.
    pub(crate) fn line(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), style: Style) {
        // Far ends outside are not worth their dots.
        let most = 8.0 * f64::from(self.area.width.max(self.area.height).max(1)) * 4.0;
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().min(most).max(1.0);
        for step in 0..=steps as u32 {
            let share = f64::from(step) / steps;
            self.dot((x0 + share * (x1 - x0)).round() as i64, (y0 + share * (y1 - y0)).round() as i64, style);
        }
    }

    /// Draws a dashed line.
    pub(crate) fn dashes(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), style: Style) {
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().clamp(1.0, 4000.0);
        for step in (0..=steps as u32).filter(|step| step % 4 < 2) {
            let share = f64::from(step) / steps;
            self.dot((x0 + share * (x1 - x0)).round() as i64, (y0 + share * (y1 - y0)).round() as i64, style);
        }
    }

    /// Draws a dotted line.
    pub(crate) fn dots(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), style: Style) {
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().clamp(1.0, 4000.0);
        for step in (0..=steps as u32).step_by(4) {
            let share = f64::from(step) / steps;
            self.dot((x0 + share * (x1 - x0)).round() as i64, (y0 + share * (y1 - y0)).round() as i64, style);
        }
    }

    /// Puts the dots into a buffer.
    pub(crate) fn render(&self, buffer: &mut Buffer) {
        let width = usize::from(self.area.width);
        for (index, (bits, style)) in self.dots.iter().enumerate().filter(|(_, (bits, _))| *bits > 0) {
            let place = (self.area.x + (index % width) as u16, self.area.y + (index / width) as u16);
            if let (Some(cell), Some(letter)) = (buffer.cell_mut(place), char::from_u32(0x2800 + u32::from(*bits))) {
                cell.set_char(letter).set_style(*style);
            }
        }
    }
}
