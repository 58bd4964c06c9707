//! How every two points of an experiment stand to each other beyond noise.

use moa_core::EvaluationRecord;
use moa_pareto::{Bootstrap, Covered, Family, dominates, non_dominated};

use crate::resampling::{LEVEL, differences};
use crate::{AnalysisError, Placing};

/// Every two points in every reward: all differences between them are tested together ([`Bootstrap::family`]), so that everything that is
/// said of all points at once is true with the level, 95 %.
///
/// **Points that were added do not change what is said of those that were planned.** The planned ones are a family of their own; what is said of an
/// added point is tested in the family of all. Otherwise every mixture that a search measures would widen all claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relations {
    means: Vec<Vec<f64>>,
    /// How many points were planned; they come first.
    planned: usize,
    /// Of the planned points; nothing of too many.
    among_planned: Option<Duels>,
    /// Of all points; nothing of too many.
    among_all: Option<Duels>,
}

impl Relations {
    /// With more points than this only the means are compared: every pair of them is tested, which takes too long.
    pub const MOST_POINTS: usize = 64;

    /// Returns the relations of points, all of them planned.
    ///
    /// # Errors
    /// Refuses points that were evaluated on different prompts.
    pub fn of(bootstrap: &Bootstrap, points: &[&EvaluationRecord]) -> Result<Self, AnalysisError> {
        Self::with_added(bootstrap, points, points.len())
    }

    /// Returns the relations of points of which the first `planned` were planned, and the others added.
    ///
    /// # Errors
    /// Refuses points that were evaluated on different prompts.
    pub fn with_added(
        bootstrap: &Bootstrap,
        points: &[&EvaluationRecord],
        planned: usize,
    ) -> Result<Self, AnalysisError> {
        let among_planned = Duels::of(bootstrap, &points[..planned])?;
        let among_all = if planned == points.len() { None } else { Duels::of(bootstrap, points)? };
        let means = points.iter().map(|point| point.reward_means()).collect();
        Ok(Self { means, planned, among_planned, among_all })
    }

    /// Returns the place of every point: of a planned one among the planned, of an added one among all. Of too many points, what the means alone say.
    pub fn placings(&self) -> Vec<Placing> {
        let fronts =
            [self.planned, self.means.len()].map(|count| non_dominated(&self.means[..count]).unwrap_or_default());
        let place = |one: usize| {
            let is_planned = one < self.planned;
            let count = if is_planned { self.planned } else { self.means.len() };
            let duels = if is_planned { &self.among_planned } else { &self.among_all };
            let Some(duels) = duels else {
                return Placing::by_means(fronts[usize::from(!is_planned)].contains(&one));
            };
            let others = || (0..count).filter(move |other| *other != one);
            Placing {
                undominated: others().all(|other| !dominates(&self.means[other], &self.means[one])),
                on: others().map(|other| duels.best(one, other)).fold(1.0, f64::min),
                off: others().map(|other| duels.worst(other, one)).fold(0.0, f64::max),
            }
        };
        (0..self.means.len()).map(place).collect()
    }

    fn duels(&self, one: usize, other: usize) -> Option<&Duels> {
        let planned = one.max(other) < self.planned;
        if planned { self.among_planned.as_ref() } else { self.among_all.as_ref() }
    }

    /// Returns whether some reward tells two points apart; nothing of too many points.
    pub fn are_told_apart(&self, one: usize, other: usize) -> Option<bool> {
        let duels = self.duels(one, other)?;
        Some(duels.best(one, other) >= LEVEL || duels.best(other, one) >= LEVEL)
    }

    /// Returns whether two points are distinguishable in a reward; nothing with too many points.
    pub fn are_told_apart_in(&self, one: usize, other: usize, reward: usize) -> Option<bool> {
        let duels = self.duels(one, other)?;
        let sure = |one, other| duels.confidences(one, other).nth(reward).flatten().unwrap_or(0.0) >= LEVEL;
        Some(one != other && (sure(one, other) || sure(other, one)))
    }

    /// Returns with which confidence a point is better than another in every reward in which the two differ; 0 where nothing can be said.
    pub fn beats(&self, one: usize, other: usize) -> f64 {
        self.duels(one, other).map_or(0.0, |duels| duels.worst(one, other))
    }

    /// Returns whether a point's means are at least as good as another's in every reward, and better in one.
    pub fn beats_by_means(&self, one: usize, other: usize) -> bool {
        dominates(&self.means[one], &self.means[other])
    }

    /// Returns the sets of two or more points of which no reward tells any two apart, each in the points' order; a point is in one set
    /// at most.
    ///
    /// Limits: two points that are not distinguishable need not be equal, and it does not carry over: `a` and `b`, `b` and
    /// `c` may be alike while `a` and `c` are not. A point joins the first set with all of whose members it is alike.
    pub fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let known = match (&self.among_all, &self.among_planned) {
            (Some(_), _) => self.means.len(),
            (None, Some(_)) => self.planned,
            (None, None) => 0,
        };
        for point in 0..known {
            let fits = |group: &Vec<usize>| group.iter().all(|other| self.are_told_apart(point, *other) == Some(false));
            match groups.iter_mut().find(|group| fits(group)) {
                Some(group) => group.push(point),
                None => groups.push(vec![point]),
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }
}

/// Every pair of points in every reward.
#[derive(Clone, Debug, PartialEq)]
struct Duels {
    family: Family,
    /// Columns without any difference.
    tied: Vec<bool>,
    rewards: usize,
}

impl Duels {
    /// Returns the pairs of points; nothing of no points and of too many.
    fn of(bootstrap: &Bootstrap, points: &[&EvaluationRecord]) -> Result<Option<Self>, AnalysisError> {
        let Some(first) = points.first().filter(|_| points.len() <= Relations::MOST_POINTS) else { return Ok(None) };
        let rewards = first.rewards.len();
        let mut columns = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2 * rewards);
        for (index, one) in points.iter().enumerate() {
            for other in &points[..index] {
                for (own, theirs) in one.rewards.iter().zip(&other.rewards) {
                    columns.push(Covered::all(differences(own, theirs)?));
                }
            }
        }
        let tied: Vec<bool> =
            columns.iter().map(|column| column.values.iter().all(|value| value.abs() <= 0.0)).collect();
        Ok(Some(Self { family: bootstrap.family(first.prompts(), &columns)?, tied, rewards }))
    }

    /// Returns by reward the confidence that one point is better than another; none where they never differ.
    fn confidences(&self, one: usize, other: usize) -> impl Iterator<Item = Option<f64>> + '_ {
        let (high, low) = (one.max(other), one.min(other));
        // A point and itself have no columns.
        let start = if high == low { self.tied.len() } else { (high * (high - 1) / 2 + low) * self.rewards };
        (start..(start + self.rewards).min(self.tied.len())).map(move |column| {
            let confidence = || if one > other { self.family.above(column) } else { self.family.below(column) };
            (!self.tied[column]).then(confidence)
        })
    }

    /// Returns the confidence that one point is better than another in some reward.
    fn best(&self, one: usize, other: usize) -> f64 {
        self.confidences(one, other).flatten().fold(0.0, f64::max)
    }

    /// Returns the confidence that one point is better than another in every reward in which they differ; 0 where they differ in
    /// none.
    fn worst(&self, one: usize, other: usize) -> f64 {
        self.confidences(one, other).flatten().reduce(f64::min).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use moa_core::{NoiseKey, PointKind, RunId, ScoreColumn};

    use super::*;

    /// Points over 48 prompts: prompts differ by 0.2, images of a point by 0.02.
    fn relations(points: &[[f64; 2]], planned: usize) -> Relations {
        let key = NoiseKey::new(5);
        let records: Vec<EvaluationRecord> = points
            .iter()
            .zip(0u64..)
            .map(|(levels, id)| {
                let column = |reward: usize| {
                    let (shared, own) =
                        (key.with(reward as u64).normal(48), key.with(100 + id).with(reward as u64).normal(48));
                    let value = |(shared, own): (f32, f32)| levels[reward] + f64::from(0.2 * shared + 0.02 * own);
                    ScoreColumn::of_all(format!("reward{reward}"), shared.into_iter().zip(own).map(value).collect())
                };
                EvaluationRecord {
                    id: RunId(format!("point-{id}")),
                    kind: PointKind::Trained,
                    weighting: None,
                    images_per_prompt: 2,
                    rewards: vec![column(0), column(1)],
                    judges: Vec::new(),
                    distance_to_base: None,
                    added: None,
                }
            })
            .collect();
        let bootstrap = Bootstrap { resamples: 500, ..Bootstrap::default() };
        Relations::with_added(&bootstrap, &records.iter().collect::<Vec<_>>(), planned).unwrap()
    }

    #[test]
    fn points_that_no_reward_tells_apart_are_one_group() {
        let relations = relations(&[[0.5, 0.5], [0.7, 0.5], [0.5, 0.5], [0.7, 0.3], [0.7, 0.5]], 5);
        assert_eq!(relations.groups(), [vec![0, 2], vec![1, 4]]);
        assert_eq!(relations.are_told_apart(1, 3), Some(true));
        assert_eq!(relations.are_told_apart_in(1, 3, 0), Some(false));
        assert_eq!(relations.are_told_apart_in(1, 3, 1), Some(true));
        assert_eq!(relations.are_told_apart(2, 2), Some(false));
        assert!(relations.beats(1, 3) < LEVEL, "they are not distinguishable in the first reward");
    }

    #[test]
    fn what_is_better_in_every_reward_beats_beyond_noise() {
        let relations = relations(&[[0.5, 0.5], [0.7, 0.6]], 2);
        assert!(relations.beats(1, 0) >= LEVEL && relations.beats(0, 1) < 0.5);
        assert!(relations.beats_by_means(1, 0) && !relations.beats_by_means(0, 1));
    }

    #[test]
    fn points_that_are_added_leave_what_is_said_of_the_planned_as_it_was() {
        let planned = [[0.5, 0.5], [0.52, 0.5], [0.7, 0.48]];
        // Thirty mixtures that hardly differ from each other.
        let added: Vec<[f64; 2]> = (0..30).map(|place| [0.6 + 1e-4 * f64::from(place), 0.49]).collect();
        let (alone, more) = (relations(&planned, 3), relations(&[&planned[..], &added[..]].concat(), 3));
        assert_eq!(more.placings()[..3], alone.placings()[..]);
        for one in 0..3 {
            for other in 0..3 {
                assert_eq!(more.are_told_apart(one, other), alone.are_told_apart(one, other));
            }
        }
        assert_eq!(more.placings().len(), 33);
        assert_eq!(more.are_told_apart(2, 10), Some(true));
    }
}
