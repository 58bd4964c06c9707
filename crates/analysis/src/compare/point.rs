//! The points of an experiment's front, and what its adapters of one reward gain.

use std::collections::BTreeMap;

use moa_core::experiment::{WatchedPrompts, judge_range};
use moa_core::{EvaluationRecord, PointKind, RunId, ScoreColumn, Weighting, metric};
use moa_pareto::{Bootstrap, Interval};

use super::figure::mean_column;
use super::group::Group;
use super::{Figure, Fronts, SweepResults};
use crate::AnalysisError;
use crate::report::in_order;
use crate::resampling::differences;

/// What a point gains over its base by a reward or judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Gain {
    /// The reward or judge.
    pub name: String,
    /// The paired difference, in its units.
    pub gain: Figure,
    /// The same in the base's standard deviations within prompts ([`ScoreColumn::gain_in_deviations`]); nothing where these are not known,
    /// as of judges.
    pub in_deviations: Option<Figure>,
}

/// How a judge goes along while the reward that an adapter is trained for alone rises.
///
/// With r_e and j_e the gains of the reward and of the judge over the base at the probe after epoch e, each divided by the base's
/// standard deviation of prompt means on the evaluation prompts, the slope is Σ r_e·j_e / Σ r_e²: the least-squares line through the origin,
/// where training begins. −0.1 says that the judge falls by a tenth of its deviation for each deviation that the reward rises.
///
/// Judges count that [watch](moa_core::experiment::RewardKind::judges) the reward on all prompts. What it hides: probes are of training
/// prompts unless the experiment says otherwise, and a judge that is fooled as the reward is does not fall. Nothing is said where the
/// reward did not rise.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    /// The judge.
    pub judge: String,
    /// The slope.
    pub slope: Figure,
}

/// A point of an experiment's front, by its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedPoint {
    /// Its name.
    pub id: RunId,
    /// What it is.
    pub kind: PointKind,
    /// Its weighting.
    pub weighting: Option<Weighting>,
    /// One gain per reward, in the experiments' order.
    pub rewards: Vec<Gain>,
    /// One gain per judge.
    pub judges: Vec<Gain>,
    /// The distance of its images to the base's ([`EvaluationRecord::distance_to_base`]); nothing where that was not kept.
    pub distance: Option<Figure>,
    /// The last distance that training weighed ([`metric::KL_TO_BASE`]), in the units of its method; only of runs tied to the base.
    pub kl: Option<Figure>,
    /// Passes, see [`Cost`](super::Cost); only of trained adapters.
    pub passes: Option<Figure>,
    /// The judges' slopes; only of adapters of one reward.
    pub slopes: Vec<Slope>,
}

/// Returns the points that every seed of an experiment has.
pub(super) fn points(
    group: &Group<'_>,
    fronts: Fronts,
    bootstrap: Bootstrap,
) -> Result<Vec<ComparedPoint>, AnalysisError> {
    let first = group.first();
    let mut found = Vec::new();
    for point in in_order(&first.snapshot, &first.spec).into_iter().filter(|point| fronts.has(point)) {
        let Some(seeds) = group.evaluations(&point.id).collect::<Option<Vec<_>>>() else { continue };
        let pairs: Vec<(&EvaluationRecord, &EvaluationRecord)> = seeds.into_iter().zip(group.bases()).collect();
        let mut rewards = Vec::with_capacity(point.rewards.len());
        for (column, spec) in point.rewards.iter().zip(&first.spec.rewards) {
            let range = spec.kind.range();
            rewards.extend(gain(&column.name, |record| &record.rewards, &pairs, range, bootstrap)?);
        }
        let mut judges = Vec::with_capacity(point.judges.len());
        for column in &point.judges {
            let range = judge_range(&column.name);
            judges.extend(gain(&column.name, |record| &record.judges, &pairs, range, bootstrap)?);
        }
        let last = |name: &'static str| {
            let of = |sweep: &&SweepResults| sweep.snapshot.curve(&point.id, name).last().map(|(_, value)| value);
            Figure::of_values(group.sweeps.iter().map(of))
        };
        let corner = point.weighting.as_ref().and_then(Weighting::corner_index);
        let slopes = match corner {
            Some(reward) if point.kind == PointKind::Trained => slopes(group, &point.id, reward),
            _ => Vec::new(),
        };
        found.push(ComparedPoint {
            id: point.id.clone(),
            kind: point.kind,
            weighting: point.weighting.clone(),
            rewards,
            judges,
            distance: Figure::of_values(pairs.iter().map(|(point, _)| point.distance_to_base)),
            kl: last(metric::KL_TO_BASE),
            passes: last(metric::PASSES),
            slopes,
        });
    }
    Ok(found)
}

/// Returns the gain in a column of points over their bases, by seed; nothing where one lacks it.
fn gain(
    name: &str,
    columns: fn(&EvaluationRecord) -> &Vec<ScoreColumn>,
    pairs: &[(&EvaluationRecord, &EvaluationRecord)],
    range: Option<[f64; 2]>,
    bootstrap: Bootstrap,
) -> Result<Option<Gain>, AnalysisError> {
    let mut gains = Vec::with_capacity(pairs.len());
    let mut in_deviations = Vec::with_capacity(pairs.len());
    // Scores that are all the base's to the bit are of the base's images, as an adapter that the guard took back to its beginning draws
    // them: the gain is 0 on every prompt.
    let is_base = pairs.iter().all(|(point, base)| point.rewards == base.rewards);
    for (point, base) in pairs {
        let find = |record| find(columns(record), name);
        let (Some(own), Some(base)) = (find(point), find(base)) else { return Ok(None) };
        gains.push(Some(differences(own, base)?));
        in_deviations.push(base.gains_in_deviations(own));
    }
    let range = range.map(|[least, greatest]| [least - greatest, greatest - least]);
    let in_deviations = Figure::of_columns(bootstrap, in_deviations, None)?;
    let gain = Figure::of_columns(bootstrap, gains, range)?;
    let known = |figure: Figure| if is_base { Figure { mean: Interval::exact(0.0), ..figure } } else { figure };
    let (gain, in_deviations) = (gain.map(known), in_deviations.map(known));
    Ok(gain.map(|gain| Gain { name: name.into(), gain, in_deviations }))
}

fn find<'a>(columns: &'a [ScoreColumn], name: &str) -> Option<&'a ScoreColumn> {
    columns.iter().find(|column| column.name == name)
}

/// The adapters that were trained for one reward alone, by seed.
pub(super) struct Corners<'a> {
    group: &'a Group<'a>,
    /// By reward, the adapter's name.
    ids: Vec<Option<RunId>>,
}

impl<'a> Corners<'a> {
    pub(super) fn of(group: &'a Group<'a>) -> Self {
        let spec = &group.first().spec;
        let weightings = spec.weightings();
        let corner = |reward: usize| {
            let found = weightings.iter().find(|(_, weighting)| weighting.corner_index() == Some(reward));
            found.map(|(id, _)| id.clone())
        };
        Self { group, ids: (0..spec.rewards.len()).map(corner).collect() }
    }

    /// Returns the adapter of a reward and the base, by seed; nothing where there is no such adapter.
    fn pairs(&self, reward: usize) -> Vec<(&'a EvaluationRecord, &'a EvaluationRecord)> {
        let Some(id) = &self.ids[reward] else { return Vec::new() };
        self.group.evaluations(id).zip(self.group.bases()).filter_map(|(point, base)| Some((point?, base))).collect()
    }

    /// Returns the own gains of the adapter of a reward, prompt by prompt, by seed.
    fn own_columns(&self, reward: usize) -> Vec<Option<Vec<f64>>> {
        let gains = |(point, base): (&EvaluationRecord, &EvaluationRecord)| {
            base.rewards.get(reward)?.gains_in_deviations(point.rewards.get(reward)?)
        };
        self.pairs(reward).into_iter().map(gains).collect()
    }

    /// Returns the own gain of the adapter of a reward, in the base's standard deviations.
    pub(super) fn own(&self, reward: usize, bootstrap: Bootstrap) -> Result<Option<Figure>, AnalysisError> {
        Figure::of_columns(bootstrap, self.own_columns(reward), None)
    }

    /// Returns the mean own gain over the rewards of which every seed knows it, prompt by prompt, by seed.
    pub(super) fn own_mean(&self) -> Vec<Option<Vec<f64>>> {
        let columns = (0..self.ids.len()).map(|reward| self.own_columns(reward));
        let known: Vec<Vec<Option<Vec<f64>>>> =
            columns.filter(|seeds| !seeds.is_empty() && seeds.iter().all(Option::is_some)).collect();
        let of_seed = |seed: usize| {
            let columns: Vec<&Vec<f64>> = known.iter().filter_map(|seeds| seeds.get(seed)?.as_ref()).collect();
            mean_column(&columns)
        };
        (0..self.group.sweeps.len()).map(of_seed).collect()
    }

    /// Returns the mean gain of a judge over the adapters, prompt by prompt, by seed.
    pub(super) fn judge(&self, judge: &str) -> Vec<Option<Vec<f64>>> {
        let gains = |seed: usize| {
            let of = |reward: usize| {
                let (point, base) = *self.pairs(reward).get(seed)?;
                differences(find(&point.judges, judge)?, find(&base.judges, judge)?).ok()
            };
            let trained = (0..self.ids.len()).filter(|reward| self.ids[*reward].is_some());
            mean_column(&trained.map(of).collect::<Option<Vec<_>>>()?)
        };
        (0..self.group.sweeps.len()).map(gains).collect()
    }

    /// Returns the mean distance of the adapters' images to the base's.
    pub(super) fn distance(&self) -> Option<Figure> {
        let of_seed = |seed: usize| {
            let pairs =
                (0..self.ids.len()).filter(|reward| self.ids[*reward].is_some()).map(|reward| self.pairs(reward));
            let distances = pairs.map(|pairs| pairs.get(seed)?.0.distance_to_base);
            mean(&distances.collect::<Option<Vec<_>>>()?)
        };
        Figure::of_values((0..self.group.sweeps.len()).map(of_seed))
    }

    /// Returns the mean slope over judges and adapters.
    pub(super) fn slope(&self) -> Option<Figure> {
        let of_seed = |sweep: &&SweepResults| {
            let adapters = self.ids.iter().enumerate().filter_map(|(reward, id)| Some((reward, id.as_ref()?)));
            let slopes = adapters
                .filter_map(|(reward, id)| mean(&slopes_of(sweep, id, reward).into_values().collect::<Vec<_>>()));
            mean(&slopes.collect::<Vec<_>>())
        };
        Figure::of_values(self.group.sweeps.iter().map(of_seed))
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the slope of every judge that each seed has.
fn slopes(group: &Group<'_>, id: &RunId, reward: usize) -> Vec<Slope> {
    let seeds: Vec<BTreeMap<String, f64>> = group.sweeps.iter().map(|sweep| slopes_of(sweep, id, reward)).collect();
    let of = |judge: &String| {
        let slope = Figure::of_values(seeds.iter().map(|slopes| slopes.get(judge).copied()))?;
        Some(Slope { judge: judge.clone(), slope })
    };
    seeds.first().into_iter().flat_map(BTreeMap::keys).filter_map(of).collect()
}

/// Returns the slopes of one sweep's adapter, by judge.
fn slopes_of(sweep: &SweepResults, id: &RunId, reward: usize) -> BTreeMap<String, f64> {
    let (spec, Some(base)) = (&sweep.spec.rewards[reward], sweep.base()) else { return BTreeMap::new() };
    let Some(own_deviation) = base.rewards.get(reward).and_then(deviation) else { return BTreeMap::new() };
    let (name, mut found) = (metric::reward_gain(&spec.name), BTreeMap::new());
    for watch in spec.kind.judges().iter().filter(|watch| watch.on == WatchedPrompts::All) {
        let Some(judge_deviation) = find(&base.judges, watch.judge).and_then(deviation) else { continue };
        let judged = metric::judge_gain(watch.judge);
        let gains: Vec<(f64, f64)> = (sweep.snapshot.epochs_of(id).iter())
            .filter_map(|epoch| Some((*epoch.metrics.get(&name)?, *epoch.metrics.get(&judged)?)))
            .map(|(own, judge)| (own / own_deviation, judge / judge_deviation))
            .collect();
        let risen = gains.iter().map(|(own, _)| own).sum::<f64>() > 0.0;
        if risen {
            let square = gains.iter().map(|(own, _)| own * own).sum::<f64>();
            found.insert(watch.judge.into(), gains.iter().map(|(own, judge)| own * judge).sum::<f64>() / square);
        }
    }
    found
}

/// Returns the standard deviation of a column's prompt means; nothing where they are alike.
fn deviation(column: &ScoreColumn) -> Option<f64> {
    let mean = column.mean();
    let square = column.prompt_means.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let deviation = (square / (column.prompt_means.len() as f64 - 1.0)).sqrt();
    (deviation > 0.0).then_some(deviation)
}
