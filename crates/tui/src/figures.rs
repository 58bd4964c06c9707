//! What the evaluations of an experiment add up to, as plain numbers.

use std::collections::BTreeMap;

use moa_core::experiment::Scale;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId, ScoreColumn, Weighting};
use moa_pareto::{Interval, hypervolume, non_dominated};

use crate::experiment::Experiment;

/// With more points on the front than this the hypervolume is left to the worker.
const MOST_FOR_HYPERVOLUME: usize = 300;
/// Half a 95 % interval in standard errors.
const HALF: f64 = 1.96;

/// A mean over prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The mean with its 95 % interval.
    pub mean: Interval,
    /// The paired difference to the base; none before that is evaluated.
    pub difference: Option<Interval>,
}

impl Score {
    /// Returns the mean with the interval of the paired difference to the base around it: what is left of the uncertainty once
    /// prompts and noise, the same for all points, are taken out.
    pub(crate) fn against_base(&self) -> Interval {
        self.difference.map_or(self.mean, |difference| difference.around(self.mean.mean))
    }
}

/// Base, trained adapter or soup, as evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name.
    pub id: RunId,
    /// What it is.
    pub kind: PointKind,
    /// Its weighting; none for the base.
    pub weighting: Option<Weighting>,
    /// The shares of the corners in it, in their order; none for what is no mixture of them.
    pub shares: Option<Vec<f64>>,
    /// One score for each reward, in the experiment's order.
    pub rewards: Vec<Score>,
    /// One score for each judge.
    pub judges: Vec<Score>,
    /// Whether no other point beats it in every reward.
    pub on_front: bool,
    /// What a reader must know of it.
    pub warnings: Vec<String>,
}

/// Points with intervals, the front, its hypervolume.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The rewards, in the experiment's order.
    pub rewards: Vec<String>,
    /// The judges.
    pub judges: Vec<String>,
    /// By reward, what counts as 0 and as 1 in the hypervolume.
    pub scales: Vec<Scale>,
    /// The base, then trained adapters, then soups.
    pub points: Vec<Point>,
    /// The hypervolume of all points, on the experiment's scale.
    pub hypervolume: Option<Interval>,
    /// That of the base alone.
    pub base_hypervolume: Option<Interval>,
    /// The corners' adapters, which soups are mixed of; empty where a corner is missing.
    pub corners: Vec<RunId>,
    /// The held-out prompts; empty until the worker has told them.
    pub prompts: Vec<String>,
    /// Whether intervals are those of the bootstrap; until then they are normal approximations.
    pub resampled: bool,
}

impl Figures {
    /// Returns what can be said of an experiment at once: means, normal intervals, dominance.
    pub fn of(experiment: &Experiment) -> Self {
        Self::at_once(&experiment.spec, &experiment.evaluations)
    }

    /// Returns what can be said at once of evaluations: means, normal intervals, dominance.
    pub(crate) fn at_once(spec: &ExperimentSpec, evaluations: &[EvaluationRecord]) -> Self {
        let (corners, recipes) = shares_by_name(spec);
        let base = evaluations.iter().find(|record| record.kind == PointKind::Base);
        let point = |record: &EvaluationRecord| Point {
            id: record.id.clone(),
            kind: record.kind,
            weighting: record.weighting.clone(),
            shares: recipes.get(&record.id).cloned(),
            rewards: scores(&record.rewards, base.map(|base| &base.rewards[..])),
            judges: scores(&record.judges, base.map(|base| &base.judges[..])),
            on_front: false,
            warnings: Vec::new(),
        };
        let names = |columns: &[ScoreColumn]| columns.iter().map(|column| column.name.clone()).collect();
        let mut figures = Self {
            rewards: spec.reward_names(),
            judges: evaluations.first().map_or(Vec::new(), |record| names(&record.judges)),
            scales: spec.scales(),
            points: evaluations.iter().map(point).collect(),
            corners,
            ..Self::default()
        };
        figures.find_front();
        figures.hypervolume = figures.volume(|_| true);
        figures.base_hypervolume = figures.volume(|point| point.kind == PointKind::Base);
        figures
    }

    /// Adds a point, or replaces the one of its name, and finds the front anew.
    pub(crate) fn put(&mut self, point: Point) {
        match self.points.iter_mut().find(|known| known.id == point.id) {
            Some(known) => *known = point,
            None => self.points.push(point),
        }
        self.find_front();
        if let (Some(volume), Some(known)) = (self.volume(|_| true), &mut self.hypervolume) {
            // The interval was made without the new point: it moves along, and is made anew with the next report.
            *known = known.around(volume.mean);
        }
    }

    /// Finds out which points no other point beats.
    fn find_front(&mut self) {
        let rows: Vec<Vec<f64>> = self.points.iter().map(Point::means).collect();
        let front = non_dominated(&rows).unwrap_or_default();
        self.points.iter_mut().for_each(|point| point.on_front = false);
        for index in front {
            self.points[index].on_front = true;
        }
    }

    fn volume(&self, belongs: impl Fn(&Point) -> bool) -> Option<Interval> {
        let chosen = self.points.iter().filter(|point| belongs(point));
        let rows: Vec<Vec<f64>> =
            chosen.filter(|point| point.rewards.len() == self.scales.len()).map(|p| self.normalised(p)).collect();
        let front = non_dominated(&rows).ok()?;
        if front.is_empty() || front.len() > MOST_FOR_HYPERVOLUME || self.scales.len() > 6 {
            return None;
        }
        let front: Vec<&[f64]> = front.into_iter().map(|index| &rows[index][..]).collect();
        hypervolume(&front, &vec![0.0; self.scales.len()]).ok().map(Interval::exact)
    }

    fn normalised(&self, point: &Point) -> Vec<f64> {
        point.rewards.iter().zip(&self.scales).map(|(score, scale)| scale.normalise(score.mean.mean)).collect()
    }

    /// Returns the point of this name.
    pub(crate) fn point(&self, id: &RunId) -> Option<&Point> {
        self.points.iter().find(|point| point.id == *id)
    }

    /// Returns the base.
    pub(crate) fn base(&self) -> Option<&Point> {
        self.points.iter().find(|point| point.kind == PointKind::Base)
    }
}

impl Point {
    /// Returns the mean of each reward.
    pub(crate) fn means(&self) -> Vec<f64> {
        self.rewards.iter().map(|score| score.mean.mean).collect()
    }
}

/// Returns the corners' adapters, and by name the shares of them in each adapter and soup that is a mixture of corners.
pub fn shares_by_name(spec: &ExperimentSpec) -> (Vec<RunId>, BTreeMap<RunId, Vec<f64>>) {
    let runs = spec.weightings();
    let corners: Vec<RunId> =
        runs.iter().filter(|(_, weighting)| weighting.corner_index().is_some()).map(|(id, _)| id.clone()).collect();
    let mut shares = BTreeMap::new();
    for (index, id) in corners.iter().enumerate() {
        let own = (0..corners.len()).map(|other| if other == index { 1.0 } else { 0.0 }).collect();
        shares.insert(id.clone(), own);
    }
    for recipe in spec.soups() {
        let mut own = vec![0.0; corners.len()];
        let known = recipe.shares.iter().all(|(id, share)| {
            let place = corners.iter().position(|corner| corner == id);
            place.is_some_and(|place| {
                own[place] = *share;
                true
            })
        });
        if known {
            shares.insert(recipe.id, own);
        }
    }
    (corners, shares)
}

fn scores(columns: &[ScoreColumn], base: Option<&[ScoreColumn]>) -> Vec<Score> {
    let score = |column: &ScoreColumn| {
        let base = base.and_then(|columns| columns.iter().find(|other| other.name == column.name));
        let paired = base.filter(|base| base.prompt_means.len() == column.prompt_means.len());
        let difference = paired.map(|base| {
            let gains = column.prompt_means.iter().zip(&base.prompt_means).map(|(own, base)| own - base);
            normal(&gains.collect::<Vec<f64>>())
        });
        Score { mean: normal(&column.prompt_means), difference }
    };
    columns.iter().map(score).collect()
}

/// Returns the mean with its normal 95 % interval.
fn normal(values: &[f64]) -> Interval {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let half = HALF * (variance / count).sqrt();
    Interval { mean, lo: mean - half, hi: mean + half }
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;

    use super::*;

    pub(crate) fn record(id: &str, kind: PointKind, rewards: [f64; 2]) -> EvaluationRecord {
        let column = |name: &str, level: f64| ScoreColumn {
            name: name.to_owned(),
            prompt_means: [-0.01, 0.0, 0.01].map(|offset| level + offset).to_vec(),
        };
        EvaluationRecord {
            id: RunId(id.to_owned()),
            kind,
            weighting: None,
            pictures_per_prompt: 2,
            rewards: vec![column("aesthetics", rewards[0]), column("safety", rewards[1])],
            judges: vec![],
        }
    }

    fn spec() -> ExperimentSpec {
        let rewards = vec![RewardKind::Aesthetics.into(), RewardKind::Safety.into()];
        ExperimentSpec { rewards, ..ExperimentSpec::default() }
    }

    #[test]
    fn the_front_and_its_volume_follow_from_means() {
        let records = [
            record("base", PointKind::Base, [0.4, 0.4]),
            record("aesthetics", PointKind::Trained, [0.8, 0.3]),
            record("safety", PointKind::Trained, [0.3, 0.3]),
        ];
        let mut figures = Figures::at_once(&spec(), &records);
        let front: Vec<bool> = figures.points.iter().map(|point| point.on_front).collect();
        assert_eq!(front, [true, true, false]);
        assert!((figures.hypervolume.unwrap().mean - (0.8 * 0.3 + 0.4 * 0.1)).abs() < 1e-12);
        assert!(figures.points[1].rewards[0].difference.unwrap().is_above(0.0));

        let mut soup = figures.points[1].clone();
        (soup.id, soup.kind) = (RunId("soup".into()), PointKind::Soup);
        soup.rewards[1].mean = Interval::exact(0.9);
        figures.put(soup);
        let front: Vec<bool> = figures.points.iter().map(|point| point.on_front).collect();
        assert_eq!(front, [false, false, false, true]);
        assert!((figures.hypervolume.unwrap().mean - 0.72).abs() < 1e-12);
    }

    #[test]
    fn soups_of_corners_know_their_shares() {
        let (corners, shares) = shares_by_name(&spec());
        assert_eq!(corners, ["aesthetics", "safety"].map(|id| RunId(id.into())));
        assert_eq!(shares[&RunId("safety".into())], [0.0, 1.0]);
        assert_eq!(shares[&RunId("soup-centre".into())], [0.5, 0.5]);
    }
}
