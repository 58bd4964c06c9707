//! Experiments against each other: their fronts over each other on one plot.

use std::path::PathBuf;

use moa_analysis::Comparison;
use moa_analysis::compare::{ComparedPoint, Figure};
use moa_core::PointKind;
use moa_pareto::Interval;
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::key::{Row, c, k};
use crate::message::{Message, Reply, Request, Work};
use crate::shared::{Note, Shared};
use crate::theme::{Theme, mark};
use crate::widget::{Axis, Braille, Plot, clip, columns, fitting, message, panel, plot, rows, staircase};

/// The name of this screen.
pub(crate) const NAME: &str = "Compare";

/// How far a comparison is.
#[derive(Default)]
enum State {
    /// Nothing is compared.
    #[default]
    Nothing,
    Asked,
    Ready(Box<Comparison>),
    Failed(String),
}

/// What is compared, and how it is shown.
#[derive(Default)]
pub(crate) struct Compare {
    roots: Vec<PathBuf>,
    state: State,
    /// Whether the comparison is still to be asked for.
    due: bool,
    cursor: usize,
    /// By experiment, whether its front is not shown.
    hidden: Vec<bool>,
    x: usize,
    y: Option<usize>,
    levels: bool,
    no_bars: bool,
    clicks: Clicks<usize>,
}

const KEYS: Keys<Compare> = &[
    Row::new(&[k(K::Up), c('k')], |own, _| own.step(Step::Up), "previous experiment", ""),
    Row::new(&[k(K::Down), c('j')], |own, _| own.step(Step::Down), "next experiment", ""),
    Row::new(&[c(' ')], |own, _| own.toggle(own.cursor), "toggle the front of the experiment", "toggle"),
    Row::new(&[c('A')], |own, _| own.hidden.iter_mut().for_each(|hidden| *hidden = false), "show all fronts", ""),
    Row::new(&[c('x')], |own, _| own.turn_axis(false), "next reward on the x axis", "x"),
    Row::new(&[c('y')], |own, _| own.turn_axis(true), "next reward on the y axis", "y"),
    Row::new(&[c('v')], |own, _| own.levels = !own.levels, "gains over the base, or levels", "levels"),
    Row::new(&[c('e')], |own, _| own.no_bars = !own.no_bars, "toggle error bars", "bars"),
];

impl Compare {
    fn comparison(&self) -> Option<&Comparison> {
        match &self.state {
            State::Ready(comparison) => Some(comparison),
            _ => None,
        }
    }

    fn step(&mut self, step: Step) {
        self.cursor = step.from(self.cursor, self.hidden.len());
    }

    fn toggle(&mut self, place: usize) {
        if let Some(hidden) = self.hidden.get_mut(place) {
            *hidden = !*hidden;
        }
    }

    fn y(&self, rewards: usize) -> usize {
        self.y.unwrap_or(1).min(rewards.saturating_sub(1))
    }

    fn turn_axis(&mut self, vertical: bool) {
        let count = self.comparison().map_or(1, |comparison| comparison.rewards.len().max(1));
        let y = self.y(count);
        let (own, other) = if vertical { (y, self.x) } else { (self.x, y) };
        let next = (own + 1) % count;
        let next = if next == other && count > 2 { (next + 1) % count } else { next };
        if vertical { self.y = Some(next) } else { self.x = next }
    }

    /// Returns a point's reward on an axis.
    fn value(&self, comparison: &Comparison, point: &ComparedPoint, reward: usize) -> Option<Interval> {
        let interval = point.rewards.get(reward)?.gain.range();
        let base = if self.levels { *comparison.base.get(reward)? } else { 0.0 };
        let Interval { mean, lo, hi } = interval;
        Some(Interval { mean: base + mean, lo: base + lo, hi: base + hi })
    }

    fn fronts(&self, theme: Theme, comparison: &Comparison, frame: &mut Frame<'_>, area: Rect) {
        let (x, y) = (self.x, self.y(comparison.rewards.len()));
        let name = |reward: usize| comparison.rewards.get(reward).map_or("", String::as_str);
        let basis = match (self.levels, comparison.has_seeds()) {
            (true, false) => "levels",
            (true, true) => "levels, mean of seeds",
            (false, false) => "gains over the base",
            (false, true) => "gains over the base, mean of seeds",
        };
        let inner = panel(frame, area, &format!("{} over {}", name(y), name(x)), basis, theme);
        let inner = self.legend(theme, comparison, frame, inner);
        let base = |reward: usize| if self.levels { comparison.base.get(reward).copied().unwrap_or(0.0) } else { 0.0 };
        let all = comparison.experiments.iter().enumerate();
        let points: Vec<(usize, PointKind, Interval, Interval)> = all
            .filter(|(place, _)| !self.hidden[*place])
            .flat_map(|(place, one)| one.points.iter().map(move |point| (place, point)))
            .filter_map(|(place, point)| {
                let both = (self.value(comparison, point, x)?, self.value(comparison, point, y)?);
                Some((place, point.kind, both.0, both.1))
            })
            .collect();
        let ends = |value: Interval| if self.no_bars { [value.mean; 3] } else { [value.lo, value.mean, value.hi] };
        let across = Axis::around(points.iter().flat_map(|point| ends(point.2)).chain([base(x)]), false);
        let up = Axis::around(points.iter().flat_map(|point| ends(point.3)).chain([base(y)]), false);
        let plot = plot(frame.buffer_mut(), inner, across, up, theme);
        if plot.area.is_empty() {
            return;
        }
        let mut lines = Braille::new(plot.area);
        for place in 0..comparison.experiments.len() {
            let own = points.iter().filter(|point| point.0 == place).map(|point| (point.2.mean, point.3.mean));
            steps(&mut lines, &plot, own.chain([(base(x), base(y))]).collect(), theme.series(place));
        }
        if !self.no_bars && points.len() <= 60 {
            for (.., across, up) in &points {
                bars(&mut lines, &plot, *across, *up, theme.line());
            }
        }
        lines.render(frame.buffer_mut());
        for (place, kind, across, up) in &points {
            if let Some((column, row)) = plot.cell(across.mean, up.mean) {
                frame.buffer_mut().set_string(column, row, mark(*kind), theme.series(*place));
            }
        }
        if let Some((column, row)) = plot.cell(base(x), base(y)) {
            frame.buffer_mut().set_string(column, row, mark(PointKind::Base), theme.kind(PointKind::Base));
        }
    }

    fn legend(&self, theme: Theme, comparison: &Comparison, frame: &mut Frame<'_>, area: Rect) -> Rect {
        let part = |sign: &'static str, style: Style, name: String| {
            vec![Span::styled(sign, style), Span::styled(format!(" {name}"), theme.dim())]
        };
        let experiments = comparison.experiments.iter().enumerate();
        let shown = experiments.filter(|(place, _)| !self.hidden[*place]);
        let mut parts: Vec<_> = shown
            .map(|(place, one)| part(SERIES[place % SERIES.len()], theme.series(place), one.name.clone()))
            .collect();
        parts.push(part("◆", theme.strong(), "base".into()));
        let kinds = [
            (PointKind::Trained, "trained"),
            (PointKind::Given, "given"),
            (PointKind::Soup, "soup"),
            (PointKind::Blend, "blend"),
        ];
        let present =
            |kind: PointKind| comparison.experiments.iter().any(|one| one.points.iter().any(|p| p.kind == kind));
        let kinds = kinds.into_iter().filter(|(kind, _)| present(*kind));
        parts.extend(kinds.map(|(kind, name)| part(mark(kind), Style::new(), name.into())));
        let lines: Vec<Line<'_>> = fitting(parts, area.width.into()).into_iter().take(3).collect();
        let height = (lines.len() as u16).min(area.height / 3);
        frame.render_widget(Paragraph::new(lines), Rect { y: area.bottom() - height, height, ..area });
        Rect { height: area.height - height, ..area }
    }

    /// The experiments, with their hypervolumes.
    fn list(&self, theme: Theme, comparison: &Comparison, frame: &mut Frame<'_>, area: Rect) {
        let inner = panel(frame, area, "Experiments", "space toggles", theme);
        let width = usize::from(inner.width);
        let value = |figure: &Option<Figure>| figure.as_ref().map(Figure::range);
        for (place, one) in comparison.experiments.iter().enumerate().take(usize::from(inner.height / 2)) {
            let row = Rect { y: inner.y + 2 * place as u16, height: 2, ..inner };
            let chosen = place == self.cursor;
            let sign = if self.hidden[place] { "  " } else { SERIES[place % SERIES.len()] };
            let first = Line::from(vec![
                Span::styled(if chosen { "▸" } else { " " }, theme.accent()),
                Span::styled(format!("{sign:<3}"), theme.series(place)),
                Span::styled(
                    clip(&one.name, width.saturating_sub(4)),
                    if self.hidden[place] { theme.dim() } else { theme.strong() },
                ),
            ]);
            let volume = match value(&one.hypervolume) {
                Some(v) if v.hi > v.lo => format!("hypervolume {:.3} ({:.3} to {:.3})", v.mean, v.lo, v.hi),
                Some(v) => format!("hypervolume {:.3}", v.mean),
                None => "no hypervolume".into(),
            };
            let seeds = if one.folders.len() > 1 { format!(", {} seeds", one.folders.len()) } else { String::new() };
            let second = format!("    {volume}, {} points{seeds}", one.points.len());
            let lines = vec![first, Line::styled(clip(&second, width), theme.dim())];
            let style = if chosen { theme.selected() } else { Style::new() };
            frame.render_widget(Paragraph::new(lines).style(style), row);
            self.clicks.put(row, place);
        }
    }

    /// What one experiment has more than another, and what a reader must know.
    fn differences(&self, theme: Theme, comparison: &Comparison, frame: &mut Frame<'_>, area: Rect) {
        let inner = panel(frame, area, "Differences", "", theme);
        let name = |place: usize| comparison.experiments.get(place).map_or("", |one| one.name.as_str());
        let mut lines: Vec<Line<'_>> = Vec::new();
        let pairs = comparison.pairs.iter().filter(|pair| pair.of.contains(&self.cursor));
        for pair in pairs {
            let Some(figure) = &pair.hypervolume else { continue };
            let sign = if pair.of[0] == self.cursor { 1.0 } else { -1.0 };
            let other = if pair.of[0] == self.cursor { pair.of[1] } else { pair.of[0] };
            let Interval { mean, lo, hi } = figure.range();
            let (lo, hi) = if sign > 0.0 { (lo, hi) } else { (-hi, -lo) };
            let style = match f64::from(figure.sign()) * sign {
                s if s > 0.0 => theme.good(),
                s if s < 0.0 => theme.bad(),
                _ => Style::new(),
            };
            let value = format!("{:+.3} ({lo:+.3} to {hi:+.3})", sign * mean);
            lines.push(Line::from(vec![
                Span::raw(format!("hypervolume over {}: ", name(other))),
                Span::styled(value, style),
            ]));
        }
        let warning = |text: &String| Line::from(vec![Span::styled("⚠ ", theme.warn()), Span::raw(text.clone())]);
        lines.extend(comparison.warnings.iter().map(warning));
        if lines.is_empty() {
            lines.push(Line::styled("none known", theme.dim()));
        }
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
    }
}

/// The line of each experiment in legends: distinguishable without colours.
const SERIES: [&str; 6] = ["━━", "╍╍", "┅┅", "┉┉", "══", "──"];

/// The staircase of the points that no other beats in two rewards.
fn steps(lines: &mut Braille, plot: &Plot, points: Vec<(f64, f64)>, style: Style) {
    let share = |(x, y): (f64, f64)| Some((plot.x.share(x)?, plot.y.share(y)?));
    let places: Vec<(f64, f64)> =
        staircase(points).into_iter().filter_map(share).map(|(x, y)| lines.place(x, y)).collect();
    for pair in places.windows(2) {
        lines.line(pair[0], (pair[1].0, pair[0].1), style);
        lines.line((pair[1].0, pair[0].1), pair[1], style);
    }
}

fn bars(lines: &mut Braille, plot: &Plot, across: Interval, up: Interval, style: Style) {
    let share = |x: f64, y: f64| Some((plot.x.share(x)?, plot.y.share(y)?));
    for (from, to) in [((across.lo, up.mean), (across.hi, up.mean)), ((across.mean, up.lo), (across.mean, up.hi))] {
        if let (Some(from), Some(to)) = (share(from.0, from.1), share(to.0, to.1)) {
            let (from, to) = (lines.place(from.0, from.1), lines.place(to.0, to.1));
            lines.line(from, to, style);
        }
    }
}

impl Screen for Compare {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "compare experiments: their fronts over each other"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::EXPERIMENTS)
    }

    fn is_free(&self) -> bool {
        true
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn is_active(&self) -> bool {
        self.comparison().is_some()
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        (KEYS[row].act)(self, shared);
    }

    fn click(&mut self, click: Click, _: &mut Shared) {
        if let (Click::Down(_), Some((held, _))) = (click, self.clicks.take(click)) {
            if self.cursor == held.on {
                self.toggle(held.on);
            }
            self.cursor = held.on;
        }
    }

    fn hear(&mut self, heard: &Message, _: &mut Shared) {
        match heard {
            Message::Reply(Reply::Compared(roots, result)) if *roots == self.roots => {
                self.state = match result {
                    Ok(comparison) => State::Ready(comparison.clone()),
                    Err(reason) => State::Failed(reason.clone()),
                };
                self.hidden = vec![false; self.comparison().map_or(0, |comparison| comparison.experiments.len())];
                self.cursor = 0;
                self.x = 0;
            }
            Message::WorkerGone(reason) if matches!(self.state, State::Asked) => {
                self.state = State::Failed(reason.clone());
            }
            _ => {}
        }
    }

    fn note(&mut self, note: &Note, _: &mut Shared) {
        if let Note::Compare(roots) = note {
            *self = Self { roots: roots.clone(), state: State::Asked, due: true, ..Self::default() };
        }
    }

    fn ask(&mut self, _: bool, shared: &mut Shared) {
        if std::mem::take(&mut self.due) {
            shared.ask(Request::Work(Work::Compare(self.roots.clone())));
        }
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let theme = shared.theme;
        let comparison = match &self.state {
            State::Ready(comparison) => comparison,
            State::Nothing => {
                let text = "mark at least two experiments on the list (1) with space, then press c";
                return message(theme, frame, area, "Nothing is compared", text);
            }
            State::Asked => return message(theme, frame, area, "Comparing", "resampling …"),
            State::Failed(reason) => {
                return message(theme, frame, area, "These experiments cannot be compared", reason);
            }
        };
        let count = comparison.experiments.len() as u16;
        let (main, side) = if area.width >= 74 {
            let width = if area.width >= 110 { area.width * 2 / 5 } else { 33 };
            let [main, side] = columns(area, [Constraint::Fill(1), Constraint::Length(width)]);
            (main, side)
        } else {
            let [main, side] = rows(area, [Constraint::Fill(3), Constraint::Fill(2)]);
            (main, side)
        };
        self.fronts(theme, comparison, frame, main);
        let height = (2 * count + 1).min(side.height * 2 / 3);
        let [list, rest] = rows(side, [Constraint::Length(height), Constraint::Fill(1)]);
        self.list(theme, comparison, frame, list);
        self.differences(theme, comparison, frame, rest);
    }
}
