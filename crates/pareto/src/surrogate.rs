//! A surrogate of one reward over the shares of a soup.

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
    /// Cholesky's lower triangle of K + noise, row by row.
    factor: Vec<Vec<f64>>,
    /// (K + noise)⁻¹ · values.
    solved: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Kernel {
    remainder: f64,
    length: f64,
}

impl Kernel {
    const GRID: [(f64, f64); 6] = [(0.003, 0.4), (0.003, 0.8), (0.03, 0.4), (0.03, 0.8), (0.3, 0.4), (0.3, 0.8)];

    fn of(self, one: &[f64], other: &[f64]) -> f64 {
        let dot: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
        let square: f64 = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
        1.0 + dot + dot * dot + self.remainder * (-square / (2.0 * self.length * self.length)).exp()
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
        let centre = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / values.len() as f64;
        let error = deviations.iter().map(|d| d * d).sum::<f64>() / values.len() as f64;
        let spread = variance.max(error).sqrt().max(1e-9);
        let scaled: Vec<f64> = values.iter().map(|v| (v - centre) / spread).collect();
        let noise: Vec<f64> = deviations.iter().map(|d| (d / spread).powi(2).max(1e-6)).collect();
        let fits = Kernel::GRID.iter().filter_map(|(remainder, length)| {
            let kernel = Kernel { remainder: *remainder, length: *length };
            let factor = cholesky(shares, kernel, &noise)?;
            let solved = solve(&factor, &scaled);
            let fit: f64 = solved.iter().zip(&scaled).map(|(a, b)| a * b).sum();
            let volume: f64 = factor.iter().enumerate().map(|(i, row)| 2.0 * row[i].ln()).sum();
            Some((-0.5 * (fit + volume), kernel, factor, solved))
        });
        let best = fits.max_by(|one, other| one.0.total_cmp(&other.0));
        let Some((_, kernel, factor, solved)) = best else {
            return Err(ParetoError::Setting { what: "a standard error", value: error.sqrt(), wanted: "positive" });
        };
        Ok(Self { shares: shares.to_vec(), kernel, centre, spread, factor, solved })
    }

    /// Predicts the reward of shares, as many as were fitted.
    pub fn predict(&self, shares: &[f64]) -> Prediction {
        let covariances: Vec<f64> = self.shares.iter().map(|known| self.kernel.of(known, shares)).collect();
        let mean: f64 = covariances.iter().zip(&self.solved).map(|(k, s)| k * s).sum();
        let explained: f64 = forward(&self.factor, &covariances).iter().map(|v| v * v).sum();
        let variance = (self.kernel.of(shares, shares) - explained).max(0.0);
        Prediction { mean: self.centre + self.spread * mean, deviation: self.spread * variance.sqrt() }
    }
}

/// Returns the Cholesky factor of the kernel matrix with noise on its diagonal; nothing when it is not positive definite.
fn cholesky(shares: &[Vec<f64>], kernel: Kernel, noise: &[f64]) -> Option<Vec<Vec<f64>>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(shares.len());
    for (i, row) in shares.iter().enumerate() {
        let mut new = Vec::with_capacity(i + 1);
        for (j, known) in shares.iter().enumerate().take(i + 1) {
            let above = if i == j { &new } else { &factor[j] };
            let dot: f64 = new.iter().zip(above).take(j).map(|(a, b): (&f64, &f64)| a * b).sum();
            let rest = kernel.of(row, known) + if i == j { noise[i] } else { 0.0 } - dot;
            if i == j && (rest <= 0.0 || !rest.is_finite()) {
                return None;
            }
            new.push(if i == j { rest.sqrt() } else { rest / factor[j][j] });
        }
        factor.push(new);
    }
    Some(factor)
}

/// Returns L⁻¹·v.
fn forward(factor: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::with_capacity(values.len());
    for (row, value) in factor.iter().zip(values) {
        let known: f64 = row.iter().zip(&out).map(|(l, x)| l * x).sum();
        out.push((value - known) / row[out.len()]);
    }
    out
}

/// Returns (L·Lᵀ)⁻¹·v.
fn solve(factor: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let mut out = forward(factor, values);
    for i in (0..out.len()).rev() {
        let known: f64 = (i + 1..out.len()).map(|k| factor[k][i] * out[k]).sum();
        out[i] = (out[i] - known) / factor[i][i];
    }
    out
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
