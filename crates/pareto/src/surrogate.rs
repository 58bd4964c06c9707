//! A surrogate of one reward over the shares of a soup.

use crate::cholesky::Cholesky;
use crate::{ParetoError, check};

/// What a surrogate says of shares that were not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The expected value.
    pub mean: f64,
    /// Its standard deviation: how unsure the surrogate is of what a measurement without noise would give.
    pub deviation: f64,
}

/// Gaussian-process regression (Rasmussen & Williams, 2006) of a reward on shares λ.
///
/// The kernel is that of Scheffé's quadratic mixture model (1958), c² + λ·λ′ + (λ·λ′)², plus a smooth remainder
/// w·exp(−‖λ − λ′‖² / 2ℓ²) for what is not quadratic, in units of the measured values' spread. w and ℓ are those of a small
/// grid under which the measurements are likeliest.
///
/// What it hides: the deviation is that of the model. Where the reward has a kink between two measurements, the surrogate
/// is sure and wrong; confirm by measuring.
#[derive(Debug, Clone)]
pub struct Surrogate {
    shares: Vec<Vec<f64>>,
    kernel: Kernel,
    /// Mean of the values, and their spread.
    centre: f64,
    spread: f64,
    /// The variance of each measurement, in units of the spread's square.
    noise: Vec<f64>,
    /// The factor of K + noise.
    factor: Cholesky,
    /// (K + noise)⁻¹ · values.
    solved: Vec<f64>,
}

/// The covariance of a reward between two rows of shares, in units of the spread's square:
/// linear·(1 + λ·λ′) + quadratic·(λ·λ′)² + remainder·exp(−‖λ − λ′‖² / 2 length²).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    /// Variance of the constant and of each share's coefficient.
    pub(crate) linear: f64,
    /// Variance of the coefficients of products of two shares.
    pub(crate) quadratic: f64,
    /// Variance of what is not quadratic.
    pub(crate) remainder: f64,
    /// Over which distance of shares the remainder changes.
    pub(crate) length: f64,
}

impl Kernel {
    /// Remainders and lengths that [`Surrogate::fit`] tries.
    const GRID: [(f64, f64); 6] = [(0.003, 0.4), (0.003, 0.8), (0.03, 0.4), (0.03, 0.8), (0.3, 0.4), (0.3, 0.8)];

    fn of(self, one: &[f64], other: &[f64]) -> f64 {
        let dot: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
        let square: f64 = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
        let smooth = (-square / (2.0 * self.length * self.length)).exp();
        self.linear * (1.0 + dot) + self.quadratic * dot * dot + self.remainder * smooth
    }
}

impl Surrogate {
    /// Fits measurements: row `i` of `shares` gave `values[i]`, with `deviations[i]` as standard error.
    ///
    /// # Errors
    /// No measurements, lists that differ in length, and numbers that are not finite.
    pub fn fit(shares: &[Vec<f64>], values: &[f64], deviations: &[f64]) -> Result<Self, ParetoError> {
        check::not_empty("the list of measurements", values)?;
        check::rows("shares of measurement", shares)?;
        for (what, list) in [("the list of values", values), ("the list of standard errors", deviations)] {
            check::row(what, 0, list, shares.len())?;
        }
        let kernels = Kernel::GRID.map(|(remainder, length)| Kernel { linear: 1.0, quadratic: 1.0, remainder, length });
        let spread = spread(values, deviations);
        let fits = kernels.into_iter().filter_map(|kernel| Self::fit_with(kernel, spread, shares, values, deviations));
        let best = fits.max_by(|one, other| one.1.total_cmp(&other.1));
        best.map(|(surrogate, _)| surrogate).ok_or_else(|| not_fitted(deviations))
    }

    /// Fits measurements that were checked with one kernel, in units of a spread. Returns the logarithm of their likelihood too, up to a
    /// constant of the spread; nothing if no kernel can distinguish the measurements.
    pub(crate) fn fit_with(
        kernel: Kernel,
        spread: f64,
        shares: &[Vec<f64>],
        values: &[f64],
        deviations: &[f64],
    ) -> Option<(Self, f64)> {
        let centre = values.iter().sum::<f64>() / values.len() as f64;
        let scaled: Vec<f64> = values.iter().map(|v| (v - centre) / spread).collect();
        let noise: Vec<f64> = deviations.iter().map(|d| (d / spread).powi(2).max(1e-6)).collect();
        let covariance = |i: usize, j: usize| kernel.of(&shares[i], &shares[j]) + if i == j { noise[i] } else { 0.0 };
        let factor = Cholesky::of(shares.len(), covariance)?;
        let solved = factor.solve(&scaled);
        let fit: f64 = solved.iter().zip(&scaled).map(|(a, b)| a * b).sum();
        let likelihood = -0.5 * (fit + factor.log_determinant());
        Some((Self { shares: shares.to_vec(), kernel, centre, spread, noise, factor, solved }, likelihood))
    }

    /// Predicts the reward of shares, as many as were fitted.
    pub fn predict(&self, shares: &[f64]) -> Prediction {
        let covariances = self.with_measured(shares);
        let mean: f64 = covariances.iter().zip(&self.solved).map(|(k, s)| k * s).sum();
        let explained: f64 = self.factor.forward(&covariances).iter().map(|v| v * v).sum();
        let variance = (self.kernel.of(shares, shares) - explained).max(0.0);
        Prediction { mean: self.centre + self.spread * mean, deviation: self.spread * variance.sqrt() }
    }

    /// Returns the covariance, given the measurements, of the reward at these shares with the reward at those of each measurement,
    /// both without noise.
    ///
    /// With N the noise and k the prior covariances, k − K·(K + N)⁻¹·k = N·(K + N)⁻¹·k.
    pub(crate) fn covariances(&self, shares: &[f64]) -> Vec<f64> {
        let solved = self.factor.solve(&self.with_measured(shares));
        solved.iter().zip(&self.noise).map(|(s, noise)| self.spread * self.spread * noise * s).collect()
    }

    /// Returns the prior covariances with the measurements.
    fn with_measured(&self, shares: &[f64]) -> Vec<f64> {
        self.shares.iter().map(|known| self.kernel.of(known, shares)).collect()
    }
}

/// Returns the standard deviation of values, or their error where it is larger; positive.
pub(crate) fn spread(values: &[f64], deviations: &[f64]) -> f64 {
    let centre = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / values.len() as f64;
    let error = deviations.iter().map(|d| d * d).sum::<f64>() / values.len() as f64;
    variance.max(error).sqrt().max(1e-9)
}

/// Says that no kernel can distinguish the measurements.
pub(crate) fn not_fitted(deviations: &[f64]) -> ParetoError {
    let value = deviations.iter().copied().fold(f64::INFINITY, f64::min);
    ParetoError::Setting { what: "a standard error", value, wanted: "large enough to tell the measurements apart" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplex;

    fn reward(shares: &[f64]) -> f64 {
        0.5 + 0.2 * shares[0] - 0.1 * shares[1] + 0.3 * shares[0] * shares[2]
    }

    #[test]
    fn a_quadratic_mixture_is_learnt_from_a_small_lattice() {
        let known = simplex::lattice(3, 2).unwrap();
        let values: Vec<f64> = known.iter().map(|shares| reward(shares)).collect();
        let surrogate = Surrogate::fit(&known, &values, &[1e-4; 6]).unwrap();
        for shares in simplex::lattice(3, 7).unwrap() {
            let Prediction { mean, deviation } = surrogate.predict(&shares);
            let miss = (mean - reward(&shares)).abs();
            assert!(miss < 0.01 && miss < 4.0 * deviation + 1e-3, "{shares:?}: {mean} ± {deviation}");
        }
    }

    #[test]
    fn it_is_surest_where_it_was_measured_and_noise_makes_it_less_sure() {
        let known = simplex::corners(3).unwrap();
        let values = [0.2, 0.5, 0.3];
        let precise = Surrogate::fit(&known, &values, &[1e-3; 3]).unwrap();
        let noisy = Surrogate::fit(&known, &values, &[0.1; 3]).unwrap();
        let centre = simplex::centre(3).unwrap();
        assert!(precise.predict(&known[0]).deviation < 0.1 * precise.predict(&centre).deviation);
        assert!(noisy.predict(&known[0]).deviation > 10.0 * precise.predict(&known[0]).deviation);
        assert!((precise.predict(&known[1]).mean - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_measurement_covaries_with_itself_by_the_square_of_its_deviation() {
        let known = simplex::lattice(3, 2).unwrap();
        let values: Vec<f64> = known.iter().map(|shares| reward(shares)).collect();
        let surrogate = Surrogate::fit(&known, &values, &[0.03, 0.02, 0.01, 0.05, 0.02, 0.03]).unwrap();
        for (place, shares) in known.iter().enumerate() {
            let variance = surrogate.predict(shares).deviation.powi(2);
            assert!((surrogate.covariances(shares)[place] / variance - 1.0).abs() < 1e-9);
            let others = (0..6).map(|other| (surrogate.covariances(&known[other])[place], other));
            assert!(others.into_iter().all(|(c, other)| (c - surrogate.covariances(shares)[other]).abs() < 1e-12));
        }
    }

    #[test]
    fn equal_values_and_single_measurements_are_fine_and_nonsense_is_not() {
        let one = Surrogate::fit(&[vec![1.0]], &[0.7], &[0.0]).unwrap();
        assert!((one.predict(&[1.0]).mean - 0.7).abs() < 1e-6);
        let twice = Surrogate::fit(&[vec![0.5, 0.5], vec![0.5, 0.5]], &[0.7, 0.7], &[0.0, 0.0]).unwrap();
        assert!(twice.predict(&[0.2, 0.8]).deviation.is_finite());
        assert!(Surrogate::fit(&[], &[], &[]).is_err());
        assert!(Surrogate::fit(&[vec![1.0]], &[f64::NAN], &[0.1]).is_err());
        assert!(Surrogate::fit(&[vec![1.0]], &[0.1, 0.2], &[0.1, 0.1]).is_err());
    }
}
