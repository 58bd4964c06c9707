//! The hypervolumes of a report: of everything, and of the parts that one compares it with.

use moa_core::{EvaluationRecord, PointKind};
use moa_pareto::{Bootstrap, Interval, ParetoError, hypervolume, non_dominated};

use crate::Scales;

/// With more points on the front than this, a hypervolume without interval is not computed.
const MOST_POINTS: usize = 300;

/// Hypervolumes on the experiment's [`Scales`]: the reference point counts as 0, the best values as 1 in every reward.
///
/// Intervals are of *gains*: the base's means are taken as they are, and what is resampled is how far each point lies from the
/// base on the same prompts. How hard other prompts are would move all points alike, and the scale with them.
///
/// What they hide: a hypervolume depends on its scale, and says nothing without it; points that are not above the reference in
/// every reward add nothing, and by default the reference is the worst of base and corners in each.
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
pub(crate) type Rows = Vec<Vec<f64>>;

impl Hypervolumes {
    /// With more rewards than this no hypervolume is computed: it takes too long to resample.
    pub const MOST_REWARDS: usize = 6;

    pub(crate) fn of(
        evaluations: &[&EvaluationRecord],
        scales: &Scales,
        bootstrap: Bootstrap,
    ) -> Result<Option<Self>, ParetoError> {
        if evaluations.is_empty() || scales.rewards.len() > Self::MOST_REWARDS {
            return Ok(None);
        }
        let base = evaluations.iter().copied().find(|point| point.kind == PointKind::Base);
        let sets = Sets {
            points: evaluations.iter().map(|evaluation| (*evaluation, rows(evaluation, base, scales))).collect(),
            bootstrap,
            reference: vec![0.0; scales.rewards.len()],
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

/// Returns the rewards of each prompt on the experiment's scale, as the base's means and the point's gains over the base on the
/// same prompt; without a base as they are.
pub(crate) fn rows(evaluation: &EvaluationRecord, base: Option<&EvaluationRecord>, scales: &Scales) -> Rows {
    let prompts = evaluation.rewards.iter().map(|column| column.prompt_means.len()).min().unwrap_or(0);
    let base = base.filter(|base| {
        base.rewards.iter().zip(&evaluation.rewards).all(|(base, own)| own.pairs_with(base))
            && base.rewards.len() == evaluation.rewards.len()
    });
    let shift = |reward: usize, prompt: usize| {
        base.map_or(0.0, |base| base.rewards[reward].mean() - base.rewards[reward].prompt_means[prompt])
    };
    let row = |prompt: usize| {
        let columns = evaluation.rewards.iter().zip(&scales.rewards).enumerate();
        columns
            .map(|(reward, (column, own))| own.scale.normalise(column.prompt_means[prompt] + shift(reward, prompt)))
            .collect()
    };
    (0..prompts).map(row).collect()
}

/// Returns the hypervolume of points by their means, `[point][reward]`, without an interval; nothing of no points, of too many,
/// and with more than [`Hypervolumes::MOST_REWARDS`] rewards.
pub fn mean_volume<R: AsRef<[f64]>>(means: &[R], scales: &Scales) -> Option<f64> {
    let scaled = |means: &R| -> Vec<f64> {
        means.as_ref().iter().zip(&scales.rewards).map(|(mean, own)| own.scale.normalise(*mean)).collect()
    };
    let rows: Vec<Vec<f64>> = means.iter().map(scaled).collect();
    let front = non_dominated(&rows).ok()?;
    if front.is_empty() || front.len() > MOST_POINTS || scales.rewards.len() > Hypervolumes::MOST_REWARDS {
        return None;
    }
    let front: Vec<&[f64]> = front.into_iter().map(|index| &rows[index][..]).collect();
    hypervolume(&front, &vec![0.0; scales.rewards.len()]).ok()
}

fn has_equal_shares(evaluation: &EvaluationRecord) -> bool {
    let Some(weighting) = &evaluation.weighting else { return false };
    let equal = 1.0 / weighting.shares().len() as f64;
    weighting.shares().len() > 1 && weighting.shares().iter().all(|share| (share - equal).abs() < 1e-9)
}
