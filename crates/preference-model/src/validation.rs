//! How well a model predicts decisions on prompts that it was not fitted to.

use moa_core::NoiseKey;

use crate::agreement::{ceiling, self_consistency};
use crate::ask::shuffle;
use crate::calibration::{Calibration, calibrate};
use crate::error::{PreferenceModelError, Result};
use crate::estimate::{Estimate, Resampling, wilson};
use crate::fit::FitSettings;
use crate::judgements::{DecidedPair, Judgements};
use crate::model::RewardModel;
use crate::pool::Pool;

/// How a model is validated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidationSettings {
    /// Parts into which prompts are divided, at least 2; at most one per prompt. Default: 5.
    pub folds: usize,
    /// Bins of the reliability diagram. Default: 10.
    pub bins: usize,
    /// How intervals are drawn; its seed divides the prompts, too.
    pub resampling: Resampling,
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self { folds: 5, bins: 10, resampling: Resampling::default() }
    }
}

/// How well a model predicts decisions on prompts that it was not fitted to. Ties are left out.
///
/// Images of labels and scores are compared within a prompt and rater where there are no decided pairs: a good one with a bad one,
/// a higher score with a lower one.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// How many pairs were predicted.
    pub pairs: usize,
    /// On how many prompts.
    pub prompts: usize,
    /// The share of pairs whose better image has the higher score, by weight, with the interval of the bootstrap over prompts.
    pub accuracy: Estimate,
    /// Log-loss and reliability of the probabilities.
    pub calibration: Calibration,
    /// The accuracy that the raters' own consistency allows at most, with the ends that belong to those of the consistency's interval;
    /// none without repeats.
    pub ceiling: Option<Estimate>,
}

/// A pair of a held-out prompt with what was predicted of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Predicted {
    pub(crate) prompt: usize,
    pub(crate) weight: f64,
    /// 1 where the better image has the higher score, ½ where both are equal.
    pub(crate) right: f64,
    /// The probability of what was decided, given that it was no tie.
    pub(crate) probability: f64,
}

/// Validates a model by leaving out prompts: no prompt is in two folds. The hyperparameters are fitted in each fold.
///
/// # Errors
/// Refuses judgements with fewer than two prompts that have decided pairs, and those of [`RewardModel::fit`].
pub fn validate(
    pool: &Pool,
    judgements: &Judgements,
    fit: &FitSettings,
    settings: &ValidationSettings,
) -> Result<Validation> {
    judgements.check(pool.len())?;
    let folds = folds(judgements, settings)?;
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let mut predicted = Vec::new();
    for fold in 0..count {
        let training = judgements.of_prompts(|prompt| folds[prompt] != fold);
        let model = RewardModel::fit(pool, &training, fit)?;
        predicted.extend(predict(pool, &model, &judgements.of_prompts(|prompt| folds[prompt] == fold)));
    }
    let accuracy = accuracy(&predicted, judgements.prompts.len(), &settings.resampling)
        .ok_or_else(|| too_few("no pair was predicted"))?;
    let probabilities: Vec<(f64, f64)> = predicted.iter().map(|pair| (pair.probability, pair.weight)).collect();
    let mut prompts: Vec<usize> = predicted.iter().map(|pair| pair.prompt).collect();
    prompts.sort_unstable();
    prompts.dedup();
    Ok(Validation {
        pairs: predicted.len(),
        prompts: prompts.len(),
        accuracy,
        calibration: calibrate(&probabilities, settings.bins.max(1)),
        ceiling: highest(judgements),
    })
}

fn too_few(why: &str) -> PreferenceModelError {
    PreferenceModelError::TooFew { what: "validate", why: why.to_owned() }
}

/// Returns the fold of each prompt.
pub(crate) fn folds(judgements: &Judgements, settings: &ValidationSettings) -> Result<Vec<usize>> {
    if settings.folds < 2 {
        let value = settings.folds.to_string();
        return Err(PreferenceModelError::Setting { name: "folds", value, expected: "at least 2" });
    }
    let mut prompts: Vec<usize> = tested(judgements).iter().map(|pair| pair.prompt).collect();
    prompts.sort_unstable();
    prompts.dedup();
    if prompts.len() < 2 {
        let why =
            format!("{} prompts have decided pairs, and two are needed: judge images of more prompts", prompts.len());
        return Err(too_few(&why));
    }
    shuffle(&mut prompts, NoiseKey::new(settings.resampling.seed).named("folds"));
    let count = settings.folds.min(prompts.len());
    let mut folds: Vec<usize> = (0..judgements.prompts.len()).map(|prompt| prompt % count).collect();
    prompts.iter().enumerate().for_each(|(at, prompt)| folds[*prompt] = at % count);
    Ok(folds)
}

/// Returns the pairs on which a model is tested.
fn tested(judgements: &Judgements) -> Vec<DecidedPair> {
    let mut pairs = judgements.decided_pairs();
    pairs.retain(|pair| !pair.tie);
    if pairs.is_empty() { judgements.implied_pairs() } else { pairs }
}

/// Returns what a model predicts of decided pairs.
pub(crate) fn predict(pool: &Pool, model: &RewardModel, judgements: &Judgements) -> Vec<Predicted> {
    tested(judgements)
        .into_iter()
        .map(|pair| {
            let difference = model.difference_in(pool, pair.better, pair.other);
            let [first, second, _] = model.predict(difference, model.noise().lapses[pair.rater]);
            let right = if difference.mean == 0.0 { 0.5 } else { f64::from(difference.mean > 0.0) };
            Predicted { prompt: pair.prompt, weight: pair.weight, right, probability: first / (first + second) }
        })
        .collect()
}

/// Returns the share of right predictions.
pub(crate) fn accuracy(predicted: &[Predicted], prompts: usize, resampling: &Resampling) -> Option<Estimate> {
    let sums: Vec<(f64, f64)> = by_prompt(predicted, prompts).into_iter().filter(|(_, weight)| *weight > 0.0).collect();
    resampling.over(sums.len(), |counts| share(&sums, counts))
}

/// Returns the weight of right predictions and of all, for each prompt.
pub(crate) fn by_prompt(predicted: &[Predicted], prompts: usize) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); prompts];
    for pair in predicted {
        sums[pair.prompt].0 += pair.weight * pair.right;
        sums[pair.prompt].1 += pair.weight;
    }
    sums
}

pub(crate) fn share(sums: &[(f64, f64)], counts: &[u32]) -> Option<f64> {
    let (mut right, mut all) = (0.0, 0.0);
    for ((own, weight), count) in sums.iter().zip(counts) {
        right += f64::from(*count) * own;
        all += f64::from(*count) * weight;
    }
    (all > 0.0).then(|| right / all)
}

/// Returns the ceiling of accuracy, from all raters' repeats together.
fn highest(judgements: &Judgements) -> Option<Estimate> {
    let all = self_consistency(judgements);
    let (agreed, repeats) =
        (all.iter().map(|one| one.agreed).sum::<usize>(), all.iter().map(|one| one.repeats).sum::<usize>());
    let share = wilson(agreed as f64, repeats as f64)?;
    Some(Estimate { value: ceiling(share.value), low: ceiling(share.low), high: ceiling(share.high) })
}
