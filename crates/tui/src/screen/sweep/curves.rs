//! Curves of runs: one metric at a time, or all of them small.

use moa_core::{RunId, metric};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Sweep;
use crate::component::{Keys, Step};
use crate::experiment::Experiment;
use crate::key::{Row, c, k};
use crate::session::Session;
use crate::shared::Shared;
use crate::widget::{Axis, Braille, clip, columns, message, panel, plot, scroll, short, signed};

/// How much of the past a smoothed value keeps, by step.
const SMOOTHING: [f64; 4] = [0.0, 0.6, 0.85, 0.95];

/// How the curves are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    /// Among [`Experiment::metrics`].
    metric: usize,
    log: bool,
    smoothing: usize,
    together: bool,
    /// The share of the epochs that is shown is 1 / 2^zoom.
    zoom: u32,
    /// Where the shown part begins, 0 to 1.
    start: f64,
}

pub(super) const KEYS: Keys<Sweep> = &[
    Row::new(&[k(K::Right), c('l')], |own, shared| own.turn_metric(1, shared), "next metric", "metric"),
    Row::new(&[k(K::Left), c('h')], |own, shared| own.turn_metric(-1, shared), "previous metric", ""),
    Row::new(&[k(K::Up), c('k')], |own, shared| own.step(Step::Up, shared), "previous run", ""),
    Row::new(&[k(K::Down), c('j')], |own, shared| own.step(Step::Down, shared), "next run", "run"),
    Row::new(&[c(' ')], |_, shared| shared.mark(), "keep the run beside others", "keep"),
    Row::new(&[c('M')], |_, shared| shared.unmark(), "clear all marks", ""),
    Row::new(&[c('a')], |own, _| own.with(|own| own.together = !own.together), "all metrics at once, or one", "all"),
    Row::new(&[c('L')], |own, _| own.with(|own| own.log = !own.log), "toggle the logarithmic scale", "log"),
    Row::new(&[c('s')], |own, _| own.with(Curves::smooth), "smooth more, or not at all", "smooth"),
    Row::new(&[c('+'), c('=')], |own, _| own.with(|own| own.zoom = (own.zoom + 1).min(12)), "fewer epochs", "zoom"),
    Row::new(&[c('-')], |own, _| own.with(|own| own.zoom = own.zoom.saturating_sub(1)), "more epochs", ""),
    Row::new(&[c('0')], |own, _| own.with(|own| (own.zoom, own.start) = (0, 0.0)), "all epochs", ""),
    Row::new(&[c('<'), c(',')], |own, _| own.with(|own| own.start = (own.start - 0.1).max(0.0)), "earlier epochs", ""),
    Row::new(&[c('>'), c('.')], |own, _| own.with(|own| own.start = (own.start + 0.1).min(1.0)), "later epochs", ""),
];

impl Sweep {
    fn with(&mut self, change: impl FnOnce(&mut Curves)) {
        if let Some(curves) = &mut self.curves {
            change(curves);
        }
    }

    fn turn_metric(&mut self, by: isize, shared: &mut Shared) {
        let experiment = shared.session.as_ref().and_then(|session| session.experiment.as_ref());
        let count = experiment.map_or(1, |experiment| experiment.metrics().len().max(1));
        self.with(|own| own.metric = (own.metric % count).checked_add_signed(by).unwrap_or(count - 1) % count);
    }
}

/// Returns what a metric is called over its curve.
fn title(name: &str) -> String {
    match [metric::reward_of_epoch_gain(name), metric::reward_of_gain(name), metric::reward_of_mean(name)] {
        [Some(reward), ..] => format!("{reward}: gain over the base"),
        [_, Some(reward), _] => format!("{reward}: gain over the base at probes"),
        [.., Some(reward)] => format!("{reward}: mean of the prompts drawn"),
        _ => name.to_owned(),
    }
}

/// Returns what a metric is called in a list.
fn compact(name: &str) -> String {
    match [metric::reward_of_epoch_gain(name), metric::reward_of_gain(name), metric::reward_of_mean(name)] {
        [Some(reward), ..] => format!("{reward} gain"),
        [_, Some(reward), _] => format!("{reward} probe gain"),
        [.., Some(reward)] => format!("{reward} mean"),
        _ => name.to_owned(),
    }
}

impl Curves {
    fn smooth(&mut self) {
        self.smoothing = (self.smoothing + 1) % SMOOTHING.len();
    }

    /// Returns the first and the last epoch that are shown, of so many.
    fn window(&self, epochs: u32) -> (f64, f64) {
        let all = f64::from(epochs.max(2)) - 1.0;
        let width = (all / f64::from(1u32 << self.zoom.min(16))).max(1.0).min(all);
        let start = 1.0 + (all - width) * self.start.clamp(0.0, 1.0);
        (start, start + width)
    }

    pub(super) fn view(
        &self,
        shared: &Shared,
        session: &Session,
        experiment: &Experiment,
        frame: &mut Frame<'_>,
        area: Rect,
    ) {
        let metrics = experiment.metrics();
        let shown: Vec<RunId> = session.compared();
        let trained = |id: &RunId| experiment.runs.iter().any(|run| run.id == *id);
        let side = if area.width >= 100 { 34 } else { 24 };
        let [main, side] = columns(area, [Constraint::Fill(1), Constraint::Length(side)]);
        if metrics.is_empty() {
            message(shared.theme, frame, main, "No curves yet", "they begin with the first epoch");
        } else if let ([id], false) = (&shown[..], shown.iter().any(trained)) {
            let text = "what is not trained itself, the base or a mixture, has none: choose a run with ↑ ↓";
            message(shared.theme, frame, main, &format!("{id} has no training curve"), text);
        } else if self.together {
            let count = metrics.len();
            let across = match main.width {
                0..100 => 2,
                100..160 => 3,
                _ => 4,
            };
            let down = count.div_ceil(across).min(usize::from(main.height / 6).max(1));
            let first = (self.metric / (across * down)) * across * down;
            let grid = Layout::vertical(vec![Constraint::Fill(1); down]).split(main);
            for (row, place) in grid.iter().enumerate() {
                let cells = Layout::horizontal(vec![Constraint::Fill(1); across]).spacing(2).split(*place);
                for (column, cell) in cells.iter().enumerate() {
                    if let Some(metric) = metrics.get(first + row * across + column) {
                        self.curve(shared, experiment, metric, &shown, frame, *cell);
                    }
                }
            }
        } else {
            self.curve(shared, experiment, metrics[self.metric % metrics.len()], &shown, frame, main);
        }
        self.legend(shared, session, experiment, &metrics, frame, side);
    }

    fn curve(
        &self,
        shared: &Shared,
        experiment: &Experiment,
        name: &str,
        runs: &[RunId],
        frame: &mut Frame<'_>,
        area: Rect,
    ) {
        let theme = shared.theme;
        let gains = metric::reward_of_any_gain(name).is_some();
        let mut notes = Vec::new();
        if self.log {
            notes.push("log".to_owned());
        }
        if self.smoothing > 0 {
            notes.push(format!("smoothed {}", SMOOTHING[self.smoothing]));
        }
        let inner = panel(frame, area, &title(name), &notes.join(", "), theme);
        let (from, to) = self.window(experiment.epochs());
        let curves: Vec<Vec<(f64, f64)>> =
            runs.iter().map(|run| self.points(experiment, run, name, (from, to))).collect();
        let values = curves.iter().flatten().map(|(_, value)| *value);
        let y = Axis::around(values.chain((gains && !self.log).then_some(0.0)), self.log);
        let plot = plot(frame.buffer_mut(), inner, Axis::whole(from, to), y, theme);
        if let Some(zero) = plot.y.share(0.0).filter(|zero| gains && (0.0..=1.0).contains(zero)) {
            let mut base = Braille::new(plot.area);
            base.dashes(base.place(0.0, zero), base.place(1.0, zero), theme.line());
            base.render(frame.buffer_mut());
        }
        // The last one, under the cursor, on top.
        for (place, curve) in curves.iter().enumerate() {
            let mut lines = Braille::new(plot.area);
            let places: Vec<(f64, f64)> = curve
                .iter()
                .filter_map(|(epoch, value)| Some(lines.place(plot.x.share(*epoch)?, plot.y.share(*value)?)))
                .collect();
            if let [only] = places[..] {
                lines.line(only, (only.0 + 1.0, only.1), theme.series(place));
            }
            for pair in places.windows(2) {
                lines.line(pair[0], pair[1], theme.series(place));
            }
            lines.render(frame.buffer_mut());
        }
    }

    /// Returns a metric of a run by epoch, smoothed, in a window of epochs.
    fn points(&self, experiment: &Experiment, run: &RunId, name: &str, (from, to): (f64, f64)) -> Vec<(f64, f64)> {
        let Some(series) = experiment.series(run) else { return Vec::new() };
        let keep = SMOOTHING[self.smoothing];
        // As in Adam: the mean of few values is not pulled towards 0.
        let (mut mean, mut weight) = (0.0, 0.0);
        let mut points = Vec::new();
        let values = series.epochs.iter().zip(experiment.curve(run, name));
        for (epoch, value) in values.filter(|(_, value)| value.is_finite()) {
            (mean, weight) = (keep * mean + (1.0 - keep) * value, keep * weight + (1.0 - keep));
            let epoch = f64::from(*epoch);
            if (from..=to).contains(&epoch) {
                points.push((epoch, mean / weight));
            }
        }
        points
    }

    /// Which curve is whose, and the last values of the run under the cursor.
    fn legend(
        &self,
        shared: &Shared,
        session: &Session,
        experiment: &Experiment,
        metrics: &[&str],
        frame: &mut Frame<'_>,
        area: Rect,
    ) {
        let theme = shared.theme;
        let inner = panel(frame, area, "Curves of", "", theme);
        let width = usize::from(inner.width);
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (place, id) in session.compared().iter().enumerate() {
            let selected = session.selected.as_ref() == Some(id);
            let style = if selected { theme.strong() } else { Style::new() };
            lines.push(Line::from(vec![
                Span::styled("━━ ", theme.series(place)),
                Span::styled(clip(id.as_str(), width.saturating_sub(3)), style),
            ]));
            if !experiment.runs.iter().any(|run| run.id == *id) {
                lines.push(Line::styled("   no training curve", theme.dim()));
            }
        }
        if experiment.has_gains() {
            lines.push(Line::styled("╌╌ the base", theme.dim()));
        }
        if let Some(id) = &session.selected {
            lines.extend([Line::default(), Line::styled("its last values", theme.dim())]);
            let chosen = self.metric % metrics.len().max(1);
            let room = usize::from(inner.height).saturating_sub(lines.len());
            let first = scroll(chosen, metrics.len(), room);
            for (place, name) in metrics.iter().enumerate().skip(first).take(room) {
                let value = experiment.latest(id, name);
                let is_gain = metric::reward_of_any_gain(name).is_some();
                let value = value.map_or("–".into(), |value| if is_gain { signed(value) } else { short(value) });
                let name = clip(&compact(name), width.saturating_sub(value.chars().count() + 2));
                let gap = width.saturating_sub(name.chars().count() + value.chars().count());
                let line = Line::from(format!("{name}{}{value}", " ".repeat(gap)));
                lines.push(if place == chosen { line.patch_style(theme.selected()) } else { line });
            }
        }
        frame.render_widget(Paragraph::new(lines), inner);
    }
}
