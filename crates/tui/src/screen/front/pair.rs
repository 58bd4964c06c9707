//! What one of two points has more than the other, on the same prompts and noise.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Front;
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::{Theme, sign};
use crate::widget::{clip, panel, signed};

/// The columns of a difference with both ends of its interval, and with half of it.
const WITH_ENDS: usize = 27;
const WITH_HALF: usize = 17;

pub(super) fn view(front: &Front, shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let Some(ids) = session.pair() else { return };
    let [other, one] = &ids;
    let title = format!("{} − {}", front.name(one), front.name(other));
    let inner = panel(frame, area, &title, "paired, 95 %", theme);
    let say = |frame: &mut Frame<'_>, text: &str| {
        frame.render_widget(Paragraph::new(text.to_owned()).style(theme.dim()).wrap(Wrap { trim: true }), inner);
    };
    let found = match session.pairs.get(&ids) {
        Some(Some(Ok(found))) => found,
        Some(Some(Err(reason))) => return say(frame, reason),
        Some(None) => return say(frame, "resampling …"),
        None => return say(frame, "not evaluated, or its scores by prompt are not read yet"),
    };
    let width = usize::from(inner.width);
    let mut lines: Vec<Line<'_>> = found.iter().map(|paired| line(paired, width, theme)).collect();
    let verdict = match session.figures.report.are_told_apart(one.as_str(), other.as_str()) {
        Some(true) => "↑ ↓ excludes 0; distinguishable",
        Some(false) => "↑ ↓ excludes 0; all pairs tested together, not distinguishable",
        None => "↑ ↓ excludes 0",
    };
    lines.push(Line::styled(verdict, theme.dim()));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
}

fn line(paired: &moa_analysis::Paired, width: usize, theme: Theme) -> Line<'static> {
    let ends = width >= WITH_ENDS + 10;
    let room = width.saturating_sub(if ends { WITH_ENDS } else { WITH_HALF }).max(4);
    let difference = paired.difference;
    let interval = match difference.half_width() {
        Some(_) if ends => format!(" ({} to {})", signed(difference.lo), signed(difference.hi)),
        Some(half) => format!(" ± {half:.3}"),
        None => " no interval".into(),
    };
    let (arrow, style) = sign(paired.sign(), theme);
    Line::from(vec![
        Span::raw(format!("{:<room$}", clip(&paired.name, room.saturating_sub(1)))),
        Span::styled(signed(difference.mean), theme.strong()),
        Span::styled(interval, theme.dim()),
        Span::styled(format!(" {arrow}"), style),
    ])
}
