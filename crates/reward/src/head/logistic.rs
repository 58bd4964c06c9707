//! Logistic regression on one cosine.

use crate::RewardError;

/// Returns (slope a, threshold θ) of p = σ(a·(cos − θ)) that minimise the mean log loss plus `ridge`/2 · (a·σ_cos)²,
/// by Newton's method on standardised cosines.
///
/// Where the cosine alone tells the two kinds of examples apart, only the ridge bounds the slope: 1e-3 is sharp, and 1e-2
/// leaves a gradient for training. How often each kind occurs is built in.
///
/// # Errors
/// Refuses examples of one kind only, and cosines that do not rise from the one to the other.
pub fn fit_logistic(cosines: &[f32], present: &[bool], ridge: f64) -> Result<(f32, f32), RewardError> {
    if cosines.len() != present.len() || !present.contains(&true) || !present.contains(&false) {
        return Err(RewardError::Fit("give images of both kinds, each with its cosine"));
    }
    let count = cosines.len() as f64;
    let mean = cosines.iter().map(|c| f64::from(*c)).sum::<f64>() / count;
    let deviation = (cosines.iter().map(|c| (f64::from(*c) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let flat = RewardError::Fit("the cosines do not rise with what they should tell: does CLIP know its texts?");
    if deviation.is_nan() || deviation <= 1e-9 {
        return Err(flat);
    }
    let examples: Vec<(f64, f64)> = cosines
        .iter()
        .zip(present)
        .map(|(c, present)| ((f64::from(*c) - mean) / deviation, f64::from(u8::from(*present))))
        .collect();
    let loss = |slope: f64, bias: f64| {
        let log_loss = |(x, y): &(f64, f64)| {
            let logit = slope * x + bias;
            logit.max(0.0) + (-logit.abs()).exp().ln_1p() - y * logit
        };
        examples.iter().map(log_loss).sum::<f64>() / count + ridge / 2.0 * slope * slope
    };
    let (mut slope, mut bias) = (0.0, 0.0);
    for _ in 0..100 {
        let (mut gradient, mut curvature) = ([ridge * slope, 0.0], [ridge, 0.0, 1e-12]);
        for (x, y) in &examples {
            let p = 1.0 / (1.0 + (-(slope * x + bias)).exp());
            let (error, weight) = ((p - y) / count, p * (1.0 - p) / count);
            gradient[0] += error * x;
            gradient[1] += error;
            curvature[0] += weight * x * x;
            curvature[1] += weight * x;
            curvature[2] += weight;
        }
        let [xx, xo, oo] = curvature;
        let determinant = (xx * oo - xo * xo).max(1e-300);
        let step =
            [(oo * gradient[0] - xo * gradient[1]) / determinant, (xx * gradient[1] - xo * gradient[0]) / determinant];
        // Newton's step can overshoot where classes separate: halve it until the loss falls.
        let before = loss(slope, bias);
        let shares = (0..40).map(|halvings| 0.5_f64.powi(halvings));
        let Some(share) =
            shares.into_iter().find(|share| loss(slope - share * step[0], bias - share * step[1]) < before)
        else {
            break;
        };
        slope -= share * step[0];
        bias -= share * step[1];
    }
    if slope <= 0.0 {
        return Err(flat);
    }
    let threshold = (mean - bias / slope * deviation).clamp(-1.0, 1.0);
    Ok(((slope / deviation) as f32, threshold as f32))
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn logistic_regression_finds_slope_and_threshold() {
        let key = NoiseKey::new(5);
        let cosines: Vec<f32> = key.normal(20_000).iter().map(|x| 0.2 + 0.1 * x).collect();
        let drawn = |(i, c): (usize, &f32)| {
            key.named("label").uniform(i as u64) < 1.0 / (1.0 + (-20.0 * (f64::from(*c) - 0.3)).exp())
        };
        let present: Vec<bool> = cosines.iter().enumerate().map(drawn).collect();
        let (slope, threshold) = fit_logistic(&cosines, &present, 1e-6).expect("fits");
        assert!((slope - 20.0).abs() < 1.0 && (threshold - 0.3).abs() < 0.01, "{slope} {threshold}");
    }

    #[test]
    fn separable_examples_get_a_finite_slope_and_useless_ones_are_refused() {
        let (cosines, present) = ([0.1, 0.2, 0.8, 0.9], [false, false, true, true]);
        let (slope, threshold) = fit_logistic(&cosines, &present, 1e-2).expect("fits");
        assert!(slope.is_finite() && slope > 1.0 && (threshold - 0.5).abs() < 0.05, "{slope} {threshold}");
        assert!(fit_logistic(&cosines, &present.map(|p| !p), 1e-2).is_err());
        assert!(fit_logistic(&cosines, &[true; 4], 1e-2).is_err());
        assert!(fit_logistic(&[0.5; 4], &present, 1e-2).is_err());
    }
}
