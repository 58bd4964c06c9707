//! The hypervolumes of a report: of everything, and of the parts that one compares it with.

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind};
use moa_pareto::{Bootstrap, Interval, ParetoError};

use crate::hacking::bootstrap;

/// Hypervolumes on the experiment's scale: the reference point counts as 0, the best values as 1 in every reward.
///
/// What they hide: a hypervolume depends on its reference point and scale, and says nothing without them; points that are
/// not above the reference in every reward add nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypervolumes {
    /// Of all points.
    pub all: Interval,
    /// Of the base alone.
    pub base: Option<Interval>,
    /// Of the adapter that was trained with equal shares, alone.
    pub centre: Option<Interval>,
    /// Of the trained adapters.
    pub trained: Option<Interval>,
    /// Of the soups and the corners that they are made of.
    pub soups: Option<Interval>,
    /// How much all points have more than the base alone.
    pub gain_over_base: Option<Interval>,
    /// How much the trained adapters have more than the centre alone.
    pub gain_over_centre: Option<Interval>,
}

/// `[prompt][reward]` of one point, on the experiment's scale.
pub(super) type Rows = Vec<Vec<f64>>;

impl Hypervolumes {
    /// With more rewards than this no hypervolume is computed: it takes too long to resample.
    pub const MOST_REWARDS: usize = 6;

    pub(super) fn of(evaluations: &[&EvaluationRecord], spec: &ExperimentSpec) -> Result<Option<Self>, ParetoError> {
        if evaluations.is_empty() || spec.rewards.len() > Self::MOST_REWARDS {
            return Ok(None);
        }
        let sets = Sets {
            points: evaluations.iter().map(|evaluation| (*evaluation, rows(evaluation, spec))).collect(),
            bootstrap: bootstrap(spec),
            reference: vec![0.0; spec.rewards.len()],
        };
        let is_base = |point: &EvaluationRecord| point.kind == PointKind::Base;
        let is_trained = |point: &EvaluationRecord| point.kind == PointKind::Trained;
        let is_centre = |point: &EvaluationRecord| is_trained(point) && has_equal_shares(point);
        let is_corner = |point: &EvaluationRecord| {
            is_trained(point) && point.weighting.as_ref().is_some_and(|weighting| weighting.corner_index().is_some())
        };
        let has_soups = evaluations.iter().any(|point| point.kind == PointKind::Soup);
        let of_soups = |point: &EvaluationRecord| point.kind == PointKind::Soup || is_corner(point);
        Ok(Some(Self {
            all: sets.bootstrap.hypervolume(&sets.choose(&|_| true), &sets.reference)?,
            base: sets.volume(&is_base)?,
            centre: sets.volume(&is_centre)?,
            trained: sets.volume(&is_trained)?,
            soups: if has_soups { sets.volume(&of_soups)? } else { None },
            gain_over_base: sets.gain(&|_| true, &is_base)?,
            gain_over_centre: sets.gain(&is_trained, &is_centre)?,
        }))
    }

    /// Returns each with its name, in order.
    pub fn named(&self) -> [(&'static str, Option<Interval>); 7] {
        [
            ("all", Some(self.all)),
            ("base", self.base),
            ("centre", self.centre),
            ("trained", self.trained),
            ("soups", self.soups),
            ("gain_over_base", self.gain_over_base),
            ("gain_over_centre", self.gain_over_centre),
        ]
    }
}

/// All points, from which sets are chosen.
struct Sets<'a> {
    points: Vec<(&'a EvaluationRecord, Rows)>,
    bootstrap: Bootstrap,
    reference: Vec<f64>,
}

impl Sets<'_> {
    fn choose(&self, belongs: &dyn Fn(&EvaluationRecord) -> bool) -> Vec<Rows> {
        self.points.iter().filter(|(point, _)| belongs(point)).map(|(_, rows)| rows.clone()).collect()
    }

    /// Returns the hypervolume of a set; none of an empty one.
    fn volume(&self, belongs: &dyn Fn(&EvaluationRecord) -> bool) -> Result<Option<Interval>, ParetoError> {
        let set = self.choose(belongs);
        if set.is_empty() { Ok(None) } else { self.bootstrap.hypervolume(&set, &self.reference).map(Some) }
    }

    /// Returns how much one set has more than another; none where either is empty.
    fn gain(
        &self,
        left: &dyn Fn(&EvaluationRecord) -> bool,
        right: &dyn Fn(&EvaluationRecord) -> bool,
    ) -> Result<Option<Interval>, ParetoError> {
        let (left, right) = (self.choose(left), self.choose(right));
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        self.bootstrap.hypervolume_difference(&left, &right, &self.reference).map(Some)
    }
}

/// Returns the mean rewards of each prompt on the experiment's scale.
pub(super) fn rows(evaluation: &EvaluationRecord, spec: &ExperimentSpec) -> Rows {
    let scales = spec.scales();
    let prompts = evaluation.rewards.iter().map(|column| column.prompt_means.len()).min().unwrap_or(0);
    let row = |prompt: usize| {
        let columns = evaluation.rewards.iter().zip(&scales);
        columns.map(|(column, scale)| scale.normalise(column.prompt_means[prompt])).collect()
    };
    (0..prompts).map(row).collect()
}

fn has_equal_shares(evaluation: &EvaluationRecord) -> bool {
    let Some(weighting) = &evaluation.weighting else { return false };
    let equal = 1.0 / weighting.shares().len() as f64;
    weighting.shares().len() > 1 && weighting.shares().iter().all(|share| (share - equal).abs() < 1e-9)
}
