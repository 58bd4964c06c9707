//! What an answer says: its mutual information with the weights, and its expected curvature.

use crate::likelihood::{answers, information_at};
use crate::quadrature::expectation;

fn entropy(p: [f64; 3]) -> f64 {
    p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}

/// Returns the mutual information of an answer and the score difference, in nats: `H[E p] − E H[p]` over `Δ ~ N(mean, variance)`
/// (Houlsby et al. 2011, arXiv:1112.5745). Ties and lapses are noise that no model explains.
pub(crate) fn mutual_information(mean: f64, variance: f64, ties: f64, lapse: f64) -> f64 {
    let deviation = variance.max(0.0).sqrt();
    let mut mixed = [0.0; 3];
    let mut conditional = 0.0;
    for (node, weight) in crate::quadrature::nodes() {
        let p = answers(mean + deviation * node, ties, lapse).map(|answer| answer.p);
        mixed.iter_mut().zip(p).for_each(|(mixed, p)| *mixed += weight * p);
        conditional += weight * entropy(p);
    }
    (entropy(mixed) - conditional).max(0.0)
}

/// Returns the expected Fisher information of an answer on the score difference.
pub(crate) fn expected_curvature(mean: f64, variance: f64, ties: f64, lapse: f64) -> f64 {
    expectation(mean, variance.max(0.0).sqrt(), |delta| information_at(delta, ties, lapse))
}
/// A function of a difference's mean and standard deviation, tabulated: 10⁵ candidates are looked up in a millisecond.
pub(crate) struct Table {
    values: Vec<f64>,
}

/// Steps per logit of the grid, its cells for the mean and for the deviation; beyond it the function is computed.
const FINE: f64 = 8.0;
const MEANS: usize = 81;
const DEVIATIONS: usize = 65;

impl Table {
    pub(crate) fn new(function: impl Fn(f64, f64) -> f64 + Sync) -> Self {
        use rayon::prelude::*;
        let values = (0..MEANS * DEVIATIONS)
            .into_par_iter()
            .map(|at| {
                let (mean, deviation) = ((at / DEVIATIONS) as f64 / FINE, (at % DEVIATIONS) as f64 / FINE);
                function(mean, deviation * deviation)
            })
            .collect();
        Self { values }
    }

    /// Interpolates; both arguments are clamped to the grid, beyond which functions are flat or hopeless.
    pub(crate) fn at(&self, mean: f64, variance: f64) -> f64 {
        let x = (mean.abs() * FINE).min(MEANS as f64 - 1.001);
        let y = (variance.max(0.0).sqrt() * FINE).min(DEVIATIONS as f64 - 1.001);
        let (i, j) = (x as usize, y as usize);
        let (u, v) = (x - i as f64, y - j as f64);
        let value = |i: usize, j: usize| self.values[i * DEVIATIONS + j];
        (1.0 - u) * ((1.0 - v) * value(i, j) + v * value(i, j + 1))
            + u * ((1.0 - v) * value(i + 1, j) + v * value(i + 1, j + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At mean 0 and without noise, H[½] − E H[σ(Δ)]; by scipy 1.17: quad over the normal density.
    #[test]
    fn information_is_that_of_numerical_integration() {
        for (mean, variance, ties, lapse, wanted) in super::super::super::golden::INFORMATION {
            let found = mutual_information(mean, variance, ties, lapse);
            assert!((found - wanted).abs() < 1e-5, "{mean} {variance} {ties} {lapse}: {found} {wanted}");
        }
    }

    #[test]
    fn uncertain_pairs_say_more_and_lapses_say_less() {
        let sure = mutual_information(0.0, 0.1, 0.0, 0.0);
        assert!(mutual_information(0.0, 1.0, 0.0, 0.0) > 2.0 * sure);
        assert!(mutual_information(3.0, 0.1, 0.0, 0.0) < sure);
        assert!(mutual_information(0.0, 1.0, 0.0, 0.3) < mutual_information(0.0, 1.0, 0.0, 0.0));
        assert!(mutual_information(0.0, 0.0, 0.4, 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_table_is_near_the_function() {
        let table = Table::new(|mean, variance| mutual_information(mean, variance, 0.3, 0.1));
        for (mean, variance) in [(0.03, 0.2), (-1.7, 3.3), (4.0, 10.0), (0.0, 0.0)] {
            let wanted = mutual_information(mean, variance, 0.3, 0.1);
            assert!((table.at(mean, variance) - wanted).abs() < 2e-3, "{mean} {variance}");
        }
    }
}
