//! Expectations over one Gaussian variable, by Gauss and Hermite's rule.

use std::sync::OnceLock;

/// Nodes of the rule: exact for polynomials of degree 39.
const NODES: usize = 20;

/// Returns the nodes and weights for the standard normal distribution; the weights add up to 1.
pub(crate) fn nodes() -> &'static [(f64, f64); NODES] {
    static RULE: OnceLock<[(f64, f64); NODES]> = OnceLock::new();
    RULE.get_or_init(|| {
        // Roots of the normalised Hermite polynomial, found by bisection between sign changes.
        let value = |x: f64| {
            let (mut before, mut now) = (0.0, 1.0);
            for k in 0..NODES {
                let next = (x * now - (k as f64).sqrt() * before) / ((k + 1) as f64).sqrt();
                (before, now) = (now, next);
            }
            (now, before)
        };
        let mut rule = [(0.0, 0.0); NODES];
        let (mut found, step, last) = (0, 1e-3, 10.0);
        let mut x = -last;
        while found < NODES && x < last {
            let (mut low, mut high) = (x, x + step);
            if value(low).0.signum() != value(high).0.signum() {
                for _ in 0..60 {
                    let middle = low.midpoint(high);
                    if value(middle).0.signum() == value(low).0.signum() { low = middle } else { high = middle }
                }
                let before = value(low).1;
                rule[found] = (low, 1.0 / (NODES as f64 * before * before));
                found += 1;
            }
            x += step;
        }
        rule
    })
}

/// Returns E f(x) for x of this mean and standard deviation.
pub(crate) fn expectation(mean: f64, deviation: f64, f: impl Fn(f64) -> f64) -> f64 {
    nodes().iter().map(|(node, weight)| weight * f(mean + deviation * node)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        for (power, wanted) in [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0), (8, 105.0)] {
            let found = expectation(0.0, 1.0, |x| x.powi(power));
            assert!((found - wanted).abs() < 1e-9, "{power}: {found}");
        }
        let found = expectation(1.0, 2.0, f64::exp);
        assert!((found / 3.0_f64.exp() - 1.0).abs() < 1e-6, "E exp = exp(m + v/2): {found}");
    }
}
