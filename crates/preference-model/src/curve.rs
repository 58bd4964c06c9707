//! How accuracy grows with decisions, and how many are still needed.

use moa_core::NoiseKey;

use crate::ask::shuffle;
use crate::error::{PreferenceModelError, Result};
use crate::estimate::{Estimate, Resampling, quantile};
use crate::fit::FitSettings;
use crate::judgements::Judgements;
use crate::model::RewardModel;
use crate::pool::Pool;
use crate::validation::{ValidationSettings, by_prompt, folds, predict, share};

/// The shares of the decisions that models are fitted to.
const SHARES: [f64; 5] = [0.125, 0.25, 0.5, 0.75, 1.0];
/// Exponents of the curve that are tried; parametric models have 1 in the end, and less before.
const EXPONENTS: [f64; 5] = [0.25, 0.4, 0.6, 0.8, 1.0];
/// The fewest decisions that a curve is drawn from.
const FEWEST: usize = 40;

/// How accuracy on held-out prompts grows with decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningCurve {
    /// Decisions that models were fitted to, and their accuracy with the bootstrap's interval over prompts.
    pub points: Vec<(f64, Estimate)>,
    /// The accuracy that all decisions would give, by the curve.
    pub limit: Estimate,
    /// The accuracy that is the target.
    pub target: f64,
    /// All decisions that the target needs, in the middle and at the ends of the interval; infinite where the curve does not reach
    /// it. Ends are quantiles of curves through resampled prompts.
    pub needed: Estimate,
    /// How many decisions there are.
    pub judgements: usize,
}

impl LearningCurve {
    /// Returns how many decisions are still needed, in the middle and at the ends.
    pub fn still_needed(&self) -> Estimate {
        let rest = |needed: f64| (needed - self.judgements as f64).max(0.0).ceil();
        Estimate { value: rest(self.needed.value), low: rest(self.needed.low), high: rest(self.needed.high) }
    }
}

/// What accuracy is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This accuracy, between ½ and 1.
    Accuracy(f64),
    /// This share, above 0 and below 1, of what all decisions that could be made would add to chance: `½ + share·(limit − ½)`.
    OfLimit(f64),
}

impl From<f64> for Target {
    fn from(accuracy: f64) -> Self {
        Self::Accuracy(accuracy)
    }
}

impl Target {
    fn of(self, limit: f64) -> f64 {
        match self {
            Self::Accuracy(accuracy) => accuracy,
            Self::OfLimit(share) => 0.5 + share * (limit - 0.5),
        }
    }
}

/// Fits models to parts of the decisions, tests them on other prompts, and extrapolates `accuracy(n) = a − b·n^(−c)` to a target
/// (Cortes et al. 1993).
///
/// The estimate holds if further questions are like those so far, and supposes that accuracy follows this law: far beyond the
/// decisions that there are it is a guess, and its interval shows only the uncertainty of the points.
///
/// # Errors
/// Refuses fewer than 40 decisions, targets out of their range, and what [`crate::validate`] refuses.
pub fn learning_curve(
    pool: &Pool,
    judgements: &Judgements,
    fit: &FitSettings,
    settings: &ValidationSettings,
    target: impl Into<Target>,
) -> Result<LearningCurve> {
    judgements.check(pool.len())?;
    let target = target.into();
    let (value, least, expected) = match target {
        Target::Accuracy(accuracy) => (accuracy, 0.5, "above 0.5, below 1"),
        Target::OfLimit(share) => (share, 0.0, "above 0, below 1"),
    };
    if !(value > least && value < 1.0) {
        return Err(PreferenceModelError::Setting { name: "target", value: value.to_string(), expected });
    }
    if judgements.len() < FEWEST {
        let why = format!("there are {} decisions, and {FEWEST} are needed", judgements.len());
        return Err(PreferenceModelError::TooFew { what: "learning curve", why });
    }
    let folds = folds(judgements, settings)?;
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let mut order: Vec<usize> = (0..judgements.len()).collect();
    shuffle(&mut order, NoiseKey::new(settings.resampling.seed).named("curve"));
    let prompts = judgements.prompts.len();
    let (mut sizes, mut sums) = (Vec::new(), Vec::new());
    for part in SHARES {
        let limit = (part * judgements.len() as f64).round() as usize;
        let mut taken = vec![false; judgements.len()];
        order[..limit].iter().for_each(|at| taken[*at] = true);
        let some = judgements.at(|at| taken[at]);
        let (mut size, mut predicted) = (0, Vec::new());
        for fold in 0..count {
            let training = some.of_prompts(|prompt| folds[prompt] != fold);
            size += training.len();
            if training.is_empty() {
                continue;
            }
            let model = RewardModel::fit(pool, &training, fit)?;
            predicted.extend(predict(pool, &model, &judgements.of_prompts(|prompt| folds[prompt] == fold)));
        }
        sizes.push(size as f64 / count as f64);
        sums.push(by_prompt(&predicted, prompts));
    }
    let tested: Vec<usize> = (0..prompts).filter(|prompt| sums.iter().any(|sums| sums[*prompt].1 > 0.0)).collect();
    let sums: Vec<Vec<(f64, f64)>> =
        sums.iter().map(|sums| tested.iter().map(|prompt| sums[*prompt]).collect()).collect();
    let resampling = Resampling { resamples: settings.resampling.resamples.min(500), ..settings.resampling };
    let points = sizes.iter().zip(&sums).filter_map(|(size, sums)| {
        resampling.over(tested.len(), |counts| share(sums, counts)).map(|accuracy| (*size, accuracy))
    });
    let points: Vec<(f64, Estimate)> = points.collect();
    let through = |counts: &[u32]| {
        let values: Option<Vec<f64>> = sums.iter().map(|sums| share(sums, counts)).collect();
        values.map(|values| Law::through(&sizes, &values))
    };
    let limit = resampling.over(tested.len(), |counts| through(counts).map(|law| law.limit));
    let key = NoiseKey::new(resampling.seed).named("bootstrap");
    let mut needs: Vec<f64> = (0..resampling.resamples as u64)
        .filter_map(|resample| {
            let (key, mut counts) = (key.with(resample), vec![0; tested.len()]);
            (0..tested.len() as u64).for_each(|draw| counts[key.below(draw, tested.len())] += 1);
            through(&counts).map(|law| law.needed(target.of(law.limit)))
        })
        .collect();
    needs.sort_unstable_by(f64::total_cmp);
    let (Some(limit), Some(middle)) = (limit, quantile(&needs, 0.5)) else {
        let why = "no pair was predicted".to_owned();
        return Err(PreferenceModelError::TooFew { what: "learning curve", why });
    };
    let needed = resampling.interval(middle, &needs);
    let target = target.of(limit.value);
    Ok(LearningCurve { points, limit, target, needed, judgements: judgements.len() })
}

/// `accuracy(n) = limit − fall·n^(−exponent)`.
#[derive(Clone, Copy, Debug)]
struct Law {
    limit: f64,
    fall: f64,
    exponent: f64,
}

impl Law {
    /// Finds the curve of least squares; points of many decisions weigh more, as they are nearer to what is extrapolated.
    fn through(sizes: &[f64], values: &[f64]) -> Self {
        let mut best: Option<(f64, Self)> = None;
        for exponent in EXPONENTS {
            let x: Vec<f64> = sizes.iter().map(|size| -size.max(1.0).powf(-exponent)).collect();
            let total: f64 = sizes.iter().sum();
            let mean = |y: &[f64]| sizes.iter().zip(y).map(|(weight, y)| weight * y).sum::<f64>() / total;
            let (mx, my) = (mean(&x), mean(values));
            let product = |a: &[f64], ma: f64, b: &[f64], mb: f64| {
                let each = a.iter().zip(b).zip(sizes);
                each.map(|((a, b), weight)| weight * (a - ma) * (b - mb)).sum::<f64>()
            };
            // Accuracy does not fall with decisions, and is 1 at most.
            let least = product(&x, mx, values, my) / product(&x, mx, &x, mx).max(1e-300);
            let fall = least.clamp(0.0, ((1.0 - my) / -mx).max(0.0));
            let law = Self { limit: my - fall * mx, fall, exponent };
            let error: f64 = sizes.iter().zip(values).map(|(size, value)| size * (law.at(*size) - value).powi(2)).sum();
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, law));
            }
        }
        best.expect("there are exponents").1
    }

    fn at(&self, size: f64) -> f64 {
        self.limit - self.fall * size.max(1.0).powf(-self.exponent)
    }

    fn needed(&self, target: f64) -> f64 {
        if self.at(1.0) >= target {
            1.0
        } else if self.limit <= target {
            f64::INFINITY
        } else {
            (self.fall / (self.limit - target)).powf(1.0 / self.exponent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_is_found_through_its_own_points() {
        let law = Law { limit: 0.9, fall: 2.0, exponent: 0.6 };
        let sizes = [50.0, 100.0, 200.0, 300.0, 400.0];
        let found = Law::through(&sizes, &sizes.map(|size| law.at(size)));
        assert!((found.limit - 0.9).abs() < 1e-9 && (found.fall - 2.0).abs() < 1e-6, "{found:?}");
        assert!((found.at(found.needed(0.89)) - 0.89).abs() < 1e-9);
        assert!(found.needed(0.95).is_infinite());
    }

    #[test]
    fn flat_and_falling_points_reach_no_target() {
        for values in [[0.7; 5], [0.75, 0.74, 0.72, 0.7, 0.7]] {
            let found = Law::through(&[10.0, 20.0, 40.0, 60.0, 80.0], &values);
            assert!(found.needed(0.8).is_infinite() && (found.limit - 0.71).abs() < 0.02, "{found:?}");
        }
    }
}
