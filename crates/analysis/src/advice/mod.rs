//! Which points are worth choosing, and why: each with a sentence and how sure it is.

mod knee;
mod sentence;

use moa_core::experiment::{ConstraintSpec, Threshold};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::{Bootstrap, Bound, Constraint, FEWEST_PROMPTS, Interval};

use crate::{AnalysisError, FrontPoint, Promise, Relations, Scales, promises};
use knee::knee;

/// Why a point is recommended.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// It gains most in a reward, by the reward's place.
    Most(usize),
    /// The front bulges there: going on in any direction costs more in the other rewards than it gains.
    Knee,
    /// It gains most in all rewards together among those that lose in none beyond noise.
    NoLoss,
    /// It is best among those that keep constraints; see [`FrontReport::best_within`](crate::FrontReport::best_within).
    Within {
        /// The constraints, on rewards and their gains.
        constraints: Vec<Constraint>,
        /// What is best among them; nothing: all rewards together.
        goal: Option<usize>,
        /// Whether its bounds on other prompts keep them ([`promises`] over all points at once), and not its means alone.
        surely: bool,
    },
    /// A mixture, free of training, that is better than a trained adapter in every reward in which they differ.
    Beats {
        /// The trained adapter.
        trained: RunId,
        /// With which confidence; below 0.95 it is better by its means alone.
        sure: f64,
    },
}

/// A point that is worth choosing.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// Why.
    pub why: Why,
    /// The point.
    pub point: RunId,
    /// In which share of the resamples of the prompts the same point is picked ([`Bootstrap::selections`]); nothing where that was not
    /// computed: with too few prompts, or too many points.
    pub picked: Option<f64>,
    /// Points that are not distinguishable from it in the reward for which it is picked.
    pub alike: Vec<RunId>,
    /// All of it in words.
    pub sentence: String,
}

/// What recommendations are made of.
pub(crate) struct Evidence<'a> {
    rewards: &'a [String],
    points: &'a [FrontPoint],
    relations: &'a Relations,
    /// `[point][reward]`, on the hypervolume's scale.
    means: Vec<Vec<f64>>,
}

/// The evaluations by point and prompt, as they are resampled.
struct Draws {
    bootstrap: Bootstrap,
    /// `[point][prompt][reward]`, on the hypervolume's scale; nothing where they are too few or too many to be resampled.
    rows: Option<Vec<Vec<Vec<f64>>>>,
}

/// Returns what is worth choosing: the best for each reward, the knee, what loses nothing, what keeps the experiment's constraints, and
/// mixtures that beat trained adapters. Nothing before the base and another point are evaluated.
///
/// - `evaluations`: of the points, in their order
pub(crate) fn advice(
    evidence: &Evidence<'_>,
    evaluations: &[&EvaluationRecord],
    spec: &ExperimentSpec,
    scales: &Scales,
    bootstrap: Bootstrap,
) -> Result<Vec<Recommendation>, AnalysisError> {
    if evidence.base().is_none() || evidence.points.len() < 2 {
        return Ok(Vec::new());
    }
    let draws = Draws { bootstrap, rows: rows(evaluations, scales) };
    let mut found = Vec::new();
    for reward in 0..evidence.rewards.len() {
        found.extend(evidence.pick(&Why::Most(reward), &draws)?);
    }
    if evidence.rewards.len() > 1 {
        found.extend(evidence.pick(&Why::Knee, &draws)?);
        found.extend(evidence.pick(&Why::NoLoss, &draws)?);
    }
    if !spec.constraints.is_empty() {
        let constraints: Vec<Constraint> = spec.constraints.iter().filter_map(|one| constraint_of(one, spec)).collect();
        let bounds = bounds(evaluations, spec, &bootstrap, &constraints)?;
        found.extend(evidence.within(&constraints, None, bounds.as_deref(), &|_| true));
    }
    found.extend(evidence.mixtures_that_beat_training());
    Ok(found)
}

impl<'a> Evidence<'a> {
    pub(crate) fn of(
        rewards: &'a [String],
        points: &'a [FrontPoint],
        relations: &'a Relations,
        scales: &Scales,
    ) -> Self {
        let means = |point: &FrontPoint| {
            let means: Vec<f64> = point.rewards.iter().map(|score| score.mean.mean).collect();
            scaled(&means, scales)
        };
        Self { rewards, points, relations, means: points.iter().map(means).collect() }
    }

    fn base(&self) -> Option<usize> {
        self.points.iter().position(|point| point.kind == PointKind::Base)
    }

    /// Returns the places of all points but the base.
    fn candidates(&self) -> impl Iterator<Item = usize> + Clone + use<'a> {
        let points = self.points;
        (0..points.len()).filter(|place| points[*place].kind != PointKind::Base)
    }

    /// Returns the gain of a reward at a point, where it is known.
    fn gain(&self, point: usize, reward: usize) -> Option<Interval> {
        self.points[point].rewards.get(reward)?.difference
    }

    /// Picks a point by the means, and finds out how often the same is picked by the means of resampled prompts.
    fn pick(&self, why: &Why, draws: &Draws) -> Result<Option<Recommendation>, AnalysisError> {
        let means = &self.means;
        let Some(base) = self.base() else { return Ok(None) };
        let allowed: Vec<usize> = match why {
            Why::NoLoss => self.candidates().filter(|point| self.loses_nothing(*point)).collect(),
            _ => self.candidates().collect(),
        };
        let choose = |means: &[Vec<f64>]| -> Option<usize> {
            let best = |value: &dyn Fn(usize) -> f64| {
                allowed.iter().copied().max_by(|one, other| value(*one).total_cmp(&value(*other)))
            };
            match why {
                Why::Most(reward) => best(&|point| means[point][*reward]),
                Why::Knee => knee(means, &allowed),
                _ => best(&|point| means[point].iter().sum()),
            }
        };
        let Some(point) = choose(means) else { return Ok(None) };
        let gained = |reward: usize| means[point][reward] - means[base][reward];
        let is_worth = match why {
            // What no point gains beyond noise is no reason to choose one; of few prompts nothing is known beyond the means.
            Why::Most(reward) => {
                gained(*reward) > 0.0
                    && self.gain(point, *reward).is_none_or(|gain| gain.lo > 0.0 || !gain.is_bounded())
            }
            _ => (0..self.rewards.len()).map(gained).sum::<f64>() > 0.0,
        };
        if !is_worth {
            return Ok(None);
        }
        let shares = draws.rows.as_ref().map(|rows| draws.bootstrap.selections(rows, choose)).transpose()?;
        let picked = shares.map(|shares| shares[point]);
        let alike = match why {
            Why::Most(reward) => self.alike(point, |other| self.relations.are_told_apart_in(point, other, *reward)),
            _ => self.alike(point, |other| self.relations.are_told_apart(point, other)),
        };
        Ok(Some(self.recommend(why.clone(), point, picked, alike)))
    }

    /// Returns the best point among those that keep constraints.
    ///
    /// - `bounds`: what holds for all points at once ([`bounds`]); without them each point's own intervals count
    /// - `is_allowed`: whether a point may be returned
    pub(crate) fn within(
        &self,
        constraints: &[Constraint],
        goal: Option<usize>,
        bounds: Option<&[Promise]>,
        is_allowed: &dyn Fn(&FrontPoint) -> bool,
    ) -> Option<Recommendation> {
        let value = |objective: usize, point: usize| match (bounds, objective.checked_sub(self.rewards.len())) {
            (Some(bounds), None) => bounds[point].means.get(objective).copied(),
            (Some(bounds), Some(reward)) => bounds[point].gains.get(reward).copied(),
            (None, None) => self.points[point].rewards.get(objective).map(|score| score.mean),
            (None, Some(reward)) => self.gain(point, reward),
        };
        let keeps = |point: usize, kept: &dyn Fn(Bound, Interval) -> bool| {
            constraints.iter().all(|one| value(one.objective, point).is_some_and(|value| kept(one.bound, value)))
        };
        let worth = |point: usize| -> f64 {
            let means = &self.means[point];
            goal.map_or_else(|| means.iter().sum(), |reward| means[reward])
        };
        let best = |kept: &dyn Fn(Bound, Interval) -> bool| {
            let allowed = (0..self.points.len()).filter(|point| is_allowed(&self.points[*point]));
            let points = allowed.filter(|point| keeps(*point, kept));
            points.max_by(|one, other| worth(*one).total_cmp(&worth(*other)))
        };
        let surely = best(&|bound, value| bound.keeps_surely(value));
        let point = surely.or_else(|| best(&|bound, value| bound.keeps(value.mean)))?;
        let why = Why::Within { constraints: constraints.to_vec(), goal, surely: surely.is_some() };
        let alike = self.alike(point, |other| match goal {
            _ if !is_allowed(&self.points[other]) || !keeps(other, &|bound, value| bound.keeps(value.mean)) => {
                Some(true)
            }
            Some(reward) => self.relations.are_told_apart_in(point, other, reward),
            None => self.relations.are_told_apart(point, other),
        });
        Some(self.recommend(why, point, None, alike))
    }

    /// Returns for each trained adapter the mixture that beats it most surely; where none does beyond noise, the one that does by its
    /// means.
    fn mixtures_that_beat_training(&self) -> Vec<Recommendation> {
        let is_trained = |place: &usize| self.points[*place].kind == PointKind::Trained;
        let (trained, mixtures): (Vec<usize>, Vec<usize>) = self.candidates().partition(is_trained);
        let beaten = |trained: usize| {
            let by_means = mixtures.iter().copied().filter(|one| self.relations.beats_by_means(*one, trained));
            let beats = |mixture: usize| self.relations.beats(mixture, trained);
            let mixture = by_means.max_by(|one, other| beats(*one).total_cmp(&beats(*other)))?;
            let why = Why::Beats { trained: self.points[trained].id.clone(), sure: beats(mixture) };
            Some(self.recommend(why, mixture, None, Vec::new()))
        };
        trained.into_iter().filter_map(beaten).collect()
    }

    /// Returns whether no reward is below the base's beyond noise, and one is above it beyond noise.
    fn loses_nothing(&self, point: usize) -> bool {
        let gains = || (0..self.rewards.len()).map(|reward| self.gain(point, reward));
        gains().all(|gain| gain.is_some_and(|gain| gain.hi >= 0.0)) && gains().flatten().any(|gain| gain.lo > 0.0)
    }

    fn alike(&self, point: usize, told_apart: impl Fn(usize) -> Option<bool>) -> Vec<RunId> {
        let others = self.candidates().filter(|other| *other != point && told_apart(*other) == Some(false));
        others.map(|other| self.points[other].id.clone()).collect()
    }

    fn recommend(&self, why: Why, point: usize, picked: Option<f64>, alike: Vec<RunId>) -> Recommendation {
        let sentence = sentence::sentence(&why, &self.points[point], picked, &alike, self.rewards);
        Recommendation { why, point: self.points[point].id.clone(), picked, alike, sentence }
    }
}

/// Returns rewards on the hypervolume's scale: the worst of base and corners is 0, the best 1.
fn scaled(means: &[f64], scales: &Scales) -> Vec<f64> {
    means.iter().zip(&scales.rewards).map(|(mean, reward)| reward.scale.normalise(*mean)).collect()
}

/// Returns rewards by point and prompt, on the hypervolume's scale; nothing where they are too few or too many to be resampled.
fn rows(evaluations: &[&EvaluationRecord], scales: &Scales) -> Option<Vec<Vec<Vec<f64>>>> {
    let prompts = evaluations.first().map_or(0, |first| first.prompts());
    if prompts < FEWEST_PROMPTS || evaluations.len() > Relations::MOST_POINTS {
        return None;
    }
    let of_point = |point: &&EvaluationRecord| -> Option<Vec<Vec<f64>>> {
        let row = |prompt: usize| {
            let means: Option<Vec<f64>> =
                point.rewards.iter().map(|column| column.prompt_means.get(prompt).copied()).collect();
            Some(scaled(&means?, scales))
        };
        (0..prompts).map(row).collect()
    };
    evaluations.iter().map(of_point).collect()
}

/// Returns what the evaluations let one claim of as many other prompts, for all points at once: a point that is picked among many for
/// keeping a constraint was lucky more often than one that stands alone. Nothing where the base is missing or points are too many.
pub(crate) fn bounds(
    evaluations: &[&EvaluationRecord],
    spec: &ExperimentSpec,
    bootstrap: &Bootstrap,
    constraints: &[Constraint],
) -> Result<Option<Vec<Promise>>, AnalysisError> {
    let base = evaluations.iter().find(|evaluation| evaluation.kind == PointKind::Base);
    let Some(base) = base.filter(|_| evaluations.len() <= Relations::MOST_POINTS) else { return Ok(None) };
    promises(bootstrap, &spec.rewards, base, evaluations, base.prompts(), constraints).map(Some)
}

/// Returns a constraint of an experiment on the objectives of a trade-off.
fn constraint_of(constraint: &ConstraintSpec, spec: &ExperimentSpec) -> Option<Constraint> {
    let reward = spec.rewards.iter().position(|reward| reward.name == constraint.reward)?;
    Some(match constraint.at_least {
        Threshold::Value(value) => Constraint { objective: reward, bound: Bound::AtLeast(value) },
        Threshold::Base { plus } => Constraint { objective: reward + spec.rewards.len(), bound: Bound::AtLeast(plus) },
    })
}

#[cfg(test)]
mod tests;
