//! What training at a weighting is expected to give; the formula is at [`Proposer`](super::Proposer).

use super::Trained;
use crate::surrogate::{Kernel, not_fitted, spread};
use crate::{ParetoError, Prediction, Surrogate};

/// A reward over weightings: a surrogate about a bend in the reward's own weight.
pub(super) struct Model {
    reward: usize,
    /// The bend is this · w·(1 − w), with w the reward's own weight.
    bend: f64,
    surrogate: Surrogate,
}

impl Model {
    /// Returns the prediction of the reward.
    pub(super) fn predict(&self, weighting: &[f64]) -> Prediction {
        let Prediction { mean, deviation } = self.surrogate.predict(weighting);
        Prediction { mean: mean + self.bend * shape(weighting[self.reward]), deviation }
    }

    /// Returns the posterior covariances of the reward with that at each trained weighting.
    pub(super) fn covariances(&self, weighting: &[f64]) -> Vec<f64> {
        self.surrogate.covariances(weighting)
    }
}

/// What front there may be: a model of each reward.
pub(super) struct Hypothesis {
    /// Its posterior probability.
    pub(super) probability: f64,
    /// One for each reward.
    pub(super) models: Vec<Model>,
}

/// The settings that all rewards share: how much fronts bend is learnt from all rewards together.
#[derive(Debug, Clone, Copy)]
struct Setting {
    /// The bend in a reward's own weight, in units of what that weight does from one end of the simplex to the other. Between −1 and 1
    /// the reward grows with its weight; above 0 it does so ever more slowly.
    bend: f64,
    kernel: Kernel,
    /// The logarithm of the prior probability, up to a constant.
    prior: f64,
}

/// Returns one hypothesis for each bend, all with the kernel of the setting that is likeliest a posteriori.
///
/// Bends are averaged over and not chosen, because they move all rewards together: a front that may be concave has more to gain
/// than one whose rewards rise and fall each by itself.
pub(super) fn fit(trained: &[Trained]) -> Result<Vec<Hypothesis>, ParetoError> {
    let weightings: Vec<Vec<f64>> = trained.iter().map(|point| point.weighting.clone()).collect();
    let columns: Vec<Column> = (0..weightings[0].len()).map(|reward| Column::new(trained, reward)).collect();
    let fit = |setting: Setting| {
        let each = columns.iter().map(|column| column.fit(setting, &weightings)).collect::<Option<Vec<_>>>()?;
        let (models, likelihoods): (Vec<Model>, Vec<f64>) = each.into_iter().unzip();
        Some(Fitted { posterior: setting.prior + likelihoods.iter().sum::<f64>(), models })
    };
    let with_kernel = |(kernel, prior): (Kernel, f64)| {
        let setting = |bend: f64| Setting { bend, kernel, prior: prior - 0.5 * (bend / 0.5).powi(2) };
        BENDS.iter().map(|bend| fit(setting(*bend))).collect::<Option<Vec<Fitted>>>()
    };
    let most = |fits: &[Fitted]| fits.iter().map(|fitted| fitted.posterior).fold(f64::NEG_INFINITY, f64::max);
    let all = kernels().into_iter().filter_map(with_kernel);
    let best = all.reduce(|best, next| if most(&next) > most(&best) { next } else { best });
    let best = best.ok_or_else(|| not_fitted(&trained[0].errors))?;
    let likeliest = most(&best);
    let weight = |fitted: &Fitted| (fitted.posterior - likeliest).exp();
    let total: f64 = best.iter().map(weight).sum();
    let hypothesis = |fitted: Fitted| Hypothesis { probability: weight(&fitted) / total, models: fitted.models };
    Ok(best.into_iter().map(hypothesis).collect())
}

/// Models of all rewards with one setting.
struct Fitted {
    /// The logarithm of the setting's posterior probability, up to a constant.
    posterior: f64,
    models: Vec<Model>,
}

/// What was measured of one reward.
struct Column {
    reward: usize,
    values: Vec<f64>,
    errors: Vec<f64>,
    /// The slope of a straight line through the values over the reward's own weight.
    slope: f64,
}

impl Column {
    fn new(trained: &[Trained], reward: usize) -> Self {
        let values: Vec<f64> = trained.iter().map(|point| point.rewards[reward]).collect();
        let errors = trained.iter().map(|point| point.errors[reward]).collect();
        let weights: Vec<f64> = trained.iter().map(|point| point.weighting[reward]).collect();
        let centre = weights.iter().sum::<f64>() / weights.len() as f64;
        let common: f64 = weights.iter().zip(&values).map(|(weight, value)| (weight - centre) * value).sum();
        let square: f64 = weights.iter().map(|weight| (weight - centre).powi(2)).sum();
        let slope = if square > 0.0 { common / square } else { 0.0 };
        Self { reward, values, errors, slope }
    }

    /// Returns the model with a setting and the logarithm of its likelihood.
    fn fit(&self, setting: Setting, weightings: &[Vec<f64>]) -> Option<(Model, f64)> {
        let bend = setting.bend * self.slope;
        let own = weightings.iter().map(|weighting| bend * shape(weighting[self.reward]));
        let rest: Vec<f64> = self.values.iter().zip(own).map(|(value, own)| value - own).collect();
        // One unit for all bends, or their likelihoods could not be compared.
        let unit = spread(&self.values, &self.errors);
        let (surrogate, likelihood) = Surrogate::fit_with(setting.kernel, unit, weightings, &rest, &self.errors)?;
        Some((Model { reward: self.reward, bend, surrogate }, likelihood))
    }
}

fn shape(weight: f64) -> f64 {
    weight * (1.0 - weight)
}

/// Bends, whose prior is normal about 0 with a standard deviation of ½.
const BENDS: [f64; 9] = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0];

/// Returns the kernels to choose from, with the logarithm of their prior probability.
///
/// The linear part is as good as free. The variance of the other parts, in units of the rewards' variance over the trained
/// weightings, is log-normal about 1, which moves the middle of an edge by half a spread, with a standard deviation of one decade.
fn kernels() -> Vec<(Kernel, f64)> {
    let mut kernels = Vec::new();
    for decades in [0.0, 1.0, 2.0, 3.0, 4.0f64] {
        let quadratic = 10f64.powf(-decades);
        for (share, length) in [(0.03, 0.4), (0.03, 0.8), (0.3, 0.4), (0.3, 0.8)] {
            let kernel = Kernel { linear: 100.0, quadratic, remainder: share * quadratic, length };
            kernels.push((kernel, -0.5 * decades.powi(2)));
        }
    }
    kernels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplex;

    /// Returns the mean bend of the hypotheses when each reward is w + bend·w·(1 − w), measured at the corners and some edges' middles.
    fn learnt(bend: f64, middles: usize) -> f64 {
        let reward = |weight: &f64| weight + bend * shape(*weight);
        let train = |weighting: Vec<f64>| {
            let rewards = weighting.iter().map(reward).collect();
            Trained { weighting, rewards, errors: vec![0.01; 3] }
        };
        let middle = |place: usize| (0..3).map(|reward| if reward == place { 0.0 } else { 0.5 }).collect();
        let weightings = simplex::corners(3).unwrap().into_iter().chain((0..middles).map(middle));
        let trained: Vec<Trained> = weightings.map(train).collect();
        let hypotheses = fit(&trained).unwrap();
        assert!((hypotheses.iter().map(|one| one.probability).sum::<f64>() - 1.0).abs() < 1e-12);
        hypotheses.iter().zip(BENDS).map(|(one, bend)| one.probability * bend).sum()
    }

    #[test]
    fn a_bend_is_learnt_from_the_first_middle_of_an_edge_and_corners_say_nothing_of_it() {
        assert!(learnt(0.8, 0).abs() < 1e-6, "{}", learnt(0.8, 0));
        assert!(learnt(0.8, 1) > 0.3 && learnt(-0.8, 1) < -0.3, "{} and {}", learnt(0.8, 1), learnt(-0.8, 1));
        assert!((learnt(0.8, 3) - 0.8).abs() < 0.2 && learnt(0.0, 3).abs() < 0.05, "{}", learnt(0.8, 3));
    }
}
