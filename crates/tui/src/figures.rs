//! What the evaluations of an experiment add up to, as plain numbers.

use moa_analysis::{Placing, Scales, Standing, mean_volume, shares_by_name};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId, ScoreColumn, Weighting};
use moa_pareto::{FEWEST_PROMPTS, Interval, non_dominated};

use crate::experiment::Experiment;

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
    /// Returns what is drawn of a score: its interval against the base, or its mean alone where there is none.
    pub(crate) fn drawn(&self) -> Interval {
        let interval = self.against_base();
        if interval.is_bounded() { interval } else { Interval::exact(interval.mean) }
    }

    /// Returns the mean with the interval of the paired difference to the base around it: what is left of the uncertainty once
    /// prompts and noise, the same for all points, are taken out.
    pub(crate) fn against_base(&self) -> Interval {
        match self.difference {
            Some(difference) if difference.hi > difference.lo => difference.around(self.mean.mean),
            _ => self.mean,
        }
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
    /// Whether it is on the front, and how sure that is; by its means alone until the worker has resampled.
    pub placing: Placing,
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
    pub scales: Scales,
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
        // The worker's report says what is wrong with a stored scale.
        let scales = Scales::read(&experiment.layout, &experiment.spec, &experiment.evaluations)
            .unwrap_or_else(|_| Scales::of(&experiment.spec, &experiment.evaluations));
        Self::at_once(&experiment.spec, &experiment.evaluations, scales)
    }

    /// Returns what can be said at once of evaluations: means, normal intervals, dominance.
    pub(crate) fn at_once(spec: &ExperimentSpec, evaluations: &[EvaluationRecord], scales: Scales) -> Self {
        let (corners, recipes) = shares_by_name(spec, evaluations);
        let base = evaluations.iter().find(|record| record.kind == PointKind::Base);
        let point = |record: &EvaluationRecord| Point {
            id: record.id.clone(),
            kind: record.kind,
            weighting: record.weighting.clone(),
            shares: recipes.get(&record.id).cloned(),
            rewards: scores(&record.rewards, base.map(|base| &base.rewards[..])),
            judges: scores(&record.judges, base.map(|base| &base.judges[..])),
            placing: Placing::by_means(false),
            warnings: Vec::new(),
        };
        let names = |columns: &[ScoreColumn]| columns.iter().map(|column| column.name.clone()).collect();
        let mut figures = Self {
            rewards: spec.reward_names(),
            judges: evaluations.first().map_or(Vec::new(), |record| names(&record.judges)),
            scales,
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

    /// Finds out which points no other point dominates by its means; what resampling has found of a point stays.
    fn find_front(&mut self) {
        let rows: Vec<Vec<f64>> = self.points.iter().map(Point::means).collect();
        let front = non_dominated(&rows).unwrap_or_default();
        self.points.iter_mut().for_each(|point| point.placing.undominated = false);
        for index in front {
            self.points[index].placing.undominated = true;
        }
    }

    fn volume(&self, belongs: impl Fn(&Point) -> bool) -> Option<Interval> {
        let count = self.scales.rewards.len();
        let chosen = self.points.iter().filter(|point| belongs(point) && point.rewards.len() == count);
        let rows: Vec<Vec<f64>> = chosen.map(Point::means).collect();
        mean_volume(&rows, &self.scales).map(Interval::unbounded)
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
    /// Returns whether another point is better in every reward, by the means or beyond noise.
    pub(crate) fn is_behind(&self) -> bool {
        !self.placing.undominated || self.placing.standing() == Standing::Off
    }

    /// Returns its place on the front, and how sure that is; where nothing is known beyond them, what the means say.
    pub(crate) fn place(&self) -> String {
        let percent = (100.0 * self.placing.sure()).floor().min(99.0);
        match self.placing.standing() {
            Standing::On => format!("on front {percent:.0} %"),
            Standing::Off => format!("off front {percent:.0} %"),
            Standing::Unclear if !self.placing.undominated => "dominated".to_owned(),
            Standing::Unclear if percent >= 1.0 => format!("on front? {percent:.0} %"),
            Standing::Unclear => "undominated".to_owned(),
        }
    }

    /// Returns the mean of each reward.
    pub(crate) fn means(&self) -> Vec<f64> {
        self.rewards.iter().map(|score| score.mean.mean).collect()
    }
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

/// Returns the mean with its normal 95 % interval, until there is one from resampling; of few prompts there is none.
fn normal(values: &[f64]) -> Interval {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < FEWEST_PROMPTS {
        return Interval::unbounded(mean);
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let half = HALF * (variance / count).sqrt();
    Interval { mean, lo: mean - half, hi: mean + half }
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;

    use super::*;

    pub(crate) fn record(id: &str, kind: PointKind, rewards: [f64; 2]) -> EvaluationRecord {
        let column = |name: &str, level: f64| {
            ScoreColumn::of_all(name, (0..66).map(|prompt| level + 0.01 * f64::from(prompt % 3 - 1)).collect())
        };
        EvaluationRecord {
            id: RunId(id.to_owned()),
            kind,
            weighting: None,
            images_per_prompt: 2,
            rewards: vec![column("aesthetics", rewards[0]), column("safety", rewards[1])],
            judges: vec![],
            distance_to_base: None,
            added: None,
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
        let mut figures = Figures::at_once(&spec(), &records, Scales::of(&spec(), &[]));
        let front: Vec<bool> = figures.points.iter().map(|point| point.placing.undominated).collect();
        assert_eq!(front, [true, true, false]);
        assert!((figures.hypervolume.unwrap().mean - (0.8 * 0.3 + 0.4 * 0.1)).abs() < 1e-12);
        assert!(figures.points[1].rewards[0].difference.unwrap().is_above(0.0));

        let mut soup = figures.points[1].clone();
        (soup.id, soup.kind) = (RunId("soup".into()), PointKind::Soup);
        soup.rewards[1].mean = Interval::exact(0.9);
        figures.put(soup);
        let front: Vec<bool> = figures.points.iter().map(|point| point.placing.undominated).collect();
        assert_eq!(front, [false, false, false, true]);
        assert!((figures.hypervolume.unwrap().mean - 0.72).abs() < 1e-12);
    }
}
