//! Hypervolumes of all experiments on one scale.

use moa_core::experiment::Scale;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind};
use moa_pareto::{Bootstrap, Resampled, hypervolume};

use super::group::{Group, Noise};
use super::{Figure, Fronts};
use crate::report::planned;
use crate::{AnalysisError, Hypervolumes};

/// The hypervolume of every sweep, with the prompts resampled for all of them together.
pub(super) struct Volumes {
    /// By reward, the mean of the bases, each noise once.
    pub(super) base_means: Vec<f64>,
    pub(super) scales: Vec<Scale>,
    /// By reward, whether both ends of the scale are the experiments' own.
    pub(super) given: Vec<bool>,
    /// The hypervolume of the base alone.
    pub(super) base: Option<f64>,
    /// By experiment and seed.
    of: Vec<Vec<Volume>>,
}

struct Volume {
    noise: Noise,
    seed: u64,
    value: Resampled,
}

impl Volumes {
    pub(super) fn of(groups: &[Group<'_>], fronts: Fronts, bootstrap: Bootstrap) -> Result<Self, AnalysisError> {
        let base_means = base_means(groups);
        let (scales, given) = scales(groups, &base_means);
        let reference = vec![0.0; scales.len()];
        let row = |means: &[f64]| -> Vec<f64> {
            means.iter().zip(&scales).map(|(mean, scale)| scale.normalise(*mean)).collect()
        };
        let base_row = row(&base_means);
        let mut volumes = Self { of: Vec::new(), base: None, base_means, scales: Vec::new(), given };
        if reference.len() <= Hypervolumes::MOST_REWARDS {
            volumes.base = Some(hypervolume(&[&base_row], &reference)?);
            for group in groups {
                let mut own = Vec::with_capacity(group.sweeps.len());
                for sweep in &group.sweeps {
                    let Some(base) = sweep.base() else { continue };
                    let on_base = |point: &EvaluationRecord| -> Vec<Vec<f64>> {
                        let gain = |reward: usize, prompt: usize| {
                            point.rewards[reward].prompt_means[prompt] - base.rewards[reward].prompt_means[prompt]
                        };
                        let means = |prompt: usize| -> Vec<f64> {
                            volumes.base_means.iter().enumerate().map(|(r, mean)| mean + gain(r, prompt)).collect()
                        };
                        (0..base.prompts()).map(|prompt| row(&means(prompt))).collect()
                    };
                    let points = planned(&sweep.snapshot, &sweep.spec).into_iter().filter(|point| fronts.has(point));
                    let mut front = vec![vec![base_row.clone(); base.prompts()]];
                    for point in points {
                        check(point, base)?;
                        front.push(on_base(point));
                    }
                    let value = bootstrap.resampled_hypervolume(&front, &reference)?;
                    own.push(Volume { noise: Noise::of(sweep), seed: sweep.spec.seed, value });
                }
                volumes.of.push(own);
            }
        }
        volumes.scales = scales;
        Ok(volumes)
    }

    /// Returns the hypervolume of an experiment; nothing where none is computed.
    pub(super) fn figure(&self, place: usize) -> Result<Option<Figure>, AnalysisError> {
        let Some(own) = self.of.get(place) else { return Ok(None) };
        let terms: Vec<(f64, &Resampled)> = own.iter().map(|volume| (1.0 / own.len() as f64, &volume.value)).collect();
        let seeds = own.iter().map(|volume| volume.value.interval().mean).collect();
        let mean = Resampled::combined(&terms)?.map(|mean| mean.interval());
        Ok(mean.map(|mean| Figure { mean: moa_pareto::Interval { lo: mean.lo.max(0.0), ..mean }, seeds }))
    }

    /// Returns how much more hypervolume an experiment has than another. Of noise that both were evaluated on, with its interval over
    /// prompts: the mean over such noise of the first's seeds less the second's. Without any, the difference of both means alone.
    pub(super) fn difference(&self, one: usize, other: usize) -> Result<Option<Figure>, AnalysisError> {
        let (Some(own), Some(others)) = (self.of.get(one), self.of.get(other)) else { return Ok(None) };
        let mut noises: Vec<Noise> = Vec::new();
        for volume in own {
            if !noises.contains(&volume.noise) && others.iter().any(|other| other.noise == volume.noise) {
                noises.push(volume.noise);
            }
        }
        let mean = |volumes: &[Volume]| {
            volumes.iter().map(|volume| volume.value.interval().mean).sum::<f64>() / volumes.len().max(1) as f64
        };
        if noises.is_empty() {
            return Ok(Figure::of_values([Some(mean(own) - mean(others))]));
        }
        let mut terms = Vec::new();
        for noise in &noises {
            for (sign, volumes) in [(1.0, own), (-1.0, others)] {
                let same: Vec<&Volume> = volumes.iter().filter(|volume| volume.noise == *noise).collect();
                let share = sign / (same.len() * noises.len()) as f64;
                terms.extend(same.into_iter().map(|volume| (share, &volume.value)));
            }
        }
        let Some(difference) = Resampled::combined(&terms)? else { return Ok(None) };
        let mean = difference.interval();
        // Seed by seed where both have the same ones.
        let by_seed = |volume: &Volume| {
            let same = others.iter().find(|other| other.noise == volume.noise && other.seed == volume.seed)?;
            Some(volume.value.interval().mean - same.value.interval().mean)
        };
        let seeds: Option<Vec<f64>> = own.iter().map(by_seed).collect();
        let seeds = seeds.filter(|seeds| seeds.len() == others.len()).unwrap_or_else(|| vec![mean.mean]);
        Ok(Some(Figure { mean, seeds }))
    }
}

/// Refuses a point that is not over the prompts of its base.
fn check(point: &EvaluationRecord, base: &EvaluationRecord) -> Result<(), AnalysisError> {
    let unpaired = |(own, base): &(&moa_core::ScoreColumn, &moa_core::ScoreColumn)| !own.pairs_with(base);
    match point.rewards.iter().zip(&base.rewards).find(unpaired) {
        Some((own, _)) => Err(AnalysisError::OtherPrompts { column: own.name.clone() }),
        None => Ok(()),
    }
}

/// Returns by reward the mean of the bases, each noise once: another base with the same noise is the same one.
fn base_means(groups: &[Group<'_>]) -> Vec<f64> {
    let mut known: Vec<(Noise, Vec<f64>)> = Vec::new();
    for sweep in groups.iter().flat_map(|group| &group.sweeps) {
        let noise = Noise::of(sweep);
        if let Some(base) = sweep.base().filter(|_| known.iter().all(|(other, _)| *other != noise)) {
            known.push((noise, base.reward_means()));
        }
    }
    let rewards = known.first().map_or(0, |(_, means)| means.len());
    (0..rewards).map(|reward| known.iter().map(|(_, means)| means[reward]).sum::<f64>() / known.len() as f64).collect()
}

/// Returns by reward what counts as 0 and as 1, and whether both are the experiments' own: the end that all experiments give, else the worst
/// and the best of the base and the adapters of one reward; where these are alike, the scale of the reward's kind.
fn scales(groups: &[Group<'_>], base_means: &[f64]) -> (Vec<Scale>, Vec<bool>) {
    let specs = || groups.iter().flat_map(|group| &group.sweeps).map(|sweep| &sweep.spec);
    let same = |end: fn(&ExperimentSpec, &str) -> Option<f64>, name: &str| {
        let mut values = specs().map(|spec| end(spec, name));
        let first = values.next().flatten()?;
        values.all(|value| value == Some(first)).then_some(first)
    };
    let mut means: Vec<Vec<f64>> = base_means.iter().map(|mean| vec![*mean]).collect();
    for sweep in groups.iter().flat_map(|group| &group.sweeps) {
        let Some(base) = sweep.base() else { continue };
        for point in planned(&sweep.snapshot, &sweep.spec) {
            let is_corner = point.weighting.as_ref().is_some_and(|weighting| weighting.corner_index().is_some());
            if point.kind == PointKind::Trained && is_corner {
                for (reward, (own, base)) in point.rewards.iter().zip(&base.rewards).enumerate() {
                    means[reward].push(base_means[reward] + own.mean() - base.mean());
                }
            }
        }
    }
    let names = groups[0].first().spec.reward_names();
    let kinds: Vec<Scale> = groups[0].first().spec.rewards.iter().map(|reward| reward.kind.scale()).collect();
    let scale = |(reward, name): (usize, &String)| {
        let reference = same(|spec, name| spec.hypervolume.reference.get(name).copied(), name);
        let best = same(|spec, name| spec.hypervolume.best.get(name).copied(), name);
        let worst = means[reward].iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = means[reward].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let measured = Scale { reference: reference.unwrap_or(worst), best: best.unwrap_or(greatest) };
        let kind =
            Scale { reference: reference.unwrap_or(kinds[reward].reference), best: best.unwrap_or(kinds[reward].best) };
        let scale = if measured.reference < measured.best { measured } else { kind };
        (scale, reference.is_some() && best.is_some())
    };
    names.iter().enumerate().map(scale).unzip()
}
