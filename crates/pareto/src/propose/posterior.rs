//! What is known of the rewards of all weightings, as draws.

use super::model::{Hypothesis, Model, fit};
use super::{Soup, Trained};
use crate::cholesky::Cholesky;
use crate::hypervolume::{exclusive, volume_above};
use crate::random::Stream;
use crate::surrogate::not_fitted;
use crate::{ParetoError, Prediction, non_dominated};

/// Draws from the posterior. They come in pairs of opposite deviations from the mean (antithetic variates).
const DRAWS: usize = 256;
/// The fractional part of the golden ratio, whose multiples are spread evenly over the unit interval.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Draws of the rewards at the trained weightings and of the soups, to which those at any weighting can be added.
pub(super) struct Posterior {
    hypotheses: Vec<Hypothesis>,
    /// For each hypothesis and reward, the factor of the posterior covariance over the trained weightings.
    factors: Vec<Vec<Cholesky>>,
    draws: Vec<Draw>,
    origin: Vec<f64>,
}

/// One draw.
struct Draw {
    hypothesis: usize,
    /// For each reward, a standard normal number for each trained weighting, and the last for one weighting more.
    normals: Vec<Vec<f64>>,
    /// The known points that are above the origin and not dominated.
    front: Vec<Vec<f64>>,
    /// The hypervolume of what is known.
    volume: f64,
}

impl Posterior {
    pub(super) fn new(trained: &[Trained], soups: &[Soup], seed: u64) -> Result<Self, ParetoError> {
        let hypotheses = fit(trained)?;
        let factors = |hypothesis: &Hypothesis| {
            hypothesis.models.iter().map(|model| factor(model, trained)).collect::<Result<Vec<_>, _>>()
        };
        let factors = hypotheses.iter().map(factors).collect::<Result<Vec<_>, _>>()?;
        let origin = vec![0.0; hypotheses[0].models.len()];
        let mut posterior = Self { hypotheses, factors, draws: Vec::with_capacity(DRAWS), origin };
        let means: Vec<Vec<Vec<f64>>> =
            posterior.hypotheses.iter().map(|hypothesis| means(hypothesis, trained)).collect();
        for draw in 0..DRAWS {
            let draw = posterior.draw(&means, soups, seed, draw)?;
            posterior.draws.push(draw);
        }
        Ok(posterior)
    }

    fn draw(&self, means: &[Vec<Vec<f64>>], soups: &[Soup], seed: u64, draw: usize) -> Result<Draw, ParetoError> {
        let pair = draw / 2;
        let sign = if draw.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut stream = Stream::new(seed, pair as u64);
        let mut normal = || sign * stream.normal();
        let hypothesis = self.hypothesis((pair as f64 * GOLDEN + 0.5).fract());
        let trained = means[hypothesis][0].len();
        let normals: Vec<Vec<f64>> = self.origin.iter().map(|_| (0..=trained).map(|_| normal()).collect()).collect();
        let deviations: Vec<Vec<f64>> =
            self.factors[hypothesis].iter().zip(&normals).map(|(factor, normals)| factor.times(normals)).collect();
        let reward = |reward: usize, point: usize| means[hypothesis][reward][point] + deviations[reward][point];
        let mut points: Vec<Vec<f64>> =
            (0..trained).map(|point| (0..self.origin.len()).map(|of| reward(of, point)).collect()).collect();
        for Soup { rewards, errors } in soups {
            points.push(rewards.iter().zip(errors).map(|(reward, error)| reward + error * normal()).collect());
        }
        points.retain(|point| point.iter().all(|value| *value > 0.0));
        let front: Vec<Vec<f64>> = non_dominated(&points)?.into_iter().map(|index| points[index].clone()).collect();
        let volume = volume_above(&front, &self.origin);
        Ok(Draw { hypothesis, normals, front, volume })
    }

    /// Returns the hypothesis up to which the probabilities sum to at least this.
    fn hypothesis(&self, sum: f64) -> usize {
        let mut left = sum;
        let reaches = |hypothesis: &Hypothesis| {
            left -= hypothesis.probability;
            left <= 0.0
        };
        self.hypotheses.iter().position(reaches).unwrap_or(self.hypotheses.len() - 1)
    }

    /// Returns the mean and the standard deviation of the hypervolume of what is known.
    pub(super) fn hypervolume(&self) -> (f64, f64) {
        let count = self.draws.len() as f64;
        let mean = self.draws.iter().map(|draw| draw.volume).sum::<f64>() / count;
        let square = self.draws.iter().map(|draw| (draw.volume - mean).powi(2)).sum::<f64>();
        (mean, (square / (count - 1.0)).sqrt())
    }

    /// Returns by how much a weighting raises the hypervolume, as the mean over the first `draws` draws or all there are.
    pub(super) fn expected_gain(&self, weighting: &[f64], draws: usize) -> f64 {
        let draws = &self.draws[..draws.min(self.draws.len())];
        let mut rows: Vec<Option<Vec<Row>>> = self.hypotheses.iter().map(|_| None).collect();
        let gain = |draw: &Draw| {
            let rows = rows[draw.hypothesis].get_or_insert_with(|| self.rows(draw.hypothesis, weighting));
            let point: Vec<f64> = rows.iter().zip(&draw.normals).map(|(row, normals)| row.value(normals)).collect();
            exclusive(draw.front.iter().map(Vec::as_slice), &point, &self.origin)
        };
        draws.iter().map(gain).sum::<f64>() / draws.len() as f64
    }

    fn rows(&self, hypothesis: usize, weighting: &[f64]) -> Vec<Row> {
        let models = self.hypotheses[hypothesis].models.iter().zip(&self.factors[hypothesis]);
        models.map(|(model, factor)| Row::new(model, factor, weighting)).collect()
    }

    /// Returns the prediction of each reward.
    pub(super) fn predict(&self, weighting: &[f64]) -> Vec<Prediction> {
        let predict = |reward: usize| {
            let each = || {
                self.hypotheses
                    .iter()
                    .map(|Hypothesis { probability, models }| (*probability, models[reward].predict(weighting)))
            };
            let mean: f64 = each().map(|(probability, prediction)| probability * prediction.mean).sum();
            let variance = |(probability, prediction): (f64, Prediction)| {
                probability * (prediction.deviation.powi(2) + (prediction.mean - mean).powi(2))
            };
            Prediction { mean, deviation: each().map(variance).sum::<f64>().sqrt() }
        };
        (0..self.origin.len()).map(predict).collect()
    }
}

/// One reward at one weighting given a hypothesis: a row more of the factor.
struct Row {
    mean: f64,
    with_trained: Vec<f64>,
    own: f64,
}

impl Row {
    fn new(model: &Model, factor: &Cholesky, weighting: &[f64]) -> Self {
        let Prediction { mean, deviation } = model.predict(weighting);
        let with_trained = factor.forward(&model.covariances(weighting));
        let shared: f64 = with_trained.iter().map(|value| value * value).sum();
        Self { mean, with_trained, own: (deviation * deviation - shared).max(0.0).sqrt() }
    }

    fn value(&self, normals: &[f64]) -> f64 {
        let known: f64 = self.with_trained.iter().zip(normals).map(|(l, normal)| l * normal).sum();
        self.mean + known + self.own * normals[self.with_trained.len()]
    }
}

/// Returns the factor of a reward's posterior covariance over the trained weightings.
fn factor(model: &Model, trained: &[Trained]) -> Result<Cholesky, ParetoError> {
    let covariances: Vec<Vec<f64>> = trained.iter().map(|point| model.covariances(&point.weighting)).collect();
    // Twins have the same reward: a little variance of their own keeps the factor.
    let factor = [1e-6, 1e-4, 1e-2].into_iter().find_map(|own| {
        let entry = |i: usize, j: usize| covariances[i][j] * if i == j { 1.0 + own } else { 1.0 };
        Cholesky::of(trained.len(), entry)
    });
    factor.ok_or_else(|| not_fitted(&trained[0].errors))
}

/// Returns the prediction of each reward at each trained weighting.
fn means(hypothesis: &Hypothesis, trained: &[Trained]) -> Vec<Vec<f64>> {
    let at = |model: &Model| trained.iter().map(|point| model.predict(&point.weighting).mean).collect();
    hypothesis.models.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(weighting: [f64; 2], rewards: [f64; 2]) -> Trained {
        Trained { weighting: weighting.to_vec(), rewards: rewards.to_vec(), errors: vec![0.05; 2] }
    }

    #[test]
    fn a_trained_weighting_is_drawn_with_itself_and_adds_nothing() {
        let known = [trained([1.0, 0.0], [1.0, 0.3]), trained([0.0, 1.0], [0.3, 1.0]), trained([0.5, 0.5], [0.8, 0.8])];
        let posterior = Posterior::new(&known, &[], 1).unwrap();
        let gain = |weight: f64| posterior.expected_gain(&[weight, 1.0 - weight], usize::MAX);
        assert!(gain(0.5) < 1e-4 && gain(1.0) < 1e-4, "{} and {}", gain(0.5), gain(1.0));
        assert!(gain(0.75) > 0.01, "{}", gain(0.75));
    }

    #[test]
    fn draws_have_the_mean_and_deviation_that_is_predicted() {
        let known = [trained([1.0, 0.0], [1.0, 0.3]), trained([0.0, 1.0], [0.3, 1.0])];
        let posterior = Posterior::new(&known, &[], 1).unwrap();
        for weight in [0.0, 0.3, 0.5] {
            let weighting = [weight, 1.0 - weight];
            let Prediction { mean, deviation } = posterior.predict(&weighting)[1];
            let value = |draw: &Draw| posterior.rows(draw.hypothesis, &weighting)[1].value(&draw.normals[1]);
            let average = posterior.draws.iter().map(value).sum::<f64>() / DRAWS as f64;
            let square = posterior.draws.iter().map(|draw| (value(draw) - mean).powi(2)).sum::<f64>() / DRAWS as f64;
            assert!((average - mean).abs() < 2e-3, "{average} and {mean}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.15, "{} and {deviation}", square.sqrt());
        }
    }
}
