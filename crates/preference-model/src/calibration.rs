//! Whether predicted probabilities come true.

use crate::noise::golden;

/// The predictions of similar confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The sum of their weights.
    pub weight: f64,
    /// The mean of the probabilities that were given to the likelier answers, ½ to 1.
    pub confidence: f64,
    /// The share of them that came true.
    pub accuracy: f64,
}

/// Whether predicted probabilities come true.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The expected calibration error: the mean of |confidence − accuracy| over bins, by weight (Naeini et al. 2015). It hides errors
    /// that cancel within a bin, and is above 0 by chance with few predictions.
    pub error: f64,
    /// The bins that are not empty, by confidence.
    pub bins: Vec<Bin>,
    /// The temperature T by which log-odds are to be divided for the least log-loss; above 1 where the model is overconfident
    /// (Guo et al. 2017, arXiv:1706.04599).
    pub temperature: f64,
    /// The mean log-loss in nats; ln 2 = 0.693 is chance.
    pub log_loss: f64,
    /// The log-loss with that temperature, which was chosen on the same predictions.
    pub log_loss_at_temperature: f64,
}

/// Returns the calibration of predictions, given as the probability of what came true and a weight.
pub(crate) fn calibrate(predictions: &[(f64, f64)], bins: usize) -> Calibration {
    let mut sums = vec![(0.0, 0.0, 0.0); bins.max(1)];
    let mut total = 0.0;
    for (p, weight) in predictions {
        let confidence = p.max(1.0 - p);
        let bin = (((confidence - 0.5) * 2.0 * bins as f64) as usize).min(sums.len() - 1);
        // A coin's throw is half right.
        let right = if (p - 0.5).abs() < 1e-12 { 0.5 } else { f64::from(*p > 0.5) };
        sums[bin].0 += weight;
        sums[bin].1 += weight * confidence;
        sums[bin].2 += weight * right;
        total += weight;
    }
    let full = sums.into_iter().filter(|(weight, ..)| *weight > 0.0);
    let bins: Vec<Bin> = full
        .map(|(weight, confidence, right)| Bin { weight, confidence: confidence / weight, accuracy: right / weight })
        .collect();
    let error = bins.iter().map(|bin| bin.weight * (bin.confidence - bin.accuracy).abs()).sum::<f64>() / total;
    let loss = |temperature: f64| {
        let each = predictions.iter().map(|(p, weight)| {
            let p = p.clamp(1e-12, 1.0 - 1e-12);
            let odds = (p / (1.0 - p)).ln() / temperature;
            weight * if odds > 0.0 { (-odds).exp().ln_1p() } else { odds.exp().ln_1p() - odds }
        });
        each.sum::<f64>() / total
    };
    let temperature = golden(|log| -loss(log.exp()), 0.1_f64.ln(), 10.0_f64.ln(), 40).exp();
    Calibration { error, bins, temperature, log_loss: loss(1.0), log_loss_at_temperature: loss(temperature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn true_probabilities_are_calibrated_and_sharpened_ones_are_not() {
        let mut honest = Vec::new();
        for percent in [55, 70, 90] {
            let p = f64::from(percent) / 100.0;
            honest.extend([(p, f64::from(percent)), (1.0 - p, f64::from(100 - percent))]);
        }
        let calibration = calibrate(&honest, 10);
        assert!(calibration.error < 1e-12 && (calibration.temperature - 1.0).abs() < 1e-3, "{calibration:?}");
        let entropy = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
        let wanted = [0.55, 0.7, 0.9].map(entropy).iter().sum::<f64>() / 3.0;
        assert!((calibration.log_loss - wanted).abs() < 1e-12);
        // Log-odds three times too large.
        let sharpen = |p: f64| 1.0 / (1.0 + ((1.0 - p) / p).powi(3));
        let sharp: Vec<(f64, f64)> = honest.iter().map(|(p, weight)| (sharpen(*p), *weight)).collect();
        let calibration = calibrate(&sharp, 10);
        assert!(calibration.error > 0.1 && (calibration.temperature - 3.0).abs() < 0.01, "{calibration:?}");
        assert!((calibration.log_loss_at_temperature - wanted).abs() < 1e-6);
    }
}
