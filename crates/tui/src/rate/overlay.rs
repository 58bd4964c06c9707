//! What lies over the question: the rater's name, all keys, how far rating is.

use moa_rating::Agreement;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::app::{App, Overlay};
use super::keys::{self, EVERYWHERE, TAG_KEYS};
use crate::overlay::typed_line;
use crate::widget::{clip, panel, sheet, wrapped};

/// The columns of keys, with the blanks behind them.
const INDENT: usize = 14;
/// The columns of a rater's name.
const NAME: usize = 20;

/// Draws what lies over the question.
pub(super) fn view(app: &App, frame: &mut Frame<'_>, area: Rect) {
    match &app.overlay {
        Some(Overlay::Name(line)) => typed_line(line, app.theme, frame, area),
        Some(Overlay::Help) => show(app, frame, area, "Keys", help),
        Some(Overlay::Progress) => show(app, frame, area, "Progress", progress),
        None => {}
    }
}

/// Draws lines in a box that scrolls.
fn show(app: &App, frame: &mut Frame<'_>, area: Rect, title: &str, lines: fn(&App, usize) -> Vec<Line<'static>>) {
    let width = area.width.saturating_sub(4).min(76);
    let lines = lines(app, usize::from(width).saturating_sub(4));
    let height = (lines.len() as u16 + 3).min(area.height.saturating_sub(2));
    let inner = sheet(frame, area, width, height, app.theme);
    let fits = lines.len() < usize::from(inner.height);
    let aside = if fits { "esc closes" } else { "↑ ↓ scroll, esc closes" };
    let inner = panel(frame, inner, title, aside, app.theme);
    let scroll = app.scroll.min(lines.len().saturating_sub(inner.height.into())) as u16;
    frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)), inner);
}

fn help(app: &App, width: usize) -> Vec<Line<'static>> {
    let (theme, mode) = (app.theme, app.options.mode);
    let entry = |keys: String, says: &str| {
        let mut keys = format!("{keys:>12}  ");
        let mut lines = Vec::new();
        for part in wrapped(says, width.saturating_sub(INDENT)) {
            lines.push(Line::from(vec![Span::styled(keys, theme.key()), Span::raw(part)]));
            keys = " ".repeat(INDENT);
        }
        lines
    };
    let mut lines = Vec::new();
    for row in keys::of(mode) {
        lines.extend(entry(keys::named(row, mode, true), row.binding.says));
    }
    if !app.tags.is_empty() {
        let letters: Vec<String> = TAG_KEYS.iter().take(app.tags.len()).map(ToString::to_string).collect();
        for (place, part) in letters.chunks(6).enumerate() {
            lines.extend(entry(
                part.join(" "),
                if place == 0 { "why: reasons that go with the answer" } else { "and these" },
            ));
        }
    }
    for row in EVERYWHERE {
        let quits = row.binding.hint == "quit" && !app.tags.is_empty();
        let keys = if quits { "^c ^q".to_owned() } else { keys::named(row, mode, true) };
        lines.extend(entry(keys, row.binding.says));
    }
    lines.push(Line::default());
    let text =
        "A question is shown when the answer before it is on the disk. You can leave at any time and go on later.";
    lines.extend(wrapped(text, width).into_iter().map(|line| Line::styled(line, theme.dim())));
    lines
}

fn progress(app: &App, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let mut lines = Vec::new();
    let row = |name: &str, cells: [String; 4]| {
        let [answers, skipped, pace, same] = cells;
        format!("{:<NAME$} {answers:>7} {skipped:>7} {pace:>8}  {same}", clip(name, NAME))
    };
    let heads = ["Answers", "Skipped", "A minute", "Same again"].map(str::to_owned);
    lines.push(Line::styled(clip(&row("Rater", heads), width), theme.dim()));
    for rater in &app.progress.raters {
        let is_own = Some(&rater.name) == app.who.as_ref();
        let pace = rater.per_minute.map_or("–".into(), |pace| format!("{pace:.0}"));
        let name = match () {
            () if is_own => format!("{} (you)", clip(&rater.name, NAME - 6)),
            () if rater.present => format!("{} · here", clip(&rater.name, NAME - 7)),
            () => rater.name.clone(),
        };
        let cells = [rater.answered.to_string(), rater.skipped.to_string(), pace, agreement(rater.itself)];
        let style = if is_own { theme.strong() } else { ratatui::style::Style::new() };
        lines.push(Line::styled(clip(&row(&name, cells), width), style));
    }
    if let Some(share) = app.progress.between.share() {
        lines.push(Line::default());
        let of = app.progress.between.of;
        let text = format!("Raters agree in {:.0} % of {of} comparisons of the same images.", 100.0 * share);
        lines.extend(wrapped(&text, width).into_iter().map(Line::raw));
    }
    lines.extend([Line::default(), Line::styled("What was learned so far", theme.strong())]);
    let learned = &app.progress.learned;
    if learned.text.is_empty() && learned.figures.is_empty() {
        lines.push(Line::styled("Nothing yet: answer a few more questions.", theme.dim()));
    }
    lines.extend(wrapped(&learned.text, width).into_iter().map(Line::raw));
    let widest = learned.figures.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &learned.figures {
        lines.push(Line::from(vec![
            Span::styled(format!("{name:<widest$}  "), theme.dim()),
            Span::raw(clip(value, width.saturating_sub(widest + 2))),
        ]));
    }
    lines
}

fn agreement(agreement: Agreement) -> String {
    agreement.share().map_or("–".into(), |share| format!("{:.0} % of {}", 100.0 * share, agreement.of))
}
