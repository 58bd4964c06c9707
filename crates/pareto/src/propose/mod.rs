//! Which weighting to train next, once the corners of the simplex are trained.

mod model;
mod posterior;
mod search;
mod support;

use posterior::Posterior;

use crate::{ParetoError, Prediction, check, simplex};

/// A weighting that was trained, with what was measured of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// A point on the simplex: one weight for each reward, at least 0, which sum to 1.
    pub weighting: Vec<f64>,
    /// The mean of each reward, on a scale that all rewards share and on which the reference point is 0.
    pub rewards: Vec<f64>,
    /// The standard error of each mean, on the same scale.
    pub errors: Vec<f64>,
}

/// A point that needs no training, measured or predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct Soup {
    /// The mean of each reward, on the scale of [`Trained::rewards`].
    pub rewards: Vec<f64>,
    /// The standard error of each mean; 0 where none is known.
    pub errors: Vec<f64>,
}

/// Proposes the weighting to train next.
///
/// # Model
/// Per reward, Gaussian-process regression over weightings w ([`Surrogate`](crate::Surrogate)) of what training gives:
/// Σ wₖ·cₖ + b·w·(1 − w) + a smooth remainder. The first term is the mix of the corners' values, which a straight front has; its
/// prior is broad. The second is a bend in the reward's own weight w. While only the corners are trained, the prediction is the mix of
/// their measured rewards.
///
/// b, in units of what the weight does to the reward from end to end, is the same for all rewards, and draws from the posterior
/// differ in it. The remainder's variance, in units of each reward's variance over the trained weightings, and its length are
/// the same for all rewards too, and are chosen from a small grid by marginal likelihood times a prior.
///
/// # What it hides
/// Corners alone say nothing of bends: until another weighting is trained, the expected gain is that of the prior, and with large
/// errors and many soups it may be too small to go on although the front is concave.
///
/// The errors of points and rewards are taken to be independent. Points measured on the same prompts share most of their error, so
/// the noise of a difference is smaller than is assumed. A second training run at one weighting differs by its seed as well; put
/// that into the errors. The model is smooth: it does not expect that training collapses to a corner.
#[derive(Debug, Clone)]
pub struct Proposer {
    trained: Vec<Trained>,
    soups: Vec<Soup>,
    seed: u64,
}

/// A weighting to train next, and what is expected of it. Everything is on the scale of [`Trained::rewards`].
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The weighting, one weight for each reward.
    pub weighting: Vec<f64>,
    /// By how much training it is expected to raise the hypervolume of all trained points and soups above the origin.
    pub expected_gain: f64,
    /// The expected hypervolume of what is known.
    pub hypervolume: f64,
    /// The standard deviation of that hypervolume, from the errors of what is known.
    pub noise: f64,
    /// The most by which it can raise the best weighted sum of rewards at this weighting; see
    /// [`Proposer::by_optimistic_support`].
    pub optimistic_improvement: f64,
    /// The prediction of each reward.
    pub predicted: Vec<Prediction>,
}

impl Proposal {
    /// Returns whether the expected gain is above the noise of the hypervolume; when it is not, stop.
    ///
    /// What it hides: a gain below the noise may be real and be found by measuring more prompts. Soups without errors make the noise
    /// too small.
    pub fn is_worth_it(&self) -> bool {
        self.expected_gain > self.noise
    }
}

/// Rewards, at most: vertices and hypervolumes of more take too long.
const MOST_REWARDS: usize = 8;
/// Weightings of the lattice that is searched, at most.
const CANDIDATES: usize = 2000;
/// Weightings closer than this in every weight are the same.
const SAME: f64 = 1e-3;
/// By how much a weighting's sum may differ from 1.
const ROUNDING: f64 = 1e-6;

impl Proposer {
    /// Returns a proposer that knows trained weightings, at least all corners of the simplex, and soups, perhaps none.
    ///
    /// All that it proposes is a function of these and the seed.
    ///
    /// # Errors
    /// No trained weightings, more than 8 rewards, rows of different lengths, NaN or infinite values, weightings off the simplex, negative
    /// errors, and a corner that is not trained.
    pub fn new(trained: Vec<Trained>, soups: Vec<Soup>, seed: u64) -> Result<Self, ParetoError> {
        check::not_empty("the list of trained weightings", &trained)?;
        let rewards = trained[0].weighting.len();
        if rewards > MOST_REWARDS {
            let value = rewards as f64;
            return Err(ParetoError::Setting { what: "the number of rewards", value, wanted: "at most 8" });
        }
        for (index, point) in trained.iter().enumerate() {
            check::row("trained weighting", index, &point.weighting, rewards)?;
            check::row("rewards of trained weighting", index, &point.rewards, rewards)?;
            check::row("errors of trained weighting", index, &point.errors, rewards)?;
            on_simplex(&point.weighting)?;
            not_negative("a standard error", &point.errors)?;
        }
        for (index, soup) in soups.iter().enumerate() {
            check::row("rewards of soup", index, &soup.rewards, rewards)?;
            check::row("errors of soup", index, &soup.errors, rewards)?;
            not_negative("a standard error", &soup.errors)?;
        }
        let proposer = Self { trained, soups, seed };
        let corners = simplex::corners(rewards)?;
        let known = corners.iter().filter(|corner| !proposer.is_new(corner)).count();
        if known < rewards {
            let value = known as f64;
            return Err(ParetoError::Setting {
                what: "the number of trained corners",
                value,
                wanted: "one per reward",
            });
        }
        Ok(proposer)
    }

    /// Returns the weighting with the greatest expected hypervolume improvement; nothing when every candidate is trained, as with
    /// one reward.
    ///
    /// The expectation is over 256 draws from the posterior, which hold the rewards at the trained weightings, the soups and the
    /// candidate together (noisy expected hypervolume improvement: Daulton, Balandat & Bakshy, 2021). Candidates are the finest simplex
    /// lattice of at most 2,000 weightings without the trained ones; from the best of them, smaller steps follow.
    ///
    /// # Errors
    /// Measurements that cannot be fitted.
    pub fn by_hypervolume_gain(&self) -> Result<Option<Proposal>, ParetoError> {
        let posterior = Posterior::new(&self.trained, &self.soups, self.seed)?;
        let candidates = self.candidates()?;
        let best = search::greatest_gain(&posterior, &candidates, |weighting| self.is_new(weighting));
        Ok(best.map(|weighting| self.proposal(&posterior, weighting)))
    }

    /// Returns the weighting with the greatest optimistic improvement of the best weighted sum of rewards; nothing when every
    /// candidate is trained.
    ///
    /// Optimistic linear support (Roijers, Whiteson & Oliehoek, 2015), with V(w) the best w·r of all known points: the
    /// improvement at w is max { w·v : wⱼ·v ≤ V(wⱼ) at all trained wⱼ } − V(w). It is convex between the kinks of V, hence greatest at
    /// one of these corner weights. With more than 4 rewards, which have too many corner weights, the lattice of
    /// [`Proposer::by_hypervolume_gain`] takes their place.
    ///
    /// What it hides: it takes means for exact, and training at w for optimal at w. Only the convex hull counts. The improvement is
    /// a bound and no expectation: stop by [`Proposal::is_worth_it`], which uses the model here too.
    ///
    /// # Errors
    /// Measurements that cannot be fitted.
    pub fn by_optimistic_support(&self) -> Result<Option<Proposal>, ParetoError> {
        let mut candidates = match self.rewards() {
            ..=4 => support::corner_weights(&self.known()),
            _ => self.candidates()?,
        };
        candidates.retain(|weighting| self.is_new(weighting));
        let improvements = candidates.into_iter().map(|weighting| (self.optimistic_improvement(&weighting), weighting));
        let best = improvements.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((_, weighting)) = best else { return Ok(None) };
        let posterior = Posterior::new(&self.trained, &self.soups, self.seed)?;
        Ok(Some(self.proposal(&posterior, weighting)))
    }

    fn proposal(&self, posterior: &Posterior, weighting: Vec<f64>) -> Proposal {
        let (hypervolume, noise) = posterior.hypervolume();
        Proposal {
            expected_gain: posterior.expected_gain(&weighting, usize::MAX),
            hypervolume,
            noise,
            optimistic_improvement: self.optimistic_improvement(&weighting),
            predicted: posterior.predict(&weighting),
            weighting,
        }
    }

    fn optimistic_improvement(&self, weighting: &[f64]) -> f64 {
        let known = self.known();
        let corners = simplex::corners(self.rewards()).unwrap_or_else(|_| unreachable!("there is at least one reward"));
        let trained = self.trained.iter().map(|point| point.weighting.clone());
        let ceilings: Vec<(Vec<f64>, f64)> =
            corners.into_iter().chain(trained).map(|w| (w.clone(), support::best_sum(&known, &w))).collect();
        (support::optimistic_sum(&ceilings, weighting) - support::best_sum(&known, weighting)).max(0.0)
    }

    fn candidates(&self) -> Result<Vec<Vec<f64>>, ParetoError> {
        let mut lattice = simplex::finest_lattice(self.rewards(), CANDIDATES)?;
        lattice.retain(|weighting| self.is_new(weighting));
        Ok(lattice)
    }

    /// Returns whether no trained weighting is the same.
    fn is_new(&self, weighting: &[f64]) -> bool {
        let same = |point: &Trained| point.weighting.iter().zip(weighting).all(|(a, b)| (a - b).abs() <= SAME);
        !self.trained.iter().any(same)
    }

    /// Returns the rewards of all that is known.
    fn known(&self) -> Vec<&[f64]> {
        let trained = self.trained.iter().map(|point| &point.rewards[..]);
        trained.chain(self.soups.iter().map(|soup| &soup.rewards[..])).collect()
    }

    fn rewards(&self) -> usize {
        self.trained[0].weighting.len()
    }
}

fn on_simplex(weighting: &[f64]) -> Result<(), ParetoError> {
    not_negative("a weight", weighting)?;
    let value: f64 = weighting.iter().sum();
    if (value - 1.0).abs() > ROUNDING {
        return Err(ParetoError::Setting { what: "the sum of a weighting", value, wanted: "1" });
    }
    Ok(())
}

fn not_negative(what: &'static str, values: &[f64]) -> Result<(), ParetoError> {
    match values.iter().find(|value| **value < 0.0) {
        None => Ok(()),
        Some(&value) => Err(ParetoError::Setting { what, value, wanted: "at least 0" }),
    }
}
