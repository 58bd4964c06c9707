//! What the rewards are expected to gain, or were measured to gain: the same kind of interval either way.

use moa_pareto::Interval;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Soup;
use crate::figures::{Figures, gain};
use crate::shared::Shared;
use crate::theme::Theme;
use crate::widget::{Axis, clip, panel, signed};

/// The columns of a gain and half its interval.
const VALUE: usize = 16;
/// The shortest line that says something.
const SHORTEST: usize = 8;

pub(super) fn view(soup: &Soup, shared: &Shared, figures: &Figures, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let shares = soup.shares(figures);
    let measured = figures.measured(&shares);
    let aside = match (&soup.forecast, measured) {
        (_, Some(point)) => format!("as {}", point.id),
        (Some(forecast), None) => format!("from {} measured mixtures", forecast.points()),
        (None, None) => String::new(),
    };
    let title = if measured.is_some() { "Measured gain" } else { "Expected gain" };
    let inner = panel(frame, area, title, &aside, theme);
    let known = measured.and_then(|point| point.rewards.iter().map(gain).collect::<Option<Vec<Interval>>>());
    let Some(gains) = known.or_else(|| soup.forecast.as_ref().map(|forecast| forecast.gains(&shares))) else {
        let text = "expectations need at least two measured mixtures";
        return frame.render_widget(Paragraph::new(text).style(theme.dim()).wrap(Wrap { trim: true }), inner);
    };
    let width = usize::from(inner.width);
    let rewards = &figures.report.rewards;
    let longest = rewards.iter().map(|name| name.chars().count()).max().unwrap_or(4).min(14);
    let name = longest.min(width.saturating_sub(VALUE + 1));
    let scale = width.saturating_sub(name + 1 + VALUE);
    for (index, (reward, gain)) in rewards.iter().zip(&gains).enumerate().take(inner.height.into()) {
        let place = Rect { y: inner.y + index as u16, height: 1, ..inner };
        let style = match () {
            () if gain.hi > gain.lo && gain.lo > 0.0 => theme.good(),
            () if gain.hi > gain.lo && gain.hi < 0.0 => theme.bad(),
            () => Style::new(),
        };
        let half = match gain.half_width().filter(|half| *half > 0.0) {
            Some(half) => format!(" ± {half:.3} "),
            None => " ".into(),
        };
        let mut spans = vec![
            Span::raw(format!("{:<name$} ", clip(reward, name))),
            Span::styled(signed(gain.mean), theme.strong().patch(style)),
            Span::styled(half, theme.dim()),
        ];
        if scale >= SHORTEST {
            spans.extend(range(figures, index, *gain, scale, theme));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), place);
    }
    let rest = inner.height.saturating_sub(gains.len() as u16);
    if rest > 0 {
        let mut line = vec![Span::styled("± 95 % over prompts", theme.dim())];
        if scale >= SHORTEST {
            line.extend([Span::styled("   ◆", theme.strong()), Span::styled(" base  ", theme.dim())]);
            line.extend([Span::styled("━", theme.accent()), Span::styled(" 95 %", theme.dim())]);
        }
        let place = Rect { y: inner.bottom() - rest, height: 1, ..inner };
        frame.render_widget(Paragraph::new(Line::from(line)), place);
    }
}

/// A line from the least to the greatest gain that was measured, with the interval and the base on it.
fn range(figures: &Figures, reward: usize, own: Interval, width: usize, theme: Theme) -> Vec<Span<'static>> {
    let gains = figures.points().iter().filter_map(|point| Some(gain(point.rewards.get(reward)?)?.mean));
    let ends = if own.is_bounded() { [own.lo, own.hi] } else { [own.mean; 2] };
    let axis = Axis::around(gains.chain(ends).chain([0.0]), false);
    let cell =
        |value: f64| axis.share(value).map(|share| (share.clamp(0.0, 1.0) * (width - 1) as f64).round() as usize);
    let (from, to, middle, base) = (cell(ends[0]), cell(ends[1]), cell(own.mean), cell(0.0));
    (0..width)
        .map(|place| {
            if Some(place) == middle {
                Span::styled("●", theme.accent())
            } else if Some(place) == base {
                Span::styled("◆", theme.strong())
            } else if from.is_some_and(|from| from <= place) && to.is_some_and(|to| place <= to) {
                Span::styled("━", theme.accent())
            } else {
                Span::styled("─", theme.line())
            }
        })
        .collect()
}
