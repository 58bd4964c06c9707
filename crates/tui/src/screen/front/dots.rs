//! The points that are shown, with their numbers by column.

use moa_core::{PointKind, RunId, RunState, metric};
use moa_pareto::Interval;

use super::Front;
use crate::experiment::Experiment;
use crate::figures::{Point, gain, is_behind, level};
use crate::session::Session;
use crate::widget::Axis;

/// Where the numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// Rewards on the held-out prompts.
    #[default]
    HeldOut,
    /// Judges on the held-out prompts.
    Judges,
    /// Rewards as the last epoch or probe of training found them.
    Training,
}

/// A point with its numbers by column.
#[expect(clippy::struct_excessive_bools, reason = "each changes how the point is drawn, by itself")]
pub(super) struct Dot<'a> {
    pub(super) id: &'a RunId,
    pub(super) kind: PointKind,
    pub(super) values: Vec<Interval>,
    /// Whether it is inside all brushes.
    pub(super) wanted: bool,
    /// Whether another point is better in every reward.
    pub(super) behind: bool,
    /// Whether it is on the front beyond noise.
    pub(super) sure: bool,
    /// Whether it trains still: its numbers are those of its last probe.
    pub(super) provisional: bool,
}

/// Returns the names of the columns.
pub(super) fn names<'a>(front: &Front, session: &'a Session) -> &'a [String] {
    let report = &session.figures.report;
    if front.source == Source::Judges { &report.judges } else { &report.rewards }
}

/// Returns whether gains over the base are shown: not before the base is evaluated.
pub(super) fn shows_gains(front: &Front, session: &Session) -> bool {
    match front.source {
        Source::Training => session.experiment.as_ref().is_some_and(Experiment::has_gains),
        // Before anything is evaluated, there are runs that train: they are known by their gains alone.
        Source::HeldOut | Source::Judges => {
            !front.levels && (session.figures.base().is_some() || session.figures.points().is_empty())
        }
    }
}

/// Returns the points that are shown.
pub(super) fn dots<'a>(front: &Front, session: &'a Session) -> Vec<Dot<'a>> {
    let count = names(front, session).len();
    let gains = shows_gains(front, session);
    let of_scores = |point: &Point| -> Option<Vec<Interval>> {
        let scores = if front.source == Source::Judges { &point.judges } else { &point.rewards };
        scores.iter().map(|score| if gains { gain(score) } else { Some(level(score)) }).collect()
    };
    let values = |point: &Point| -> Option<Vec<Interval>> {
        let values = match front.source {
            Source::Training if point.kind == PointKind::Base && gains => vec![Interval::exact(0.0); count],
            Source::Training => trained(session, &point.id, None)?,
            Source::HeldOut | Source::Judges => of_scores(point)?,
        };
        (values.len() == count && count > 0).then_some(values)
    };
    let kept = |point: &&Point| {
        let named = session.selected.as_ref() == Some(&point.id) || session.marks.contains(&point.id);
        front.dominated || !is_behind(point) || named || point.kind == PointKind::Base
    };
    let inside = |values: &[Interval]| {
        let mut brushes = values.iter().zip(&front.brushes);
        brushes.all(|(value, brush)| brush.is_none_or(|(lo, hi)| (lo..=hi).contains(&value.mean)))
    };
    let dot = |point: &'a Point| {
        let values = values(point)?;
        Some(Dot {
            id: &point.id,
            kind: point.kind,
            wanted: inside(&values),
            values,
            behind: is_behind(point),
            sure: point.placing.is_on(),
            provisional: false,
        })
    };
    let mut dots: Vec<Dot<'a>> = session.figures.points().iter().filter(kept).filter_map(dot).collect();
    if front.source != Source::Judges {
        dots.extend(provisional(session, gains).map(|(id, values)| Dot {
            id,
            kind: PointKind::Trained,
            wanted: inside(&values),
            values,
            behind: false,
            sure: false,
            provisional: true,
        }));
    }
    dots
}

/// Returns the runs that train still, by what their last probe says.
fn provisional(session: &Session, gains: bool) -> impl Iterator<Item = (&RunId, Vec<Interval>)> {
    let experiment = session.experiment.as_ref().filter(|experiment| experiment.live && experiment.has_gains());
    let runs = experiment.into_iter().flat_map(|experiment| &experiment.runs);
    let base = if gains { None } else { session.figures.base() };
    let runs = runs.filter(move |_| gains || base.is_some());
    runs.filter(|run| run.state != RunState::Evaluated && run.epochs_done > 0)
        .filter_map(move |run| Some((&run.id, trained(session, &run.id, base)?)))
}

/// Returns the rewards of a run as training found them last; on top of the base's means, if these are given.
fn trained(session: &Session, id: &RunId, base: Option<&Point>) -> Option<Vec<Interval>> {
    let experiment = session.experiment.as_ref()?;
    let value = |(place, reward): (usize, &String)| {
        let level = base.map_or(Some(0.0), |base| Some(base.rewards.get(place)?.mean.mean))?;
        // A probe draws as the evaluation does.
        let probe = experiment.latest(id, &metric::reward_gain(reward));
        let latest = probe.or_else(|| experiment.latest(id, &experiment.progress_metric(reward)))?;
        Some(Interval::exact(level + latest))
    };
    experiment.rewards.iter().enumerate().map(value).collect()
}

/// Returns the axis of a column; error bars have room on it.
pub(super) fn axis(dots: &[Dot<'_>], column: usize, bars: bool) -> Axis {
    let ends = |dot: &Dot<'_>| {
        let Interval { mean, lo, hi } = dot.values[column];
        if bars { [lo, mean, hi] } else { [mean; 3] }
    };
    // Error bars of thousands of points would leave the points no room.
    let bars_of_all = dots.len() <= 60;
    let values = dots.iter().flat_map(|dot| if bars_of_all { ends(dot) } else { [dot.values[column].mean; 3] });
    Axis::around(values, false)
}
