//! Curves of runs: one metric at a time, or all of them small.

use moa_core::RunId;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Tone};
use crate::experiment::Experiment;
use crate::key::Action;
use crate::session::Session;
use crate::widget::{Axis, Braille, clip, columns, panel, plot, short};

/// How much of the past a smoothed value keeps, by step.
const SMOOTHING: [f64; 4] = [0.0, 0.6, 0.85, 0.95];

/// How the curves are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurvesState {
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

impl CurvesState {
    /// Returns the first and the last epoch that are shown, of so many.
    fn window(&self, epochs: u32) -> (f64, f64) {
        let all = f64::from(epochs.max(2)) - 1.0;
        let width = (all / f64::from(1u32 << self.zoom.min(16))).max(1.0).min(all);
        let start = 1.0 + (all - width) * self.start.clamp(0.0, 1.0);
        (start, start + width)
    }
}

pub(crate) fn act(app: &mut App, action: Action) {
    let Some(session) = &mut app.session else { return };
    let metrics = session.experiment.as_ref().map_or(1, |experiment| experiment.metrics().len().max(1));
    let Some(state) = &mut session.curves else { return };
    match action {
        Action::NextMetric => state.metric = (state.metric + 1) % metrics,
        Action::PreviousMetric => state.metric = (state.metric + metrics - 1) % metrics,
        Action::Together => state.together = !state.together,
        Action::Logarithm => state.log = !state.log,
        Action::Smooth => state.smoothing = (state.smoothing + 1) % SMOOTHING.len(),
        Action::ZoomIn => state.zoom = (state.zoom + 1).min(12),
        Action::ZoomOut => state.zoom = state.zoom.saturating_sub(1),
        Action::ZoomAll => (state.zoom, state.start) = (0, 0.0),
        Action::FineLeft => state.start = (state.start - 0.1).max(0.0),
        Action::FineRight => state.start = (state.start + 0.1).min(1.0),
        Action::Mark if session.toggle_mark() => {}
        Action::Mark => app.say("four are kept already: M takes all marks away", Tone::Plain),
        Action::Unmark => session.marks.clear(),
        action => session.step_runs(action),
    }
}

pub(crate) fn view(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let Some(state) = &session.curves else { return };
    let metrics = experiment.metrics();
    let shown = session.compared();
    let [main, side] =
        columns(area, [Constraint::Fill(1), Constraint::Length(if area.width >= 100 { 30 } else { 22 })]);
    if metrics.is_empty() {
        crate::view::message(app, frame, main, "No curves yet", "they begin with the first epoch");
    } else if state.together {
        let count = metrics.len();
        let across = if main.width >= 110 { 3 } else { 2 };
        let down = count.div_ceil(across).min(usize::from(main.height / 6).max(1));
        let first = (state.metric / (across * down)) * across * down;
        let grid = Layout::vertical(vec![Constraint::Fill(1); down]).split(main);
        for (row, place) in grid.iter().enumerate() {
            let cells = Layout::horizontal(vec![Constraint::Fill(1); across]).spacing(2).split(*place);
            for (column, cell) in cells.iter().enumerate() {
                if let Some(metric) = metrics.get(first + row * across + column) {
                    curve(app, experiment, state, metric, &shown, frame, *cell);
                }
            }
        }
    } else {
        curve(app, experiment, state, metrics[state.metric % metrics.len()], &shown, frame, main);
    }
    legend(app, session, experiment, &metrics, frame, side);
}

fn curve(
    app: &App,
    experiment: &Experiment,
    state: &CurvesState,
    metric: &str,
    runs: &[RunId],
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = app.theme;
    let mut notes = Vec::new();
    if state.log {
        notes.push("log".to_owned());
    }
    if state.smoothing > 0 {
        notes.push(format!("smoothed {}", SMOOTHING[state.smoothing]));
    }
    let inner = panel(frame, area, metric, &notes.join(", "), theme);
    let (from, to) = state.window(experiment.epochs());
    let curves: Vec<Vec<(f64, f64)>> =
        runs.iter().map(|run| points(experiment, run, metric, state, (from, to))).collect();
    let y = Axis::around(curves.iter().flatten().map(|(_, value)| *value), state.log);
    let plot = plot(frame.buffer_mut(), inner, Axis::whole(from, to), y, theme);
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
fn points(
    experiment: &Experiment,
    run: &RunId,
    metric: &str,
    state: &CurvesState,
    (from, to): (f64, f64),
) -> Vec<(f64, f64)> {
    let Some(series) = experiment.series(run) else { return Vec::new() };
    let keep = SMOOTHING[state.smoothing];
    // As in Adam: the mean of few values is not pulled towards 0.
    let (mut mean, mut weight) = (0.0, 0.0);
    let mut points = Vec::new();
    for (epoch, value) in series.epochs.iter().zip(experiment.curve(run, metric)).filter(|(_, value)| value.is_finite())
    {
        (mean, weight) = (keep * mean + (1.0 - keep) * value, keep * weight + (1.0 - keep));
        let epoch = f64::from(*epoch);
        if (from..=to).contains(&epoch) {
            points.push((epoch, mean / weight));
        }
    }
    points
}

/// Which curve is whose, and the last values of the run under the cursor.
fn legend(app: &App, session: &Session, experiment: &Experiment, metrics: &[&str], frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
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
    }
    if let Some(id) = &session.selected {
        lines.extend([Line::default(), Line::styled("after its last epoch", theme.dim())]);
        let chosen = session.curves.as_ref().map_or(0, |state| state.metric % metrics.len().max(1));
        let room = usize::from(inner.height).saturating_sub(lines.len());
        let first = crate::widget::scroll(chosen, metrics.len(), room);
        for (place, metric) in metrics.iter().enumerate().skip(first).take(room) {
            let value = experiment.last(id, metric).map_or("–".into(), short);
            let name = clip(metric, width.saturating_sub(value.chars().count() + 2));
            let gap = width.saturating_sub(name.chars().count() + value.chars().count());
            let line = Line::from(format!("{name}{}{value}", " ".repeat(gap)));
            lines.push(if place == chosen { line.patch_style(theme.selected()) } else { line });
        }
    }
    frame.render_widget(Paragraph::new(lines), inner);
}
