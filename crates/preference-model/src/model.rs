//! A fitted reward: its mean, its variance, its lower bound, and their gradients.

use std::sync::Arc;

use crate::likelihood::answers;
use crate::linear::{Matrix, dot, norm2};
use crate::noise::Noise;
use crate::pool::Pool;
use crate::quadrature::expectation;
use crate::space::{Placed, Space};

/// A rater's threshold: an image of this score is called good as often as bad.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The rater.
    pub rater: String,
    /// The threshold, in logits.
    pub value: f64,
}

/// A normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The variance.
    pub variance: f64,
}

/// A reward fitted to judgements: a linear head with the posterior of its weights.
///
/// **Unit.** Scores are in logits of choice: of two images whose scores differ by 1, the better one is preferred with probability
/// 73 %, apart from ties and lapses. Their zero is the mean over the pool, where nothing is uncertain by definition. A reward of
/// which little is known has scores near 0, and does not pretend otherwise; [`RewardModel::deviation`] turns logits into standard
/// deviations over a pool. A model fitted to scores alone has standard deviations of the raters' scores for logits.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardModel {
    pub(crate) space: Arc<Space>,
    /// The posterior's mean, one weight per coordinate.
    pub(crate) weights: Vec<f64>,
    /// The lower triangular root `A` of the posterior's covariance `Σ = Aᵀ·A`.
    pub(crate) root: Matrix,
    /// The prior's variance per squared length of the residual.
    pub(crate) outside: f64,
    pub(crate) precision: f64,
    pub(crate) shape: f64,
    pub(crate) evidence: f64,
    pub(crate) effective: f64,
    pub(crate) raters: Vec<String>,
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) noise: Noise,
    pub(crate) judgements: usize,
}

impl RewardModel {
    /// Returns the expected score of an image, in logits.
    ///
    /// # Panics
    /// Where the image has another number of features than the pool; so do all methods that take features.
    pub fn mean(&self, x: &[f32]) -> f64 {
        dot(&self.space.place(x).z, &self.weights)
    }

    /// Returns the variance of an image's score, in squared logits: `zᵀ·Σ·z`, and the prior's variance for what of the image is
    /// outside of all that varies over the pool.
    pub fn variance(&self, x: &[f32]) -> f64 {
        self.variance_at(&self.space.place(x))
    }

    /// Returns the lower confidence bound `mean − pessimism·√variance`, in logits. It is low where nobody has judged.
    pub fn lower(&self, x: &[f32], pessimism: f64) -> f64 {
        let placed = self.space.place(x);
        dot(&placed.z, &self.weights) - pessimism * self.variance_at(&placed).sqrt()
    }

    fn variance_at(&self, placed: &Placed) -> f64 {
        norm2(&self.root.times(&placed.z)) + self.outside * placed.distance2()
    }

    /// Returns ∂ mean / ∂x, the same everywhere.
    ///
    /// # Shapes
    /// `[features]`.
    pub fn mean_gradient(&self) -> Vec<f64> {
        self.space.pull_back(&self.weights, None)
    }

    /// Returns ∂ variance / ∂x.
    ///
    /// # Shapes
    /// `[features]`.
    pub fn variance_gradient(&self, x: &[f32]) -> Vec<f64> {
        let Placed { z, residual } = self.space.place(x);
        let by_z: Vec<f64> = self.root.transposed_times(&self.root.times(&z)).iter().map(|g| 2.0 * g).collect();
        let by_residual: Vec<f64> = residual.iter().map(|r| 2.0 * self.outside * r).collect();
        self.space.pull_back(&by_z, Some(&by_residual))
    }

    /// Returns ∂ lower / ∂x. At the pool's mean, where the bound has a cusp, it is that of the mean.
    ///
    /// # Shapes
    /// `[features]`.
    pub fn lower_gradient(&self, x: &[f32], pessimism: f64) -> Vec<f64> {
        let variance = self.variance(x);
        let mut gradient = self.mean_gradient();
        if variance > 0.0 && pessimism != 0.0 {
            let factor = 0.5 * pessimism / variance.sqrt();
            gradient.iter_mut().zip(self.variance_gradient(x)).for_each(|(g, v)| *g -= factor * v);
        }
        gradient
    }

    /// Returns the distribution of `score(a) − score(b)`.
    pub fn difference(&self, a: &[f32], b: &[f32]) -> Normal {
        let (a, b) = (self.space.place(a), self.space.place(b));
        let z: Vec<f64> = a.z.iter().zip(&b.z).map(|(a, b)| a - b).collect();
        let residual = a.residual.iter().zip(&b.residual).map(|(a, b)| a - b).collect();
        let placed = Placed { z, residual };
        Normal { mean: dot(&placed.z, &self.weights), variance: self.variance_at(&placed) }
    }

    /// Returns the expected scores of a pool's images, in logits.
    pub fn scores(&self, pool: &Pool) -> Vec<f64> {
        pool.coordinates().times(&self.weights)
    }

    /// Returns the standard deviation of the expected scores over a pool, in logits.
    pub fn deviation(&self, pool: &Pool) -> f64 {
        let scores = self.scores(pool);
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / scores.len().max(1) as f64).sqrt()
    }

    /// Returns the distribution of `score(a) − score(b)` of a pool's images; what of them is outside of the space is left out.
    pub fn difference_in(&self, pool: &Pool, a: usize, b: usize) -> Normal {
        let (a, b) = (pool.coordinates().row(a), pool.coordinates().row(b));
        let z: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        Normal { mean: dot(&z, &self.weights), variance: norm2(&self.root.times(&z)) }
    }

    /// Returns the probabilities of the answers "first", "second" and "tie" of a rater who lapses this often, averaged over what is
    /// uncertain.
    pub fn predict(&self, difference: Normal, lapse: f64) -> [f64; 3] {
        [0, 1, 2].map(|answer| {
            expectation(difference.mean, difference.variance.max(0.0).sqrt(), |delta| {
                answers(delta, self.noise.ties, lapse)[answer].p
            })
        })
    }

    /// Returns the space in which the model is linear.
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// Returns how the raters answer, beside the scores; lapses are in the order of [`RewardModel::raters`].
    pub fn noise(&self) -> &Noise {
        &self.noise
    }

    /// Returns the raters.
    pub fn raters(&self) -> &[String] {
        &self.raters
    }

    /// Returns the thresholds of raters that called images good or bad.
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    /// Returns the logarithm of the evidence: of the probability of all decisions under the prior, by Laplace's approximation.
    pub fn evidence(&self) -> f64 {
        self.evidence
    }

    /// Returns the prior's precision, which the evidence chose unless it was given.
    pub fn precision(&self) -> f64 {
        self.precision
    }

    /// Returns γ, by which the prior is shared out ([`crate::Shape`]).
    pub fn shape(&self) -> f64 {
        self.shape
    }

    /// Returns how many weights the decisions determine, rather than the prior; 0 to the number of components.
    pub fn determined(&self) -> f64 {
        self.effective
    }

    /// Returns how many decisions it is fitted to.
    pub fn judgements(&self) -> usize {
        self.judgements
    }

    /// Returns the posterior's roots times the pool's coordinates, `[images, components]`: their inner products are covariances.
    pub(crate) fn spreads(&self, pool: &Pool) -> Matrix {
        pool.coordinates().times_transposed(&self.root)
    }
}
