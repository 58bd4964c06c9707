//! Draws from a symmetric Dirichlet distribution, as normalised Gamma draws.

use crate::NoiseKey;

/// Returns `count` shares that sum to 1. They are formed from logarithms, so that small concentrations do not underflow.
pub(super) fn draw(concentration: f64, count: usize, key: NoiseKey) -> Vec<f64> {
    let logs: Vec<f64> = (0..count as u64).map(|index| log_gamma_draw(concentration, key.with(index))).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / sum).collect()
}

/// Returns the logarithm of a Gamma(shape, 1) draw: Marsaglia & Tsang's method (ACM TOMS 2000), and for shapes below 1
/// their boost Gamma(shape) = Gamma(shape + 1) · U^(1/shape).
fn log_gamma_draw(shape: f64, key: NoiseKey) -> f64 {
    if shape < 1.0 {
        return log_gamma_draw(shape + 1.0, key) + positive_uniform(key.named("boost")).ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    (0..)
        .find_map(|attempt| {
            let key = key.with(attempt);
            let x = f64::from(key.normal(1)[0]);
            let v = (1.0 + c * x).powi(3);
            let accepted = v > 0.0 && positive_uniform(key.named("accept")).ln() < 0.5 * x * x + d * (1.0 - v + v.ln());
            accepted.then(|| (d * v).ln())
        })
        .expect("each attempt is accepted with a probability above 0.95")
}

/// Returns a uniform number in (0, 1].
fn positive_uniform(key: NoiseKey) -> f64 {
    1.0 - key.uniform(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_draws_have_the_mean_and_variance_of_their_shape() {
        for shape in [0.3, 1.0, 4.5] {
            let draws: Vec<f64> = (0..20_000).map(|i| log_gamma_draw(shape, NoiseKey::new(3).with(i)).exp()).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((mean / shape - 1.0).abs() < 0.05, "shape {shape}: mean {mean}");
            assert!((variance / shape - 1.0).abs() < 0.1, "shape {shape}: variance {variance}");
        }
    }

    #[test]
    fn small_concentrations_gather_at_corners_and_never_underflow() {
        for draw_index in 0..200 {
            let shares = draw(0.01, 3, NoiseKey::new(1).with(draw_index));
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
            assert!(shares.iter().all(|share| share.is_finite() && *share >= 0.0), "{shares:?}");
        }
    }
}
