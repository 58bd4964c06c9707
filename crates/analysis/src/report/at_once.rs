//! What can be said of evaluations at once, before anything is resampled.

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, ScoreColumn};
use moa_pareto::{FEWEST_PROMPTS, Interval, non_dominated};

use super::{FrontPoint, FrontReport};
use crate::resampling::HALF;
use crate::{Hypervolumes, Placing, Relations, Scales, Score, mean_volume, shares_by_name};

impl FrontReport {
    /// Returns the report of evaluations with normal 95 % intervals, and dominance by the means alone: what a reader sees until
    /// [`FrontReport::of`] has resampled, which takes a second. Points are in the order of the evaluations.
    ///
    /// What it hides: no point is on the front beyond noise, hypervolumes have no intervals, nothing is suspected, and
    /// nothing recommended.
    pub fn at_once(spec: &ExperimentSpec, evaluations: &[EvaluationRecord], scales: Scales) -> Self {
        let base = evaluations.iter().find(|record| record.kind == PointKind::Base);
        let (_, shares) = shares_by_name(spec, evaluations);
        let point = |record: &EvaluationRecord| FrontPoint {
            id: record.id.clone(),
            kind: record.kind,
            added: record.added.is_some(),
            weighting: record.weighting.clone(),
            shares: shares.get(&record.id).cloned(),
            rewards: normal_scores(&record.rewards, base.map(|base| &base.rewards[..])),
            judges: normal_scores(&record.judges, base.map(|base| &base.judges[..])),
            placing: Placing::by_means(false),
            suspected_hacking: Vec::new(),
        };
        let judges = evaluations.first().map(|first| first.judges.iter().map(|judge| judge.name.clone()).collect());
        let mut report = Self {
            experiment: spec.name.clone().unwrap_or_default(),
            rewards: spec.reward_names(),
            judges: judges.unwrap_or_default(),
            scales,
            prompts: evaluations.first().map_or(0, EvaluationRecord::prompts),
            points: evaluations.iter().map(point).collect(),
            hypervolumes: None,
            soups: None,
            advice: Vec::new(),
            groups: Vec::new(),
            scale_findings: Vec::new(),
            attacks: None,
            relations: Relations::default(),
        };
        report.place_by_means();
        report.hypervolumes = report.volume(|_| true).map(|all| Hypervolumes {
            all,
            base: report.volume(|point| point.kind == PointKind::Base),
            centre: None,
            trained: None,
            soups: None,
            gain_over_base: None,
            gain_over_centre: None,
        });
        report
    }

    /// Adds a point, or replaces the one of its name, and updates what the means say. The interval of the hypervolume was made
    /// without it: it moves along.
    pub fn put(&mut self, point: FrontPoint) {
        match self.points.iter_mut().find(|known| known.id == point.id) {
            Some(known) => *known = point,
            None => self.points.push(point),
        }
        self.place_by_means();
        let volume = self.volume(|_| true);
        if let (Some(volume), Some(known)) = (volume, &mut self.hypervolumes) {
            known.all = known.all.around(volume.mean);
        }
    }

    /// Finds out which points no other dominates by its means; what resampling has found of a point stays.
    fn place_by_means(&mut self) {
        let rows: Vec<Vec<f64>> = self.points.iter().map(FrontPoint::means).collect();
        let front = non_dominated(&rows).unwrap_or_default();
        self.points.iter_mut().for_each(|point| point.placing.undominated = false);
        for index in front {
            self.points[index].placing.undominated = true;
        }
    }

    fn volume(&self, belongs: impl Fn(&FrontPoint) -> bool) -> Option<Interval> {
        let count = self.scales.rewards.len();
        let chosen = self.points.iter().filter(|point| belongs(point) && point.rewards.len() == count);
        let rows: Vec<Vec<f64>> = chosen.map(FrontPoint::means).collect();
        mean_volume(&rows, &self.scales).map(Interval::unbounded)
    }
}

impl FrontPoint {
    /// Returns the mean of each reward.
    pub fn means(&self) -> Vec<f64> {
        self.rewards.iter().map(|score| score.mean.mean).collect()
    }
}

fn normal_scores(columns: &[ScoreColumn], base: Option<&[ScoreColumn]>) -> Vec<Score> {
    let score = |column: &ScoreColumn| {
        let base = base.and_then(|columns| columns.iter().find(|other| other.name == column.name));
        let difference = base.filter(|base| column.pairs_with(base)).map(|base| {
            if std::ptr::eq(base, column) {
                return Interval::exact(0.0);
            }
            let gains = column.prompt_means.iter().zip(&base.prompt_means).map(|(own, base)| own - base);
            normal(&gains.collect::<Vec<f64>>())
        });
        let in_deviations = base.and_then(|base| base.gain_in_deviations(column));
        Score { name: column.name.clone(), mean: normal(&column.prompt_means), difference, in_deviations }
    };
    columns.iter().map(score).collect()
}

/// Returns the mean with its normal 95 % interval; of few prompts there is none.
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
    use moa_core::RunId;
    use moa_core::experiment::RewardKind;

    use super::*;

    fn record(id: &str, kind: PointKind, rewards: [f64; 2]) -> EvaluationRecord {
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

    #[test]
    fn the_front_and_its_volume_follow_from_means() {
        let rewards = vec![RewardKind::Aesthetics.into(), RewardKind::Safety.into()];
        let spec = ExperimentSpec { rewards, ..ExperimentSpec::default() };
        let records = [
            record("base", PointKind::Base, [0.4, 0.4]),
            record("aesthetics", PointKind::Trained, [0.8, 0.3]),
            record("safety", PointKind::Trained, [0.3, 0.3]),
        ];
        let mut report = FrontReport::at_once(&spec, &records, Scales::of(&spec, &[]));
        let front = |report: &FrontReport| report.points.iter().map(|p| p.placing.undominated).collect::<Vec<_>>();
        assert_eq!(front(&report), [true, true, false]);
        let volume = |report: &FrontReport| report.hypervolumes.as_ref().unwrap().all.mean;
        assert!((volume(&report) - (0.8 * 0.3 + 0.4 * 0.1)).abs() < 1e-12);
        assert!(report.points[1].rewards[0].difference.unwrap().is_above(0.0));

        let mut soup = report.points[1].clone();
        (soup.id, soup.kind) = (RunId("soup".into()), PointKind::Soup);
        soup.rewards[1].mean = Interval::exact(0.9);
        report.put(soup);
        assert_eq!(front(&report), [false, false, false, true]);
        assert!((volume(&report) - 0.72).abs() < 1e-12);
    }

    #[test]
    fn few_prompts_have_no_interval() {
        assert!(!normal(&[0.1, 0.2]).is_bounded());
        assert!(normal(&[0.1; FEWEST_PROMPTS]).is_bounded());
    }
}
