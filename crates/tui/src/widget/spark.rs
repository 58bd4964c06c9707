//! Curves and shares in a row of cells.

use ratatui::style::Style;
use ratatui::text::Span;

/// None fills its line: curves in lines above each other stay apart.
const BLOCKS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];

/// Returns a curve as blocks, `width` columns wide: each is the mean of its part of the values. Not drawn on a common scale: the
/// lowest and the highest value fill the height.
pub(crate) fn sparkline(values: &[f64], width: usize) -> String {
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if known.is_empty() || width == 0 {
        return " ".repeat(width);
    }
    let count = width.min(known.len());
    let part = |index: usize| {
        let range =
            index * known.len() / count..((index + 1) * known.len() / count).max(index * known.len() / count + 1);
        let part = &known[range];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..count).map(part).collect();
    let (lo, hi) = means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    let block = |value: &f64| {
        let share = if hi > lo { (value - lo) / (hi - lo) } else { 0.4 };
        BLOCKS[((share * 6.0).round() as usize).min(6)]
    };
    let text: String = means.iter().map(block).collect();
    format!("{text:<width$}")
}

/// Returns a bar that is filled to a share, `width` columns wide.
pub(crate) fn bar(share: f64, width: usize, filled: Style, empty: Style) -> [Span<'static>; 2] {
    let whole = if share.is_finite() { (share.clamp(0.0, 1.0) * width as f64).round() as usize } else { 0 };
    [Span::styled("━".repeat(whole), filled), Span::styled("─".repeat(width - whole), empty)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_have_their_width_whatever_they_show() {
        for values in [vec![], vec![1.0], vec![f64::NAN, 2.0], (0..100).map(f64::from).collect()] {
            for width in [0, 1, 5, 8] {
                assert_eq!(sparkline(&values, width).chars().count(), width, "{values:?}");
            }
        }
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0], 4), "▁▃▅▇");
    }
}
