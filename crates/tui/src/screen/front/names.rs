//! Names beside points, so that they cover neither each other nor the points.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Cells of a plot that are taken.
pub(super) struct Names {
    area: Rect,
    taken: Vec<bool>,
}

impl Names {
    pub(super) fn new(area: Rect) -> Self {
        Self { area, taken: vec![false; usize::from(area.width) * usize::from(area.height)] }
    }

    fn index(&self, column: u16, row: u16) -> usize {
        usize::from(row - self.area.y) * usize::from(self.area.width) + usize::from(column - self.area.x)
    }

    /// Takes cells of a row; what lies outside does not count.
    pub(super) fn take(&mut self, (column, row): (u16, u16), width: u16) {
        for column in column..column.saturating_add(width).min(self.area.right()) {
            if column >= self.area.x && (self.area.y..self.area.bottom()).contains(&row) {
                let index = self.index(column, row);
                self.taken[index] = true;
            }
        }
    }

    fn is_free(&self, (column, row): (u16, u16), width: u16) -> bool {
        let inside = (self.area.y..self.area.bottom()).contains(&row)
            && column >= self.area.x
            && column + width <= self.area.right();
        inside && (column..column + width).all(|column| !self.taken[self.index(column, row)])
    }

    /// Writes a name beside a point, where there is room. Returns whether there was.
    pub(super) fn put(&mut self, frame: &mut Frame<'_>, point: (u16, u16), name: &str, style: Style) -> bool {
        let Some(place) = self.find(point, name.chars().count() as u16) else { return false };
        let width = name.chars().count() as u16;
        // Lines and error bars end beside a name, and do not run into it.
        for column in [place.0.checked_sub(1), Some(place.0 + width)].into_iter().flatten() {
            if self.is_free((column, place.1), 1) {
                frame.buffer_mut().set_string(column, place.1, " ", style);
            }
        }
        self.take(place, width);
        frame.buffer_mut().set_string(place.0, place.1, name, style);
        true
    }

    /// Returns where a name of this width goes: to the right of its point, to the left, above or below.
    fn find(&self, (column, row): (u16, u16), width: u16) -> Option<(u16, u16)> {
        let (right, left) = (column + 2, column.checked_sub(width + 1));
        let middle = column.saturating_sub(width / 2).max(self.area.x);
        let (above, below) = (row.checked_sub(1), Some(row + 1));
        let places = [
            (Some(right), Some(row)),
            (left, Some(row)),
            (Some(column + 1), above),
            (Some(column + 1), below),
            (left.map(|left| left + 1), above),
            (left.map(|left| left + 1), below),
            (Some(middle), above),
            (Some(middle), below),
        ];
        let both = places.into_iter().filter_map(|(column, row)| column.zip(row));
        both.into_iter().find(|place| self.is_free(*place, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_neither_points_nor_each_other() {
        let area = Rect { x: 5, y: 2, width: 30, height: 6 };
        let mut names = Names::new(area);
        let points = [(10, 4), (12, 4), (10, 5), (33, 4), (6, 2)];
        for point in points {
            names.take(point, 1);
        }
        let mut covered: Vec<(u16, u16)> = points.to_vec();
        for point in points {
            let Some((column, row)) = names.find(point, 7) else { continue };
            names.take((column, row), 7);
            for cell in (column..column + 7).map(|column| (column, row)) {
                assert!(!covered.contains(&cell), "{cell:?} is covered twice");
                assert!(area.contains(cell.into()), "{cell:?} is outside");
                covered.push(cell);
            }
        }
        assert!(covered.len() >= 5 + 4 * 7, "nearly all have room: {}", covered.len());
        assert_eq!(Names::new(area).find((33, 4), 7), Some((25, 4)), "no room to the right");
        assert_eq!(Names::new(area).find((20, 4), 40), None);
    }
}
