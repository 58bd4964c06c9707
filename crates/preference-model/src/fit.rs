//! Fitting: the mode by Newton's method, its precision by the evidence, the raters' noise by expectation maximisation.

use std::sync::Arc;

use crate::error::{PreferenceModelError, Result};
use crate::judgements::Judgements;
use crate::linear::{Cholesky, Matrix, dot, norm2};
use crate::model::{RewardModel, Threshold};
use crate::noise::Noise;
use crate::pool::Pool;
use crate::terms::Terms;

/// How the prior's variance is shared out to directions of the pool.
///
/// In coordinates of variance 1, the weight of a direction whose standardised features have the variance λ is `N(0, v·λ^γ)`. With
/// γ = 1 this is ridge regression on standardised features: what varies much over the pool matters much. With γ = 0 all directions
/// of the pool matter alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Shape {
    /// The best of γ = 0, ½ and 1 by its evidence.
    #[default]
    Chosen,
    /// This γ, 0 to 1.
    Fixed(f64),
}

/// Where the raters' lapses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Lapses {
    /// Each rater's is estimated, with a prior of mode 5 %.
    #[default]
    Estimated,
    /// All raters lapse with this probability, 0 to below 1.
    Fixed(f64),
}

/// How a model is fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FitSettings {
    /// How the prior is shared out. Default: chosen by the evidence.
    pub shape: Shape,
    /// Where lapses come from. Default: estimated.
    pub lapses: Lapses,
    /// The prior's precision: with it, `v = 1 / precision`. Default: none, it maximises the evidence.
    pub precision: Option<f64>,
}

/// The prior's variance of a score over the pool that the evidence begins at, in squared logits; and that of rater's offsets.
const SPREAD: f64 = 4.0;
const OFFSET: f64 = 9.0;

/// A fit at one shape of the prior.
struct Fit {
    weights: Vec<f64>,
    root: Matrix,
    precision: f64,
    shape: f64,
    noise: Noise,
    evidence: f64,
    effective: f64,
}

impl RewardModel {
    /// Fits a model to judgements over a pool.
    ///
    /// The mode of the posterior is found by Newton's method with the decisions' information (Fisher scoring), and the posterior is
    /// Laplace's: `Σ = (Λ + Rᵀ·R)⁻¹`. The prior's precision follows MacKay's updates (Neural Computation 4, 1992), `α = γ / Σ w²/s`
    /// with γ the number of well-determined weights; ties and lapses maximise the decisions' expected logarithm under the posterior.
    ///
    /// # Errors
    /// Refuses judgements without a decision or with invalid ones, and settings out of range.
    pub fn fit(pool: &Pool, judgements: &Judgements, settings: &FitSettings) -> Result<Self> {
        judgements.check(pool.len())?;
        settings.check()?;
        let usable = judgements.standardised_scores().iter().flatten().count();
        if judgements.comparisons.len() + judgements.rankings.len() + judgements.markings.len() + usable == 0 {
            let why = "there is no decision that counts: rate images of the pool first".to_owned();
            return Err(PreferenceModelError::TooFew { what: "fit", why });
        }
        let shapes = match settings.shape {
            Shape::Chosen => vec![0.0, 0.5, 1.0],
            Shape::Fixed(shape) => vec![shape],
        };
        let mut best: Option<Fit> = None;
        for shape in shapes {
            let fit = fit_shape(pool, judgements, settings, shape)?;
            if best.as_ref().is_none_or(|best| fit.evidence > best.evidence) {
                best = Some(fit);
            }
        }
        let fit = best.expect("there is a shape");
        let terms = Terms::new(pool.coordinates(), judgements, &fit.noise);
        let offsets = terms.offsets();
        let threshold = |(rater, offset): (&usize, &usize)| Threshold {
            rater: judgements.raters[*rater].clone(),
            value: fit.weights[*offset],
        };
        let components = pool.coordinates().columns;
        let mut root = Matrix::zeros(components, components);
        // Σ's last block is that of A's last block alone: A is lower triangular.
        for row in 0..components {
            root.row_mut(row).copy_from_slice(&fit.root.row(offsets + row)[offsets..]);
        }
        let weights = fit.weights[offsets..].to_vec();
        let space = Arc::clone(pool.space());
        // A direction outside of the components has the prior of one with the variance that is left there.
        let relative = space.residual_variance.powf(fit.shape) / mean_power(&space.variances, fit.shape);
        let outside = relative / fit.precision / space.residual_variance;
        Ok(Self {
            space,
            weights,
            root,
            outside,
            precision: fit.precision,
            shape: fit.shape,
            evidence: fit.evidence,
            effective: fit.effective,
            raters: judgements.raters.clone(),
            thresholds: terms.thresholds().iter().map(threshold).collect(),
            noise: fit.noise,
            judgements: judgements.len(),
        })
    }
}

impl RewardModel {
    /// Returns what is believed before any decision: all scores are 0, and as uncertain as the prior says. Questions can be chosen by
    /// it from the first on.
    ///
    /// # Errors
    /// Refuses settings out of range.
    pub fn prior(pool: &Pool, settings: &FitSettings) -> Result<Self> {
        settings.check()?;
        let shape = if let Shape::Fixed(shape) = settings.shape { shape } else { 0.5 };
        let space = Arc::clone(pool.space());
        let (components, mean) = (space.variances.len(), mean_power(&space.variances, shape));
        let precision = settings.precision.unwrap_or(components as f64 / SPREAD);
        let mut root = Matrix::zeros(components, components);
        for (row, variance) in space.variances.iter().enumerate() {
            root.row_mut(row)[row] = (variance.powf(shape) / mean / precision).sqrt();
        }
        let outside = space.residual_variance.powf(shape) / mean / precision / space.residual_variance;
        let judgements = Judgements::new();
        Ok(Self {
            space,
            weights: vec![0.0; components],
            root,
            outside,
            precision,
            shape,
            evidence: 0.0,
            effective: 0.0,
            raters: Vec::new(),
            thresholds: Vec::new(),
            noise: Noise::begin(&judgements, 0.05),
            judgements: 0,
        })
    }
}

impl FitSettings {
    fn check(&self) -> Result<()> {
        let refuse = |name, value: f64, expected| {
            Err(PreferenceModelError::Setting { name, value: value.to_string(), expected })
        };
        match (self.shape, self.lapses, self.precision) {
            (Shape::Fixed(shape), ..) if !(0.0..=1.0).contains(&shape) => refuse("shape", shape, "0 to 1"),
            (_, Lapses::Fixed(lapse), _) if !(0.0..1.0).contains(&lapse) => refuse("lapses", lapse, "0 to below 1"),
            (.., Some(precision)) if !(precision > 0.0 && precision.is_finite()) => {
                refuse("precision", precision, "a finite number above 0")
            }
            _ => Ok(()),
        }
    }
}

fn mean_power(variances: &[f64], shape: f64) -> f64 {
    variances.iter().map(|variance| variance.powf(shape)).sum::<f64>() / variances.len() as f64
}

/// What a step of Newton's method found.
struct Step {
    weights: Vec<f64>,
    factor: Cholesky,
    moved: f64,
}

fn newton(terms: &Terms<'_>, prior: &[f64], w: &[f64]) -> Result<Step> {
    let (mut gradient, rows) = terms.gradient_and_rows(w);
    gradient.iter_mut().zip(prior.iter().zip(w)).for_each(|(g, (prior, w))| *g -= prior * w);
    let mut information = rows.gram();
    let size = prior.len();
    (0..size).for_each(|i| information.values[i * size + i] += prior[i]);
    let numerics = PreferenceModelError::Numerics { problem: "the posterior's precision is not positive definite" };
    let factor = Cholesky::new(information).ok_or(numerics)?;
    let step = factor.solve(&gradient);
    let log = |w: &[f64]| terms.log(w) - 0.5 * prior.iter().zip(w).map(|(prior, w)| prior * w * w).sum::<f64>();
    let (start, rise) = (log(w), dot(&gradient, &step));
    let mut length = 1.0;
    loop {
        let next: Vec<f64> = w.iter().zip(&step).map(|(w, step)| w + length * step).collect();
        if log(&next) >= start + 1e-4 * length * rise || length < 1e-6 {
            let moved = length * norm2(&step).sqrt() / (1.0 + norm2(&next).sqrt());
            return Ok(Step { weights: next, factor, moved });
        }
        length *= 0.5;
    }
}

fn fit_shape(pool: &Pool, judgements: &Judgements, settings: &FitSettings, shape: f64) -> Result<Fit> {
    let variances = &pool.space().variances;
    let components = variances.len();
    let mean = mean_power(variances, shape);
    let share: Vec<f64> = variances.iter().map(|variance| variance.powf(shape) / mean).collect();
    let lapse = if let Lapses::Fixed(lapse) = settings.lapses { lapse } else { 0.05 };
    let mut noise = Noise::begin(judgements, lapse);
    let mut terms = Terms::new(pool.coordinates(), judgements, &noise);
    let offsets = terms.offsets();
    let begin = components as f64 / SPREAD;
    let mut precision = settings.precision.unwrap_or(begin);
    let prior = |precision: f64| -> Vec<f64> {
        let own = share.iter().map(|share| precision / share);
        std::iter::repeat_n(1.0 / OFFSET, offsets).chain(own).collect()
    };
    let mut weights = vec![0.0; terms.size()];
    let mut effective = 0.0;
    for round in 0..60 {
        let step = newton(&terms, &prior(precision), &weights)?;
        weights = step.weights;
        let root = step.factor.inverse_lower();
        let own = &weights[offsets..];
        let squares: f64 = own.iter().zip(&share).map(|(w, share)| w * w / share).sum();
        let mut left = 0.0;
        for row in 0..root.rows {
            for (value, share) in root.row(row)[offsets..].iter().zip(&share) {
                left += value * value / share;
            }
        }
        effective = (components as f64 - precision * left).max(0.0);
        let mut change = 0.0_f64;
        if settings.precision.is_none() {
            // Two weights' worth of a prior at the beginning's precision: with few decisions the evidence says little.
            let next = (effective + 2.0) / (squares + 2.0 / begin);
            change = (next / precision).ln().abs();
            precision = next;
        }
        if round >= 2 && (round % 3 == 2 || change < 0.02) {
            let before = noise.clone();
            let beliefs = terms.beliefs(&weights, &root);
            noise.update(judgements, &beliefs, terms.scores(), matches!(settings.lapses, Lapses::Fixed(_)));
            terms.set(&noise);
            let lapses = noise.lapses.iter().zip(&before.lapses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            change = change.max(lapses * 10.0).max((noise.slope / before.slope).ln().abs());
            if before.ties > 0.0 {
                change = change.max((noise.ties / before.ties).ln().abs());
            }
        } else if round < 2 {
            change = f64::INFINITY;
        }
        if change < 0.02 && step.moved < 1e-3 {
            break;
        }
    }
    let prior = prior(precision);
    let mut moved = f64::INFINITY;
    for _ in 0..20 {
        let step = newton(&terms, &prior, &weights)?;
        moved = step.moved;
        weights = step.weights;
        if moved < 1e-7 {
            break;
        }
    }
    debug_assert!(moved.is_finite());
    let (_, rows) = terms.gradient_and_rows(&weights);
    let mut information = rows.gram();
    let size = prior.len();
    (0..size).for_each(|i| information.values[i * size + i] += prior[i]);
    let numerics = PreferenceModelError::Numerics { problem: "the posterior's precision is not positive definite" };
    let factor = Cholesky::new(information).ok_or(numerics)?;
    let penalty: f64 = prior.iter().zip(&weights).map(|(prior, w)| prior * w * w).sum();
    let log_prior = prior.iter().map(|prior| prior.ln()).sum::<f64>() - penalty;
    let evidence = terms.log(&weights) + 0.5 * log_prior - 0.5 * factor.log_determinant();
    let root = factor.inverse_lower();
    Ok(Fit { weights, root, precision, shape, noise, evidence, effective })
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
