//! The Pareto front: points by any two rewards or by all of them, a list of them, what is worth choosing, what the point under the
//! cursor is, and what one of two points has more than the other.

mod advice;
mod details;
mod dots;
mod list;
mod moves;
mod names;
mod pair;
mod parallel;
mod scatter;

use std::collections::HashMap;

use moa_analysis::labels;
use moa_core::{PointKind, RunId};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::click::{Click, Clicks, Held};
use crate::component::{Group, Keys, Screen, Step};
use crate::key::{Row, c, k};
use crate::session::Session;
use crate::shared::{Note, Shared};
use crate::theme::mark;
use crate::widget::{Axis, Plot, columns, fitting, message, panel, rows};
use dots::{Dot, Source, dots, names, shows_gains};
use list::Sort;
use moves::Way;

pub(crate) use details::direction;

/// The name of this screen.
pub(crate) const NAME: &str = "Front";

/// What takes clicks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Plot(Plot),
    /// One of the parallel axes, with its column.
    Axis(usize, Axis),
    /// A row of the list.
    Row(usize),
}

/// How the front is shown.
#[expect(clippy::struct_excessive_bools, reason = "each is what a key toggles")]
pub(crate) struct Front {
    source: Source,
    /// Whether levels are shown, and not gains over the base.
    levels: bool,
    x: usize,
    y: usize,
    parallel: bool,
    bars: bool,
    dominated: bool,
    /// By column, what is wanted; nothing for all.
    brushes: Vec<Option<(f64, f64)>>,
    sort: Sort,
    /// Whether the list takes the place of the plot, and the arrows move in it.
    listed: bool,
    /// The first column of the list, where not all have room.
    first: usize,
    /// The recommendation that was stepped to.
    advised: Option<usize>,
    /// Short names of points.
    labels: HashMap<RunId, String>,
    clicks: Clicks<Target>,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            source: Source::HeldOut,
            levels: false,
            x: 0,
            y: 1,
            parallel: false,
            bars: true,
            dominated: true,
            brushes: Vec::new(),
            sort: Sort::default(),
            listed: false,
            first: 0,
            advised: None,
            labels: HashMap::new(),
            clicks: Clicks::default(),
        }
    }
}

const KEYS: Keys<Front> = &[
    Row::new(
        &[k(K::Left), c('h')],
        |own, shared| own.step(Way::Left, shared),
        "nearest point to the left; in the list, columns to the left",
        "",
    ),
    Row::new(
        &[k(K::Right), c('l')],
        |own, shared| own.step(Way::Right, shared),
        "nearest point to the right; in the list, columns to the right",
        "",
    ),
    Row::new(
        &[k(K::Up), c('k')],
        |own, shared| own.step(Way::Up, shared),
        "nearest point above; in the list, previous point",
        "",
    ),
    Row::new(
        &[k(K::Down), c('j')],
        |own, shared| own.step(Way::Down, shared),
        "nearest point below; in the list, next point",
        "",
    ),
    Row::new(&[c('r')], Front::next_advice, "next recommended point, with the reason", "recommended"),
    Row::new(&[c('i')], |own, _| own.listed = !own.listed, "list instead of the plot, and back", "list"),
    Row::new(&[c('x')], |own, shared| own.turn_axis(false, shared), "next reward on the x axis", "axes"),
    Row::new(&[c('y')], |own, shared| own.turn_axis(true, shared), "next reward on the y axis", ""),
    Row::new(&[c('a')], |own, _| own.parallel = !own.parallel, "all rewards at once, on parallel axes", "all"),
    Row::new(&[c('v')], Front::toggle_levels, "gains over the base, or levels", "levels"),
    Row::new(&[c('t')], Front::turn_source, "held-out prompts, judges, or training", "judges"),
    Row::new(&[c('o')], Front::next_sort, "sort the list by the next column", "sort"),
    Row::new(&[c('.'), c('>')], |own, shared| own.step_list(Step::Down, shared), "next point of the list", ""),
    Row::new(&[c(','), c('<')], |own, shared| own.step_list(Step::Up, shared), "previous point of the list", ""),
    Row::new(&[k(K::Home), c('g')], |own, shared| own.step_list(Step::First, shared), "first point of the list", ""),
    Row::new(&[k(K::End), c('G')], |own, shared| own.step_list(Step::Last, shared), "last point of the list", ""),
    Row::new(&[k(K::PageUp)], |own, shared| own.step_list(Step::PageUp, shared), "a page up in the list", ""),
    Row::new(&[k(K::PageDown)], |own, shared| own.step_list(Step::PageDown, shared), "a page down in the list", ""),
    Row::new(&[c(' ')], |_, shared| shared.mark(), "mark the point, to compare", "mark"),
    Row::new(&[c('M')], |_, shared| shared.unmark(), "clear all marks", ""),
    Row::new(
        &[k(K::Enter), c('p')],
        |_, shared| shared.go = Some(super::IMAGES),
        "images of this point and of marked ones",
        "images",
    ),
    Row::new(&[c('m')], |_, shared| mix(shared), "mix from here", "mix"),
    Row::new(&[c('e')], |own, _| own.bars = !own.bars, "toggle error bars", "bars"),
    Row::new(&[c('d')], |own, _| own.dominated = !own.dominated, "toggle dominated points", ""),
    Row::new(&[c(']')], |own, shared| own.nudge(0, 1.0, shared), "brush: raise the lower end of x", "brush"),
    Row::new(&[c('[')], |own, shared| own.nudge(0, -1.0, shared), "brush: lower the lower end of x", ""),
    Row::new(&[c('{')], |own, shared| own.nudge(1, -1.0, shared), "brush: lower the upper end of x", ""),
    Row::new(&[c('}')], |own, shared| own.nudge(1, 1.0, shared), "brush: raise the upper end of x", ""),
    Row::new(&[c('B')], |own, _| own.clear_brushes(), "clear all brushes", ""),
];

/// Puts the sliders where the point under the cursor is, as far as it is a mixture.
pub(crate) fn mix(shared: &mut Shared) {
    let Some(session) = &shared.session else { return };
    let point = session.selected.as_ref().and_then(|id| session.figures.point(id));
    let corners = session.figures.corners.len();
    let weighting = || Some(point?.weighting.as_ref()?.shares().to_vec());
    let shares = point.and_then(|point| point.shares.clone()).or_else(weighting);
    shared.notes.extend(shares.filter(|shares| shares.len() == corners).map(Note::Mix));
    shared.go = Some(super::SOUP);
}

impl Front {
    /// Returns the short name of a point.
    fn name<'a>(&'a self, id: &'a RunId) -> &'a str {
        self.labels.get(id).map_or(id.as_str(), String::as_str)
    }

    /// Keeps axes on columns that are there.
    fn check(&mut self, session: &Session) {
        let count = names(self, session).len();
        if self.x >= count {
            self.x = 0;
        }
        if self.y >= count || (self.y == self.x && count > 1) {
            self.y = usize::from(self.x == 0 && count > 1);
        }
        self.brushes.resize(count, None);
        if matches!(self.sort, Sort::Column(column) if column >= count) {
            self.sort = Sort::Experiment;
        }
    }

    fn turn_axis(&mut self, vertical: bool, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        let count = names(self, session).len().max(1);
        let (own, other) = if vertical { (self.y, self.x) } else { (self.x, self.y) };
        let next = (own + 1) % count;
        let next = if next == other && count > 2 { (next + 1) % count } else { next };
        *(if vertical { &mut self.y } else { &mut self.x }) = next;
    }

    fn turn_source(&mut self, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        self.source = match self.source {
            Source::HeldOut => Source::Judges,
            Source::Judges => Source::Training,
            Source::Training => Source::HeldOut,
        };
        self.brushes.clear();
        self.check(session);
    }

    fn toggle_levels(&mut self, _: &mut Shared) {
        self.levels = !self.levels;
        self.clear_brushes();
    }

    fn clear_brushes(&mut self) {
        self.brushes.iter_mut().for_each(|brush| *brush = None);
    }

    fn next_sort(&mut self, shared: &mut Shared) {
        if let Some(session) = &shared.session {
            self.sort = self.sort.next(names(self, session).len());
        }
    }

    fn next_advice(&mut self, shared: &mut Shared) {
        let Some(session) = &mut shared.session else { return };
        if let Some((place, point)) = advice::next(self, session) {
            self.advised = Some(place);
            session.selected = Some(point);
        }
    }

    fn step_list(&mut self, step: Step, shared: &mut Shared) {
        let Some(session) = &mut shared.session else { return };
        let next = {
            let dots = dots(self, session);
            let order = list::order(self, session, &dots);
            let cursor = order.iter().position(|dot| Some(dots[*dot].id) == session.selected.as_ref());
            let next = cursor.map_or(0, |cursor| step.from(cursor, order.len()));
            order.get(next).map(|dot| dots[*dot].id.clone())
        };
        session.selected = next.or(session.selected.take());
    }

    /// Renews the short names.
    fn label(&mut self, session: &Session) {
        let report = &session.figures.report;
        let evaluated = report.points.iter().map(|point| (&point.id, point.kind));
        let runs = session.experiment.iter().flat_map(|experiment| &experiment.runs);
        let training = runs.filter(|run| report.point(run.id.as_str()).is_none()).take(500);
        let points: Vec<(&RunId, PointKind)> =
            evaluated.chain(training.map(|run| (&run.id, PointKind::Trained))).collect();
        // Thousands of points have no names on the plot.
        if points.len() > 1000 {
            return self.labels.clear();
        }
        let short = labels(points.iter().copied(), &report.rewards);
        self.labels = points.into_iter().map(|(id, _)| id.clone()).zip(short).collect();
    }

    /// Draws two lines: what the marks mean, and the hypervolume with its scale; returns the area above.
    fn legend(&self, shared: &Shared, session: &Session, dots: &[Dot<'_>], frame: &mut Frame<'_>, area: Rect) -> Rect {
        let theme = shared.theme;
        if area.height < 8 {
            return area;
        }
        let width = usize::from(area.width);
        let part = |sign: &'static str, style, name: &str| {
            vec![Span::styled(sign, style), Span::styled(format!(" {name}"), theme.dim())]
        };
        let mut parts = Vec::new();
        let wanted = dots.iter().filter(|dot| dot.wanted).count();
        if wanted < dots.len() {
            parts.push(vec![Span::styled(format!("{wanted} of {} brushed", dots.len()), theme.warn())]);
        }
        if !self.parallel {
            let kinds = [
                (PointKind::Base, "base"),
                (PointKind::Trained, "trained"),
                (PointKind::Given, "given"),
                (PointKind::Soup, "soup"),
                (PointKind::Blend, "blend"),
            ];
            let present =
                kinds.into_iter().filter(|(kind, _)| dots.iter().any(|dot| dot.kind == *kind && !dot.provisional));
            parts.extend(present.map(|(kind, name)| part(mark(kind), theme.kind(kind), name)));
            if dots.iter().any(|dot| dot.provisional) {
                parts.push(part("◌", theme.kind(PointKind::Trained), "in training"));
            }
            if dots.iter().any(|dot| dot.behind) {
                parts.push(part("·", theme.dim(), "dominated"));
            }
            parts.push(part("■", theme.series(0), "marked"));
            if self.bars {
                parts.push(part("━", theme.line(), "95 %"));
            }
            parts.push(part("╌", theme.line(), "best of these two"));
        }
        if !session.figures.report.groups.is_empty() {
            parts.push(part("A B", theme.dim(), "not distinguishable"));
        }
        let mut lines: Vec<Line<'_>> = fitting(parts, width).into_iter().take(2).collect();
        // Marks and brushes do not move the plot.
        lines.resize(2, Line::default());
        lines.extend(volume(shared, session, width));
        let height = lines.len() as u16;
        let foot = Rect { y: area.bottom() - height, height, ..area };
        frame.render_widget(Paragraph::new(lines), foot);
        Rect { height: area.height - height, ..area }
    }

    /// Draws the points by two rewards, or by all.
    fn plot(
        &self,
        shared: &Shared,
        session: &Session,
        (dots, names): (&[Dot<'_>], &[String]),
        frame: &mut Frame<'_>,
        area: Rect,
    ) {
        let theme = shared.theme;
        let gains = shows_gains(self, session);
        let source = match self.source {
            Source::HeldOut => "held-out prompts",
            Source::Judges => "judges, held-out prompts",
            Source::Training if gains => "training, last probe",
            Source::Training => "training, prompts drawn",
        };
        let title = match (self.parallel, names.get(self.x), names.get(self.y)) {
            (false, Some(x), Some(y)) if x != y => format!("{y} over {x}"),
            (false, Some(x), _) => x.clone(),
            _ => "All rewards".into(),
        };
        let basis = if gains { "gains over the base" } else { "levels" };
        let aside = format!("{basis}, {source}");
        let aside =
            if aside.chars().count() + title.chars().count() + 8 > usize::from(area.width) { basis } else { &aside };
        let inner = panel(frame, area, &title, aside, theme);
        let inner = self.legend(shared, session, dots, frame, inner);
        if dots.is_empty() {
            let text = match self.source {
                Source::Judges => "no judge watches these rewards",
                Source::HeldOut | Source::Training => "no adapter has trained yet",
            };
            message(theme, frame, inner, "Nothing to show", text);
        } else if self.parallel || names.len() > 2 && inner.height < 5 {
            parallel::view(self, shared, session, (dots, names), frame, inner);
        } else {
            scatter::view(self, shared, session, dots, frame, inner);
        }
    }
}

/// Returns the line of the hypervolume, with its scale as far as there is room.
fn volume(shared: &Shared, session: &Session, width: usize) -> Option<Line<'static>> {
    let theme = shared.theme;
    let figures = &session.figures;
    let mut spans = Vec::new();
    if let Some(volumes) = &figures.report.hypervolumes {
        let spread = volumes.all.half_width().map_or(String::new(), |half| format!(" ± {half:.3}"));
        spans.push(Span::styled("hypervolume ", theme.dim()));
        spans.push(Span::styled(format!("{:.3}{spread}", volumes.all.mean), theme.strong()));
        let mut room = width.saturating_sub(spans.iter().map(Span::width).sum());
        let mut put = |text: String| {
            if text.chars().count() <= room {
                room -= text.chars().count();
                spans.push(Span::styled(text, theme.dim()));
            }
        };
        if !figures.resampled {
            put("  resampling …".into());
        }
        match session.provisional() {
            0 => {}
            1 => put("  provisional: one point is new".into()),
            count => put(format!("  provisional: {count} points are new")),
        }
        if let Some(base) = volumes.base {
            put(format!("  base {:.3}", base.mean));
        }
        put(format!("  {}", figures.report.scales.label()));
    }
    if !figures.resampled && (session.figures_failed.is_some() || shared.worker_gone.is_some()) {
        spans = vec![Span::styled("normal intervals: resampling failed", theme.warn())];
    }
    (!spans.is_empty()).then(|| Line::from(spans))
}

impl Screen for Front {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "show the Pareto front"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::SWEEP)
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        (KEYS[row].act)(self, shared);
    }

    fn click(&mut self, click: Click, shared: &mut Shared) {
        let Some((held, place)) = self.clicks.take(click) else { return };
        let Held { on, from, area } = held;
        let down = matches!(click, Click::Down(_));
        match on {
            Target::Plot(plot) if down => self.select_nearest(&plot, place, shared),
            Target::Plot(plot) => self.brush(&plot, from, place),
            Target::Axis(column, axis) if !down => self.brush_axis((column, axis), area, from, place),
            Target::Row(row) if down => {
                let Some(session) = &mut shared.session else { return };
                let dots = dots(self, session);
                let order = list::order(self, session, &dots);
                let id = order.get(row).map(|dot| dots[*dot].id.clone());
                session.selected = id.or(session.selected.take());
            }
            Target::Axis(..) | Target::Row(_) => {}
        }
    }

    fn note(&mut self, note: &Note, shared: &mut Shared) {
        match (note, &shared.session) {
            (Note::Opening, _) => *self = Self::default(),
            (Note::Figures, Some(session)) => {
                self.check(session);
                self.label(session);
            }
            _ => {}
        }
    }

    fn ask(&mut self, shown: bool, shared: &mut Shared) {
        if shown {
            shared.want_sheets();
            shared.want_pair();
        }
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let theme = shared.theme;
        let Some(session) = &shared.session else { return };
        let dots = dots(self, session);
        if session.figures.points().is_empty() && dots.is_empty() {
            let text = "nothing is evaluated yet: the base is evaluated first, adapters after their training";
            return message(theme, frame, area, "No front yet", text);
        }
        let pair = session.pair().map(|_| session.figures.report.rewards.len() as u16 + 3);
        let names = names(self, session);
        let needed = list::needed(self, &dots, names.len());
        let areas = Areas::of(area, self.listed, needed).with_pair(pair);
        if let Some(area) = areas.plot {
            self.plot(shared, session, (&dots, names), frame, area);
        }
        if let Some(area) = areas.list {
            list::view(self, shared, session, &dots, frame, area);
        }
        if let Some(area) = areas.details {
            details::view(self, shared, session, frame, area);
        }
        if let Some(area) = areas.pair {
            pair::view(self, shared, session, frame, area);
        }
        if let Some(area) = areas.advice {
            advice::view(self, shared, session, frame, area);
        }
    }
}

/// The columns that a plot beside a list keeps.
const LEAST_PLOT: u16 = 52;

/// Where the parts of the screen lie.
struct Areas {
    plot: Option<Rect>,
    list: Option<Rect>,
    details: Option<Rect>,
    pair: Option<Rect>,
    advice: Option<Rect>,
}

impl Areas {
    /// Gives the difference of two points so many rows, below what the point is or below the list; in place of what the point is where there is no
    /// room for both.
    fn with_pair(mut self, rows_of_pair: Option<u16>) -> Self {
        let Some(height) = rows_of_pair else { return self };
        let Some(whole) = self.details.or(self.list) else { return self };
        if whole.height < height + 6 {
            *(if self.details.is_some() { &mut self.details } else { &mut self.list }) = None;
            self.pair = Some(whole);
            return self;
        }
        let [above, below] = rows(whole, [Constraint::Fill(1), Constraint::Length(height)]);
        *(if self.details.is_some() { &mut self.details } else { &mut self.list }) = Some(above);
        self.pair = Some(below);
        self
    }

    /// - `listed`: whether the list takes the place of the plot
    /// - `needed`: the columns that the list takes with all rewards
    fn of(area: Rect, listed: bool, needed: u16) -> Self {
        let narrow = area.width < 74;
        let advice = match area.height {
            30.. => 5,
            24.. => 4,
            _ if narrow => 0,
            _ => 4,
        };
        let [above, advice] = rows(area, [Constraint::Fill(1), Constraint::Length(advice)]);
        let advice = Some(advice).filter(|area| !area.is_empty());
        let none = Self { plot: None, list: None, details: None, pair: None, advice };
        if listed {
            let side = if area.width >= needed + 50 { 48 } else { 0 };
            if side == 0 {
                return Self { list: Some(above), ..none };
            }
            let [list, details] = columns(above, [Constraint::Fill(1), Constraint::Length(side)]);
            return Self { list: Some(list), details: Some(details), ..none };
        }
        if narrow {
            // One column: the plot, and below it what the point is.
            let below = Constraint::Length((area.height * 2 / 5).max(5));
            let [plot, below] = rows(above, [Constraint::Fill(1), below]);
            return Self { plot: Some(plot), details: Some(below), ..none };
        }
        let width = match area.width {
            0..110 => 33,
            110..150 => area.width * 2 / 5,
            _ => area.width / 2,
        };
        // The plot gives way to columns, but not to all of them.
        let width = if area.width < 110 { width } else { needed.clamp(width, (area.width - LEAST_PLOT).max(width)) };
        let [plot, side] = columns(above, [Constraint::Fill(1), Constraint::Length(width)]);
        if side.height < 24 {
            return Self { plot: Some(plot), details: Some(side), ..none };
        }
        let [list, details] = rows(side, [Constraint::Percentage(45), Constraint::Fill(1)]);
        Self { plot: Some(plot), list: Some(list), details: Some(details), ..none }
    }
}
