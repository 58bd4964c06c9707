//! The Pareto front: points by any two rewards or by all of them, and what the one under the cursor is.

use moa_core::{PointKind, RunId};
use moa_pareto::Interval;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Drag, Hit, Tone};
use crate::figures::{Figures, Point, Score};
use crate::key::{Action, Screen};
use crate::screen::{details, parallel, scatter};
use crate::session::Session;
use crate::theme::mark;
use crate::view::message;
use crate::widget::{Axis, Plot, columns, panel, rows};

/// Where the numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// Rewards on the held-out prompts.
    #[default]
    HeldOut,
    /// Judges on the held-out prompts.
    Judges,
    /// Rewards of the training images in the last epoch.
    Training,
}

/// How the front is shown.
#[derive(Clone, Debug)]
pub(crate) struct FrontState {
    pub(crate) source: Source,
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) parallel: bool,
    pub(crate) bars: bool,
    dominated: bool,
    /// By column, what is wanted; none for all.
    pub(crate) brushes: Vec<Option<(f64, f64)>>,
}

impl Default for FrontState {
    fn default() -> Self {
        Self { source: Source::HeldOut, x: 0, y: 1, parallel: false, bars: true, dominated: true, brushes: Vec::new() }
    }
}

impl FrontState {
    /// Keeps axes on columns that are there.
    pub(crate) fn check(&mut self, figures: &Figures) {
        let count = match self.source {
            Source::Judges => figures.judges.len(),
            Source::HeldOut | Source::Training => figures.rewards.len(),
        };
        if self.x >= count {
            self.x = 0;
        }
        if self.y >= count || (self.y == self.x && count > 1) {
            self.y = usize::from(self.x == 0 && count > 1);
        }
        self.brushes.resize(count, None);
    }
}

/// A point with its numbers by column.
pub(crate) struct Dot<'a> {
    pub(crate) point: &'a Point,
    pub(crate) values: Vec<Interval>,
    /// Whether it is inside all brushes.
    pub(crate) wanted: bool,
}

/// Returns the names of the columns.
pub(crate) fn names(session: &Session) -> &[String] {
    match session.front.source {
        Source::Judges => &session.figures.judges,
        Source::HeldOut | Source::Training => &session.figures.rewards,
    }
}

/// Returns the points that are shown.
pub(crate) fn dots(session: &Session) -> Vec<Dot<'_>> {
    let front = &session.front;
    let count = names(session).len();
    let values = |point: &Point| -> Option<Vec<Interval>> {
        let values: Vec<Interval> = match front.source {
            Source::HeldOut => point.rewards.iter().map(Score::drawn).collect(),
            Source::Judges => point.judges.iter().map(Score::drawn).collect(),
            Source::Training => {
                let experiment = session.experiment.as_ref()?;
                let last = |reward: &String| experiment.reward_curve(&point.id, reward).last().copied();
                session.figures.rewards.iter().map(|reward| last(reward).map(Interval::exact)).collect::<Option<_>>()?
            }
        };
        (values.len() == count && count > 0).then_some(values)
    };
    let kept = |point: &&Point| {
        let named = session.selected.as_ref() == Some(&point.id) || session.marks.contains(&point.id);
        front.dominated || !point.is_behind() || named || point.kind == PointKind::Base
    };
    let inside = |values: &[Interval]| {
        let mut brushes = values.iter().zip(&front.brushes);
        brushes.all(|(value, brush)| brush.is_none_or(|(lo, hi)| (lo..=hi).contains(&value.mean)))
    };
    let dot = |point| {
        let values = values(point)?;
        Some(Dot { point, wanted: inside(&values), values })
    };
    session.figures.points.iter().filter(kept).filter_map(dot).collect()
}

/// Returns the axis of a column; error bars have room on it.
pub(crate) fn axis(dots: &[Dot<'_>], column: usize, bars: bool) -> Axis {
    let ends = |dot: &Dot<'_>| {
        let Interval { mean, lo, hi } = dot.values[column];
        if bars { [lo, mean, hi] } else { [mean; 3] }
    };
    // Error bars of thousands of points would leave the points no room.
    let bars_of_all = dots.len() <= 60;
    let values = dots.iter().flat_map(|dot| if bars_of_all { ends(dot) } else { [dot.values[column].mean; 3] });
    Axis::around(values, false)
}

pub(crate) fn act(app: &mut App, action: Action) {
    let Some(session) = &mut app.session else { return };
    let count = names(session).len().max(1);
    let front = &mut session.front;
    match action {
        Action::NextX => front.x = next_axis(front.x, front.y, count),
        Action::NextY => front.y = next_axis(front.y, front.x, count),
        Action::Parallel => front.parallel = !front.parallel,
        Action::ErrorBars => front.bars = !front.bars,
        Action::Dominated => front.dominated = !front.dominated,
        Action::Source => {
            front.source = match front.source {
                Source::HeldOut => Source::Judges,
                Source::Judges => Source::Training,
                Source::Training => Source::HeldOut,
            };
            front.brushes.clear();
            front.check(&session.figures);
        }
        Action::RaiseLow => nudge(session, 0, 1.0),
        Action::LowerLow => nudge(session, 0, -1.0),
        Action::LowerHigh => nudge(session, 1, -1.0),
        Action::RaiseHigh => nudge(session, 1, 1.0),
        Action::ClearBrush => front.brushes.iter_mut().for_each(|brush| *brush = None),
        Action::Mark if session.toggle_mark() => {}
        Action::Mark => app.say("four are marked already: M takes all marks away", Tone::Plain),
        Action::Unmark => session.marks.clear(),
        Action::Pictures => app.screen = Screen::Pictures,
        Action::MixThis => mix(app),
        Action::Left | Action::Right | Action::Up | Action::Down => step(session, action),
        _ => {}
    }
}

/// Puts the sliders where the point under the cursor is, as far as it is a mixture.
pub(crate) fn mix(app: &mut App) {
    let Some(session) = &mut app.session else { return };
    let point = session.selected.as_ref().and_then(|id| session.figures.point(id));
    match point.and_then(|point| point.shares.clone().or_else(|| Some(point.weighting.as_ref()?.shares().to_vec()))) {
        Some(shares) if shares.len() == session.figures.corners.len() => session.soup.set(&shares),
        _ => {}
    }
    app.screen = Screen::Soup;
}

fn next_axis(own: usize, other: usize, count: usize) -> usize {
    let next = (own + 1) % count;
    if next == other && count > 2 { (next + 1) % count } else { next }
}

/// Moves one end of the brush on x by a twentieth of the axis.
fn nudge(session: &mut Session, end: usize, sign: f64) {
    let column = session.front.x;
    let axis = axis(&dots(session), column, false);
    let Some(brush) = session.front.brushes.get_mut(column) else { return };
    let (mut lo, mut hi) = brush.unwrap_or((axis.lo, axis.hi));
    let by = sign * (axis.hi - axis.lo) / 20.0;
    if end == 0 {
        lo = (lo + by).clamp(axis.lo, hi);
    } else {
        hi = (hi + by).clamp(lo, axis.hi);
    }
    *brush = (lo > axis.lo || hi < axis.hi).then_some((lo, hi));
}

/// Moves the cursor to the nearest wanted point in a direction; among parallel coordinates to the next one.
fn step(session: &mut Session, action: Action) {
    let found = {
        let dots = dots(session);
        let (x, y) = (session.front.x, session.front.y);
        let Some(first) = dots.first() else { return };
        let Some(current) = dots.iter().find(|dot| Some(&dot.point.id) == session.selected.as_ref()) else {
            session.selected = Some(first.point.id.clone());
            return;
        };
        if session.front.parallel {
            let column = x;
            let mut order: Vec<&Dot<'_>> =
                dots.iter().filter(|dot| dot.wanted || dot.point.id == current.point.id).collect();
            order.sort_by(|a, b| a.values[column].mean.total_cmp(&b.values[column].mean));
            let place = order.iter().position(|dot| dot.point.id == current.point.id).unwrap_or(0);
            let next = match action {
                Action::Up => (place + 1).min(order.len() - 1),
                Action::Down => place.saturating_sub(1),
                Action::Left | Action::Right => {
                    let count = names(session).len();
                    session.front.x = if action == Action::Right { (x + 1) % count } else { (x + count - 1) % count };
                    session.front.check(&session.figures);
                    return;
                }
                _ => place,
            };
            Some(order[next].point.id.clone())
        } else {
            let (across, up) = (axis(&dots, x, false), axis(&dots, y, false));
            let place = |dot: &Dot<'_>| {
                let share = |axis: Axis, column: usize| axis.share(dot.values[column].mean).unwrap_or(0.0);
                (share(across, x), share(up, y))
            };
            let here = place(current);
            let cost = |dot: &&Dot<'_>| {
                let (dx, dy) = (place(dot).0 - here.0, place(dot).1 - here.1);
                let (ahead, aside) = match action {
                    Action::Left => (-dx, dy),
                    Action::Right => (dx, dy),
                    Action::Up => (dy, dx),
                    _ => (-dy, dx),
                };
                (ahead > 1e-9).then(|| ahead + 2.0 * aside.abs())
            };
            let candidates = dots.iter().filter(|dot| dot.wanted && dot.point.id != current.point.id);
            let nearest = candidates.filter_map(|dot| Some((cost(&dot)?, dot))).min_by(|a, b| a.0.total_cmp(&b.0));
            nearest.map(|(_, dot)| dot.point.id.clone())
        }
    };
    if found.is_some() {
        session.selected = found;
    }
}

/// Puts the cursor on the point nearest to a click.
pub(crate) fn click(app: &mut App, plot: &Plot, place: (u16, u16)) {
    let Some(session) = &mut app.session else { return };
    let id: Option<RunId> = {
        let dots = dots(session);
        let (x, y) = (session.front.x, session.front.y);
        let distance = |dot: &Dot<'_>| {
            let cell = plot.cell(dot.values[x].mean, dot.values[y].mean)?;
            // Letters are twice as high as wide.
            Some(f64::from(cell.0.abs_diff(place.0)).powi(2) + 4.0 * f64::from(cell.1.abs_diff(place.1)).powi(2))
        };
        let nearest = dots.iter().filter_map(|dot| Some((distance(dot)?, dot))).min_by(|a, b| a.0.total_cmp(&b.0));
        nearest.map(|(_, dot)| dot.point.id.clone())
    };
    if id.is_some() {
        session.selected = id;
    }
}

/// Brushes the range of a drag on both axes.
pub(crate) fn brush(app: &mut App, plot: &Plot, from: (u16, u16), to: (u16, u16)) {
    let Some(session) = &mut app.session else { return };
    let (a, b) = (plot.values(from), plot.values(to));
    let (x, y) = (session.front.x, session.front.y);
    let mut put = |column: usize, a: f64, b: f64| {
        if let Some(brush) = session.front.brushes.get_mut(column) {
            *brush = ((a - b).abs() > 0.0).then_some((a.min(b), a.max(b)));
        }
    };
    put(x, a.0, b.0);
    put(y, a.1, b.1);
}

/// Brushes a range on one of the parallel axes.
pub(crate) fn brush_axis(app: &mut App, column: usize, axis: Axis, drag: Drag, to: (u16, u16)) {
    let Some(session) = &mut app.session else { return };
    let value = |row: u16| {
        let offset = f64::from(row.clamp(drag.area.y, drag.area.bottom().saturating_sub(1)) - drag.area.y);
        axis.value(1.0 - offset / f64::from(drag.area.height.max(2) - 1))
    };
    let (a, b) = (value(drag.from.1), value(to.1));
    if let Some(brush) = session.front.brushes.get_mut(column) {
        *brush = ((a - b).abs() > 0.0).then_some((a.min(b), a.max(b)));
    }
}

pub(crate) fn view(app: &App, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    if session.figures.points.is_empty() {
        let text = "nothing is evaluated yet: the base comes first, adapters after their training";
        return message(app, frame, area, "No front yet", text);
    }
    let (main, side) = if area.width >= 74 {
        let width = if area.width >= 110 { 44 } else { 31 };
        let [main, side] = columns(area, [Constraint::Fill(1), Constraint::Length(width)]);
        (main, side)
    } else {
        let [main, side] = rows(area, [Constraint::Fill(3), Constraint::Fill(2)]);
        (main, side)
    };
    let dots = dots(session);
    let names = names(session);
    let source = match session.front.source {
        Source::HeldOut => "held-out prompts",
        Source::Judges => "judges, held-out prompts",
        Source::Training => "training, last epoch",
    };
    let title = match (session.front.parallel, names.get(session.front.x), names.get(session.front.y)) {
        (false, Some(x), Some(y)) if x != y => format!("{y} over {x}"),
        (false, Some(x), _) => x.clone(),
        _ => "All rewards".into(),
    };
    let inner = panel(frame, main, &title, source, theme);
    let inner = volume(app, session, &dots, frame, inner);
    if dots.is_empty() {
        let text = match session.front.source {
            Source::Judges => "no judge watches these rewards",
            Source::HeldOut | Source::Training => "no adapter has trained yet",
        };
        message(app, frame, inner, "Nothing to show", text);
    } else if session.front.parallel || names.len() > 2 && inner.height < 5 {
        parallel::view(app, session, &dots, names, frame, inner);
    } else {
        scatter::view(app, session, &dots, frame, inner);
    }
    details::view(app, session, frame, side);
}

/// Two lines: what the marks mean, and the hypervolume with its reference point.
fn volume(app: &App, session: &Session, dots: &[Dot<'_>], frame: &mut Frame<'_>, area: Rect) -> Rect {
    let theme = app.theme;
    if area.height < 8 {
        return area;
    }
    let figures = &session.figures;
    let legend = |kind: PointKind, name: &str| {
        [Span::styled(mark(kind), theme.kind(kind)), Span::styled(format!(" {name}  "), theme.dim())]
    };
    let mut first: Vec<Span<'_>> = Vec::new();
    first.extend(legend(PointKind::Base, "base"));
    first.extend(legend(PointKind::Trained, "trained"));
    first.extend(legend(PointKind::Soup, "soup"));
    if figures.points.iter().any(|point| point.kind == PointKind::Blend) {
        first.extend(legend(PointKind::Blend, "blend"));
    }
    first.extend([Span::styled("·", theme.dim()), Span::styled(" dominated  ", theme.dim())]);
    let wanted = dots.iter().filter(|dot| dot.wanted).count();
    if wanted < dots.len() {
        first.push(Span::styled(format!("{wanted} of {} brushed", dots.len()), theme.warn()));
    }
    let mut second = Vec::new();
    if let Some(volume) = figures.hypervolume {
        let spread = volume.half_width().map_or(String::new(), |half| format!(" ± {half:.3}"));
        second.extend([
            Span::styled("hypervolume ", theme.dim()),
            Span::styled(format!("{:.3}{spread}", volume.mean), theme.strong()),
        ]);
        if let Some(base) = figures.base_hypervolume {
            second.push(Span::styled(format!("  base {:.3}", base.mean), theme.dim()));
        }
        let ends = figures.scales.rewards.iter().map(|own| format!("{:.3}–{:.3}", own.scale.reference, own.scale.best));
        let reference = format!("  on ({})", ends.collect::<Vec<_>>().join(", "));
        let used: usize = second.iter().map(Span::width).sum();
        // What says that figures are not final comes after.
        let note = if figures.resampled { 0 } else { "  resampling …".chars().count() };
        let room = usize::from(area.width).saturating_sub(used + note);
        let reference =
            if reference.chars().count() <= room { reference } else { format!("  {}", figures.scales.label()) };
        if reference.chars().count() <= room {
            second.push(Span::styled(reference, theme.dim()));
        }
    }
    if !figures.resampled {
        let why =
            if session.figures_failed.is_some() || app.worker_gone.is_some() { "normal" } else { "resampling …" };
        second.push(Span::styled(format!("  {why}"), theme.dim()));
    }
    let lines = vec![Line::from(first), Line::from(second)];
    let foot = Rect { y: area.bottom() - 2, height: 2, ..area };
    frame.render_widget(Paragraph::new(lines).style(Style::new()), foot);
    Rect { height: area.height - 2, ..area }
}

/// Registers a plot for clicks and drags.
pub(crate) fn clickable(app: &App, plot: Plot) {
    app.clickable(plot.area, Hit::Scatter(plot));
}
