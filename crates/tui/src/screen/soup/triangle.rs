//! Three shares as a place in a triangle.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Target;
use crate::click::Clicks;
use crate::figures::Figures;
use crate::theme::Theme;
use crate::widget::{Braille, clip, panel};

/// The corners: top, bottom left, bottom right, as shares of width and height from below.
const CORNERS: [(f64, f64); 3] = [(0.5, 1.0), (0.0, 0.0), (1.0, 0.0)];

pub(super) fn view(
    theme: Theme,
    figures: &Figures,
    shares: &[f64],
    clicks: &Clicks<Target>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let inner = panel(frame, area, "Drag", "", theme);
    if inner.height < 5 || figures.corners.len() != 3 || shares.len() != 3 {
        return;
    }
    let inside = Rect { y: inner.y + 1, height: inner.height - 2, ..inner };
    let mut lines = Braille::new(inside);
    let corners = CORNERS.map(|(x, y)| lines.place(x, y));
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        lines.line(corners[from], corners[to], theme.line());
    }
    lines.render(frame.buffer_mut());
    let half = usize::from(inner.width / 2).saturating_sub(1);
    let name = |index: usize, room: usize| clip(figures.corners[index].as_str(), room);
    let top = name(0, usize::from(inner.width));
    let right = name(2, half);
    let buffer = frame.buffer_mut();
    buffer.set_string(inner.x + (inner.width - top.chars().count() as u16) / 2, inner.y, &top, theme.series(0));
    buffer.set_string(inner.x, inner.bottom() - 1, name(1, half), theme.series(1));
    buffer.set_string(inner.right() - right.chars().count() as u16, inner.bottom() - 1, &right, theme.series(2));
    let mean = |pick: fn(&(f64, f64)) -> f64| {
        CORNERS.iter().zip(shares).map(|(corner, share)| share * pick(corner)).sum::<f64>()
    };
    let (x, y) = (mean(|corner| corner.0), mean(|corner| corner.1));
    let column = inside.x + (x * f64::from(inside.width - 1)).round() as u16;
    let row = inside.y + ((1.0 - y) * f64::from(inside.height - 1)).round() as u16;
    buffer.set_string(column, row, "●", theme.accent());
    clicks.put(inside, Target::Triangle);
}

/// Returns the shares of a place in the triangle's area; places outside count as the nearest ones inside.
pub(super) fn shares(area: Rect, (column, row): (u16, u16)) -> [f64; 3] {
    let share = |offset: u16, length: u16| f64::from(offset.min(length)) / f64::from(length.max(2) - 1);
    let x = share(column.saturating_sub(area.x), area.width).min(1.0);
    let y = (1.0 - share(row.saturating_sub(area.y), area.height)).clamp(0.0, 1.0);
    let right = (x - 0.5 * y).max(0.0);
    let left = (1.0 - y - (x - 0.5 * y)).max(0.0);
    let sum = y + left + right;
    [y / sum, left / sum, right / sum]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_and_middle_are_where_they_are_drawn() {
        let area = Rect { x: 10, y: 5, width: 21, height: 11 };
        let near = |place: (u16, u16), wanted: [f64; 3]| {
            let found = shares(area, place);
            assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 0.06), "{place:?}: {found:?}");
        };
        near((20, 5), [1.0, 0.0, 0.0]);
        near((10, 15), [0.0, 1.0, 0.0]);
        near((30, 15), [0.0, 0.0, 1.0]);
        near((20, 12), [0.33, 0.33, 0.33]);
        // Outside: shares stay shares.
        for place in [(0, 0), (99, 99), (10, 5)] {
            let found = shares(area, place);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12 && found.iter().all(|share| *share >= 0.0));
        }
    }
}
