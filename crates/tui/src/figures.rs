//! What the evaluations of an experiment add up to: the report that `moa front` prints, and what the UI needs beside it.

use moa_analysis::attack::AttackReport;
use moa_analysis::{FrontReport, Scales, Score, Standing, shares_by_name};
use moa_core::{ExperimentSpec, PointKind, RunId};
use moa_pareto::Interval;

pub use moa_analysis::FrontPoint as Point;

use crate::experiment::Experiment;

/// The report of an experiment, and what soups are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Points with intervals, the front, its hypervolume.
    pub report: FrontReport,
    /// The corners' adapters, which soups are mixed of; empty where a corner is missing.
    pub corners: Vec<RunId>,
    /// The held-out prompts; empty until the worker has told them.
    pub prompts: Vec<String>,
    /// Whether intervals are those of the bootstrap; until then they are normal approximations.
    pub resampled: bool,
}

impl Figures {
    /// Returns the figures with a report of an experiment.
    pub fn new(report: FrontReport, spec: &ExperimentSpec, prompts: Vec<String>, resampled: bool) -> Self {
        let (corners, _) = shares_by_name(spec, &[]);
        Self { report, corners, prompts, resampled }
    }

    /// Returns what can be said of an experiment at once: means, normal intervals, dominance.
    pub fn of(experiment: &Experiment) -> Self {
        let Experiment { layout, spec, evaluations, .. } = experiment;
        // The worker's report says what is wrong with a stored scale.
        let scales = Scales::read(layout, spec, evaluations).unwrap_or_else(|_| Scales::of(spec, evaluations));
        Self::new(FrontReport::at_once(spec, evaluations, scales), spec, Vec::new(), false)
    }

    /// Returns the figures with what attacks found out.
    #[must_use]
    pub fn with_attacks(mut self, attacks: Option<AttackReport>) -> Self {
        self.report.attacks = attacks;
        self
    }

    /// Returns the figures of nothing.
    pub(crate) fn empty() -> Self {
        let spec = ExperimentSpec::default();
        let mut report = FrontReport::at_once(&spec, &[], Scales::default());
        report.rewards.clear();
        Self { report, corners: Vec::new(), prompts: Vec::new(), resampled: false }
    }

    /// Adds a mixture of corners that was measured, or replaces the one of its name.
    pub(crate) fn put(&mut self, point: Point) {
        self.report.put(point);
    }

    /// Returns all points: the base, then trained adapters, then soups.
    pub(crate) fn points(&self) -> &[Point] {
        &self.report.points
    }

    /// Returns the point of this name.
    pub(crate) fn point(&self, id: &RunId) -> Option<&Point> {
        self.points().iter().find(|point| point.id == *id)
    }

    /// Returns the base.
    pub(crate) fn base(&self) -> Option<&Point> {
        self.points().iter().find(|point| point.kind == PointKind::Base)
    }

    /// Whether all corners are trained and evaluated, so that they can be mixed.
    pub(crate) fn has_corners(&self) -> bool {
        !self.corners.is_empty() && self.corners.iter().all(|corner| self.point(corner).is_some())
    }

    /// Returns the measured point of these shares.
    pub(crate) fn measured(&self, shares: &[f64]) -> Option<&Point> {
        let same = |own: &Vec<f64>| own.iter().zip(shares).all(|(a, b)| (a - b).abs() < 0.005);
        self.points().iter().find(|point| point.shares.as_ref().is_some_and(same))
    }
}

/// Returns what is drawn of a score: its interval against the base, or its mean alone where there is none.
pub(crate) fn level(score: &Score) -> Interval {
    bounded(score.against_base())
}

/// Returns the gain of a score over the base, with its interval where there is one; nothing before the base is evaluated.
pub(crate) fn gain(score: &Score) -> Option<Interval> {
    score.difference.map(bounded)
}

/// Returns an interval as it is drawn: of one without ends, the mean alone.
fn bounded(interval: Interval) -> Interval {
    if interval.is_bounded() { interval } else { Interval::exact(interval.mean) }
}

/// Returns whether another point is better in every reward, by the means or beyond noise.
pub(crate) fn is_behind(point: &Point) -> bool {
    !point.placing.undominated || point.placing.standing() == Standing::Off
}

/// Returns a point's place on the front, and how sure that is; where nothing is known beyond them, what the means say.
pub(crate) fn place(point: &Point) -> String {
    let percent = (100.0 * point.placing.sure()).floor().min(99.0);
    match point.placing.standing() {
        Standing::On => format!("on front {percent:.0} %"),
        Standing::Off => format!("off front {percent:.0} %"),
        Standing::Unclear if !point.placing.undominated => "dominated".to_owned(),
        Standing::Unclear if percent >= 1.0 => format!("front? {percent:.0} %"),
        Standing::Unclear => "undominated".to_owned(),
    }
}
