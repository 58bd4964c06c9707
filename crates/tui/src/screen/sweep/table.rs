//! One row for each run: how far it is, what it gains, how its training goes.

use std::fmt::Write as _;

use moa_core::{RunRecord, metric};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Order, Sweep, progress};
use crate::experiment::Experiment;
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::Theme;
use crate::widget::{bar, clip, foot, panel, scroll, short, signed, sparkline};

/// A value takes so many columns, with its sign and two blanks behind it.
const VALUE: usize = 9;
/// With a sparkline worth its place.
const WITH_SPARK: usize = 17;
/// The widest column of a reward.
const WIDEST: usize = 34;
/// The columns of KL, clipped ratios and gradient.
const TRAINING: usize = 27;

/// Draws the runs.
pub(super) fn view(
    own: &Sweep,
    shared: &Shared,
    session: &Session,
    experiment: &Experiment,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let rows = &own.rows;
    let order = match own.order {
        Order::Experiment => String::new(),
        Order::Reward(place) => format!("by {}", experiment.rewards.get(place).map_or("", String::as_str)),
        Order::Warnings => "by warnings".into(),
    };
    let aside = match own.filter.as_str() {
        "" => order,
        filter => format!("{} of {} with “{filter}” {order}", rows.len(), experiment.runs.len()),
    };
    let mut inner = panel(frame, area, "Runs", &aside, theme);
    if inner.height < 2 {
        return;
    }
    let fit = Fit::new(experiment, rows, inner.width.into());
    if usize::from(inner.height) >= rows.len().min(6) + 2 {
        inner = foot(frame, inner, &fit.legend(experiment), theme.dim());
    }
    frame.render_widget(Paragraph::new(fit.heading(experiment)).style(theme.dim()), Rect { height: 1, ..inner });
    let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let cursor = own.row(session);
    let first = scroll(cursor.unwrap_or(0), rows.len(), list.height.into());
    for (index, run) in rows.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
        let chosen = Some(index) == cursor;
        let style = if chosen { theme.selected() } else { Style::new() };
        let found = own.findings.get(*run).map_or(0, Vec::len);
        let run = &experiment.runs[*run];
        let mark = session.marks.iter().position(|mark| *mark == run.id);
        let line = fit.line(theme, experiment, run, mark, chosen, found);
        frame.render_widget(Paragraph::new(line).style(style), place);
        own.clicks.put(place, index);
    }
}

/// How wide each column is.
struct Fit {
    width: usize,
    name: usize,
    /// The bar and the text of epochs.
    bar: usize,
    epochs: usize,
    /// The columns of rewards, and how many of them there is room for.
    reward: usize,
    rewards: usize,
    /// By reward, the metric that is shown.
    metrics: Vec<String>,
    training: bool,
}

impl Fit {
    fn new(experiment: &Experiment, rows: &[usize], width: usize) -> Self {
        let names = rows.iter().take(500).map(|row| experiment.runs[*row].id.as_str().chars().count());
        let longest = names.max().unwrap_or(4);
        let epochs = 2 * experiment.epochs().to_string().len() + 1;
        let count = experiment.rewards.len().max(1);
        // Mark, name, epochs, warnings.
        let used = |name: usize, bar: usize| 3 + name + 2 + bar + epochs + 2 + 4;
        let mut name = longest.clamp(9, if width >= 150 { 40 } else { 24 });
        let mut bar = if width >= 90 { 11 } else { 6 };
        if used(name, bar) + VALUE * count > width {
            bar = 0;
        }
        if used(name, bar) + VALUE * count > width {
            name = name.min(12);
        }
        let room = width.saturating_sub(used(name, bar));
        let training = room >= TRAINING + WITH_SPARK * count;
        let room = room - if training { TRAINING } else { 0 };
        let rewards = count.min(room / VALUE);
        let reward = room.checked_div(rewards).unwrap_or(0).min(WIDEST);
        let metrics = experiment.rewards.iter().map(|reward| experiment.progress_metric(reward)).collect();
        Self { width, name, bar, epochs, reward, rewards, metrics, training }
    }

    fn heading(&self, experiment: &Experiment) -> String {
        let (name, epochs) = (self.name, self.bar + self.epochs + 2);
        let mut text = format!("   {:<name$}  {:<epochs$}", clip("weighting", name), "epochs");
        for reward in experiment.rewards.iter().take(self.rewards) {
            let _ = write!(text, "{:<width$}", clip(reward, self.reward.saturating_sub(1)), width = self.reward);
        }
        if self.training {
            let _ = write!(text, "{:>9}{:>8}{:>9} ", "KL", "clipped", "gradient");
        }
        text
    }

    /// Returns what numbers, lines and marks mean, as far as there is room.
    fn legend(&self, experiment: &Experiment) -> String {
        let mut parts = vec![progress::basis(experiment).to_owned()];
        if self.reward >= WITH_SPARK {
            parts[0] += ", over the epochs";
        }
        let left_out = experiment.rewards.len() - self.rewards.min(experiment.rewards.len());
        if left_out > 0 {
            parts.push(format!("{left_out} more: widen the terminal"));
        }
        parts.extend(["■ marked".into(), "⚠ warnings".into()]);
        parts
            .into_iter()
            .reduce(|text, part| {
                let longer = format!("{text}   {part}");
                if longer.chars().count() <= self.width { longer } else { text }
            })
            .unwrap_or_else(String::new)
    }

    fn line(
        &self,
        theme: Theme,
        experiment: &Experiment,
        run: &RunRecord,
        mark: Option<usize>,
        chosen: bool,
        found: usize,
    ) -> Line<'static> {
        let mut spans = vec![
            Span::styled(if chosen { "▸" } else { " " }, theme.accent()),
            match mark {
                Some(place) => Span::styled("■ ", theme.series(place)),
                None => Span::raw("  "),
            },
            Span::styled(format!("{:<width$}  ", clip(run.id.as_str(), self.name), width = self.name), theme.strong()),
        ];
        if self.bar > 0 {
            let share = f64::from(run.epochs_done) / f64::from(run.epochs.max(1));
            spans.extend(bar(share, self.bar - 1, theme.accent(), theme.line()));
            spans.push(Span::raw(" "));
        }
        let epochs = format!("{}/{}", run.epochs_done, run.epochs);
        spans.push(Span::raw(format!("{epochs:<width$}  ", width = self.epochs)));
        for (place, metric) in self.metrics.iter().take(self.rewards).enumerate() {
            let value = experiment.latest(&run.id, metric);
            let value = value.map_or("–".into(), |value| number(value, metric));
            let used = value.chars().count().max(VALUE - 2) + 1;
            let width = self.reward.saturating_sub(used + 1);
            let curve = experiment.curve(&run.id, metric);
            let lines = if width >= 4 { sparkline(curve, width) } else { " ".repeat(width) };
            spans.push(Span::raw(format!("{value:<used$}")));
            spans.push(Span::styled(lines, theme.series(place)));
            spans.push(Span::raw(" "));
        }
        if self.training {
            let kl =
                experiment.last(&run.id, metric::KL_TO_BASE).or_else(|| experiment.last(&run.id, metric::APPROX_KL));
            let text = |value: Option<f64>| value.map_or("–".into(), short);
            let percent = |value: Option<f64>| value.map_or("–".into(), |value| format!("{:.0} %", 100.0 * value));
            let clipped = percent(experiment.last(&run.id, metric::CLIP_FRACTION));
            let gradient = text(experiment.last(&run.id, metric::GRAD_NORM));
            spans.push(Span::styled(format!("{:>9}{clipped:>8}{gradient:>9} ", text(kl)), theme.dim()));
        }
        if found > 0 {
            spans.push(Span::styled(format!("⚠{found}"), theme.warn()));
        }
        Line::from(spans)
    }
}

/// Returns a gain with its sign, or a mean.
fn number(value: f64, name: &str) -> String {
    if metric::reward_of_any_gain(name).is_some() { signed(value) } else { format!("{value:.3}") }
}
