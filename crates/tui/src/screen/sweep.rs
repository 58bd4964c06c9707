//! The runs of a sweep while it goes on, and afterwards.

use std::fmt::Write as _;
use std::time::Duration;

use moa_core::{Phase, RunRecord, metric};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Hit, Overlay, PromptKind, Tone};
use crate::experiment::Experiment;
use crate::key::{Action, Screen};
use crate::screen::CurvesState;
use crate::screen::experiments::ago;
use crate::session::Session;
use crate::widget::{Axis, Braille, bar, clip, columns, panel, plot, rows, scroll, sparkline};

/// Ratios of new to old probabilities further from 1 than this are suspicious.
const RATIO_OFF: f64 = 0.2;
/// Groups without spread above this share are worth a warning.
const SILENT: f64 = 0.5;

/// What runs are ordered by: as in the experiment, by a reward, or by warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Experiment,
    Reward(usize),
    Warnings,
}

/// How the list of runs stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct SweepState {
    order: Order,
    pub(crate) filter: String,
}

impl SweepState {
    /// Returns the runs that are shown, in order, by their places.
    pub(crate) fn rows(&self, experiment: &Experiment, findings: &[Vec<String>]) -> Vec<usize> {
        let filter = self.filter.to_lowercase();
        let runs = &experiment.runs;
        let fits = |place: &usize| filter.is_empty() || runs[*place].id.as_str().to_lowercase().contains(&filter);
        let mut rows: Vec<usize> = (0..runs.len()).filter(fits).collect();
        match self.order {
            Order::Experiment => {}
            Order::Reward(reward) => {
                let metric = experiment.rewards.get(reward).map(|reward| metric::reward_mean(reward));
                let last = |place: usize| experiment.last(&runs[place].id, metric.as_ref()?);
                let value: Vec<f64> = (0..runs.len()).map(|place| last(place).unwrap_or(f64::NEG_INFINITY)).collect();
                rows.sort_by(|a, b| value[*b].total_cmp(&value[*a]));
            }
            Order::Warnings => rows.sort_by_key(|place| std::cmp::Reverse(findings[*place].len())),
        }
        rows
    }

    fn next_order(&mut self, rewards: usize) {
        self.order = match self.order {
            Order::Experiment if rewards > 0 => Order::Reward(0),
            Order::Reward(place) if place + 1 < rewards => Order::Reward(place + 1),
            Order::Experiment | Order::Reward(_) => Order::Warnings,
            Order::Warnings => Order::Experiment,
        };
    }
}

pub(crate) fn act(app: &mut App, action: Action) {
    let Some(session) = &mut app.session else { return };
    if session.curves.is_some() {
        return crate::screen::curves::act(app, action);
    }
    match action {
        Action::Curves => session.curves = Some(CurvesState::default()),
        Action::Mark if session.toggle_mark() => {}
        Action::Mark => app.say("four are marked already: M takes all marks away", Tone::Plain),
        Action::Unmark => session.marks.clear(),
        Action::Order => {
            let rewards = session.experiment.as_ref().map_or(0, |experiment| experiment.rewards.len());
            session.sweep.next_order(rewards);
            session.list_runs();
        }
        Action::Filter => {
            let text = session.sweep.filter.clone();
            app.overlay = Some(Overlay::Prompt { kind: PromptKind::FilterRuns, text, error: None });
        }
        Action::Pictures => app.screen = Screen::Pictures,
        action => session.step_runs(action),
    }
}

pub(crate) fn click(app: &mut App, index: usize) {
    let Some(session) = &mut app.session else { return };
    let id = session.row_id(index).cloned();
    if id.is_some() && id == session.selected {
        return act(app, Action::Curves);
    }
    session.selected = id;
}

/// Returns what a reader must know of a run: what the sweep warned of, and what its last epoch shows.
pub(crate) fn findings(experiment: &Experiment, run: &RunRecord) -> Vec<String> {
    let mut found = run.warnings.clone();
    if let Some(ratio) = experiment.last(&run.id, metric::RATIO_MEAN).filter(|ratio| (ratio - 1.0).abs() > RATIO_OFF) {
        found.push(format!("ratio {ratio:.2} is far from 1: updates leave what was sampled"));
    }
    if let Some(silent) = experiment.last(&run.id, metric::SILENT_GROUPS).filter(|silent| *silent > SILENT) {
        found.push(format!("{:.0} % of the groups have no spread: nothing is learnt from them", 100.0 * silent));
    }
    found
}

pub(crate) fn view(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let low = if area.height >= 28 { 11 } else { 7 };
    let [top, middle, bottom] = rows(area, [Constraint::Length(2), Constraint::Fill(1), Constraint::Length(low)]);
    progress(app, session, experiment, frame, top);
    table(app, session, experiment, frame, middle);
    let [left, right] = columns(bottom, [Constraint::Percentage(46), Constraint::Fill(1)]);
    volume(app, session, frame, left);
    warnings(app, session, experiment, frame, right);
}

/// Two lines: what the sweep does, how far it is, how fast, how long still.
fn progress(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let (least, _) = session.overview.epochs_done;
    let epochs = experiment.epochs();
    let points = experiment.points();
    let evaluated = experiment.evaluations.len();
    let complete = evaluated >= points && least >= epochs;
    let running = |fraction: f64| (f64::from(least) + fraction) / f64::from(epochs.max(1));
    let (what, share) = match experiment.activity.phase {
        _ if !experiment.live && complete => ("complete", 1.0),
        _ if !experiment.live => ("stopped; the same `moa sweep` goes on", running(0.0)),
        Some(Phase::Training) => ("training", running(experiment.activity.fraction)),
        Some(Phase::Base) => ("evaluating the base", experiment.activity.fraction),
        Some(Phase::Evaluation) => {
            ("evaluating adapters and soups", (evaluated as f64 + experiment.activity.fraction) / points as f64)
        }
        Some(Phase::Drawing) => ("drawing", experiment.activity.fraction),
        None => ("starting", 0.0),
    };
    let width = usize::from(area.width);
    let [filled, empty] = bar(share, width.saturating_sub(48).clamp(10, 40), theme.accent(), theme.line());
    let mut first =
        vec![filled, empty, Span::raw(format!(" {:>3.0} %  ", 100.0 * share)), Span::styled(what, theme.strong())];
    if let Some(left) = remaining(app, session, experiment) {
        first.push(Span::styled(format!("  about {} left", ago(left)), theme.dim()));
    }
    let mut parts = vec![format!("{least} of {epochs} epochs"), format!("{evaluated} of {points} points evaluated")];
    if let Some(seconds) = session.overview.seconds_per_epoch {
        let training = &experiment.spec.training;
        let pictures = experiment.runs.len() as f64
            * f64::from(training.prompts_per_epoch)
            * f64::from(training.images_per_prompt);
        parts.push(format!("{:.1} pictures/s", pictures / seconds));
        parts.push(format!("{seconds:.1} s an epoch"));
    }
    if !experiment.device.is_empty() {
        parts.push(experiment.device.clone());
    }
    let second = Line::styled(clip(&parts.join("   "), width), theme.dim());
    frame.render_widget(Paragraph::new(vec![Line::from(first), second]), area);
}

/// Returns how long the current part of the sweep will take still.
fn remaining(app: &App, session: &Session, experiment: &Experiment) -> Option<Duration> {
    if !experiment.live {
        return None;
    }
    let seconds = match experiment.activity.phase? {
        Phase::Training => {
            let left = f64::from(experiment.epochs().saturating_sub(session.overview.epochs_done.0));
            session.overview.seconds_per_epoch? * (left - experiment.activity.fraction).max(0.0)
        }
        Phase::Evaluation => {
            let (began, before) = session.phase_began;
            let done = (experiment.evaluations.len() - before.min(experiment.evaluations.len())) as f64;
            let done = done + experiment.activity.fraction;
            let all = experiment.points().saturating_sub(before) as f64;
            let elapsed = app.now.duration_since(began).ok()?.as_secs_f64();
            (done > 0.2).then(|| elapsed / done * (all - done).max(0.0))?
        }
        Phase::Base | Phase::Drawing => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn table(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let rows = &session.overview.rows;
    let order = match session.sweep.order {
        Order::Experiment => String::new(),
        Order::Reward(place) => format!("by {}", experiment.rewards.get(place).map_or("", String::as_str)),
        Order::Warnings => "by warnings".into(),
    };
    let aside = match session.sweep.filter.as_str() {
        "" => order,
        filter => format!("{} of {} with “{filter}” {order}", rows.len(), experiment.runs.len()),
    };
    let inner = panel(frame, area, "Runs", &aside, theme);
    if inner.height < 2 {
        return;
    }
    let fit = Fit::new(experiment, rows, inner.width.into());
    frame.render_widget(Paragraph::new(fit.heading(experiment)).style(theme.dim()), Rect { height: 1, ..inner });
    let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let cursor = session.selected_row();
    let first = scroll(cursor.unwrap_or(0), rows.len(), list.height.into());
    for (index, run) in rows.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
        let chosen = Some(index) == cursor;
        let style = if chosen { theme.selected() } else { Style::new() };
        let found = session.overview.findings.get(*run).map_or(0, Vec::len);
        let run = &experiment.runs[*run];
        let mark = session.marks.iter().position(|mark| *mark == run.id);
        let line = fit.line(app, experiment, run, mark, chosen, found);
        frame.render_widget(Paragraph::new(line).style(style), place);
        app.clickable(place, Hit::Run(index));
    }
}

/// How many letters each column gets.
struct Fit {
    name: usize,
    reward: usize,
    rewards: usize,
    training: bool,
    bar: usize,
}

impl Fit {
    fn new(experiment: &Experiment, rows: &[usize], width: usize) -> Self {
        let names = rows.iter().take(500).map(|row| experiment.runs[*row].id.as_str().chars().count());
        let longest = names.max().unwrap_or(4);
        let count = experiment.rewards.len();
        let training = width >= 100;
        let bar = if width >= 90 { 10 } else { 5 };
        let name = longest.clamp(8, if width >= 110 { 30 } else { 18 });
        // Mark, name, bar with epochs, training's figures, flag.
        let used = 3 + name + 2 + bar + 8 + if training { 27 } else { 0 } + 3;
        let room = width.saturating_sub(used);
        // A value takes six letters and two between; a sparkline what is left.
        let rewards = count.min(room / 8);
        let reward = room.checked_div(rewards).unwrap_or(0).min(20);
        Self { name, reward, rewards, training, bar }
    }

    fn heading(&self, experiment: &Experiment) -> String {
        let mut text =
            format!("   {:<name$}  {:<epochs$}", "weighting", "epochs", name = self.name, epochs = self.bar + 8);
        for reward in experiment.rewards.iter().take(self.rewards) {
            let _ = write!(text, "{:<width$}", clip(reward, self.reward.saturating_sub(2)), width = self.reward);
        }
        if self.training {
            let _ = write!(text, "{:>9}{:>8}{:>9} ", "KL", "clipped", "gradient");
        }
        text
    }

    fn line(
        &self,
        app: &App,
        experiment: &Experiment,
        run: &RunRecord,
        mark: Option<usize>,
        chosen: bool,
        found: usize,
    ) -> Line<'static> {
        let theme = app.theme;
        let [filled, empty] =
            bar(f64::from(run.epochs_done) / f64::from(run.epochs.max(1)), self.bar, theme.accent(), theme.line());
        let mut spans = vec![
            Span::styled(if chosen { "▸" } else { " " }, theme.accent()),
            match mark {
                Some(place) => Span::styled("■ ", theme.series(place)),
                None => Span::raw("  "),
            },
            Span::styled(format!("{:<width$}  ", clip(run.id.as_str(), self.name), width = self.name), theme.strong()),
            filled,
            empty,
            Span::raw(format!(" {:<7}", format!("{}/{}", run.epochs_done, run.epochs))),
        ];
        for (place, reward) in experiment.rewards.iter().take(self.rewards).enumerate() {
            let curve = experiment.reward_curve(&run.id, reward);
            let last = curve.last().copied().filter(|value| value.is_finite());
            let value = last.map_or("–".into(), |value| format!("{value:.3}"));
            let width = self.reward.saturating_sub(value.chars().count() + 3);
            let lines = if width >= 4 { sparkline(curve, width) } else { String::new() };
            let gap = self.reward.saturating_sub(value.chars().count() + lines.chars().count() + 1);
            spans.extend([
                Span::raw(value),
                Span::raw(" "),
                Span::styled(lines, theme.series(place)),
                Span::raw(" ".repeat(gap)),
            ]);
        }
        if self.training {
            let kl =
                experiment.last(&run.id, metric::KL_TO_BASE).or_else(|| experiment.last(&run.id, metric::APPROX_KL));
            let text = |value: Option<f64>| value.map_or("–".into(), crate::widget::short);
            let percent = |value: Option<f64>| value.map_or("–".into(), |value| format!("{:.0} %", 100.0 * value));
            spans.push(Span::styled(
                format!(
                    "{:>9}{:>8}{:>9} ",
                    text(kl),
                    percent(experiment.last(&run.id, metric::CLIP_FRACTION)),
                    text(experiment.last(&run.id, metric::GRAD_NORM))
                ),
                theme.dim(),
            ));
        }
        spans.push(if found > 0 { Span::styled(format!(" ⚠{found}"), theme.warn()) } else { Span::raw("") });
        Line::from(spans)
    }
}

/// Hypervolume of the training images over time.
fn volume(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let aside = session.volumes.last().map_or(String::new(), |(_, volume)| format!("{volume:.4}"));
    let inner = panel(frame, area, "Hypervolume of training", &aside, theme);
    if session.volumes.len() < 2 {
        let text = if session.volumes.is_empty() { "after the first epoch" } else { "after the second epoch" };
        return frame.render_widget(Paragraph::new(text).style(theme.dim()), inner);
    }
    let x = Axis::whole(1.0, f64::from(session.volumes.last().map_or(2, |(epoch, _)| *epoch)));
    let y = Axis::around(session.volumes.iter().map(|(_, volume)| *volume), false);
    let plot = plot(frame.buffer_mut(), inner, x, y, theme);
    let mut lines = Braille::new(plot.area);
    let place = |(epoch, volume): (u32, f64)| Some((plot.x.share(f64::from(epoch))?, plot.y.share(volume)?));
    let places: Vec<(f64, f64)> = session.volumes.iter().filter_map(|point| place(*point)).collect();
    for pair in places.windows(2) {
        let (from, to) = (lines.place(pair[0].0, pair[0].1), lines.place(pair[1].0, pair[1].1));
        lines.line(from, to, theme.accent());
    }
    lines.render(frame.buffer_mut());
}

/// What a reader must know: of the run under the cursor first, then of the sweep.
fn warnings(app: &App, session: &Session, experiment: &Experiment, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let selected = experiment.runs.iter().position(|run| Some(&run.id) == session.selected.as_ref());
    let others = (0..experiment.runs.len()).filter(|place| Some(*place) != selected);
    let of_run = |place: usize| {
        let texts = session.overview.findings.get(place).into_iter().flatten();
        texts.map(move |text| (experiment.runs[place].id.to_string(), text.clone()))
    };
    let mut found: Vec<(String, String)> = selected.into_iter().flat_map(of_run).collect();
    found.extend(others.flat_map(of_run).take(usize::from(area.height)));
    let count = session.overview.findings.iter().map(Vec::len).sum::<usize>() + experiment.warnings.len();
    found.extend(experiment.warnings.iter().map(|text| ("sweep".to_owned(), text.clone())));
    let count = if count == 0 { String::new() } else { count.to_string() };
    let inner = panel(frame, area, "Warnings", &count, theme);
    if found.is_empty() {
        return frame.render_widget(Paragraph::new("none").style(theme.dim()), inner);
    }
    let line = |(name, text): &(String, String)| {
        Line::from(vec![
            Span::styled("⚠ ", theme.warn()),
            Span::styled(format!("{name}: "), theme.strong()),
            Span::raw(text.clone()),
        ])
    };
    let lines: Vec<Line<'_>> = found.iter().take(inner.height.into()).map(line).collect();
    frame.render_widget(Paragraph::new(lines).wrap(ratatui::widgets::Wrap { trim: true }), inner);
}
