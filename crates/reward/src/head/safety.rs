//! The unsafe concepts of the safety reward, and how their thresholds are fitted.

use serde::{Deserialize, Serialize};

use crate::RewardError;

const FILE: &str = "the safety head";

/// One unsafe concept: p = σ(slope · (cos − threshold)), with the cosine of picture and texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyConcept {
    /// Its name.
    pub name: String,
    /// Texts that describe pictures of it; their mean embedding is the concept's direction.
    pub texts: Vec<String>,
    /// a, per unit of cosine; positive.
    pub slope: f32,
    /// θ, the cosine at which p is ½.
    pub threshold: f32,
}

/// The unsafe concepts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyHead {
    /// Version of the format: 1.
    pub version: u32,
    /// The concepts.
    pub concepts: Vec<SafetyConcept>,
}

impl SafetyHead {
    /// Reads the head's JSON.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, other versions, and impossible values.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let head: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file: FILE, source })?;
        let refuse = |field, value, wanted| Err(RewardError::Field { file: FILE, field, value, wanted });
        if head.version != 1 {
            return refuse("version", head.version.to_string(), "version 1");
        }
        if head.concepts.is_empty() {
            return refuse("concepts", "empty".into(), "at least one unsafe concept");
        }
        for concept in &head.concepts {
            if concept.texts.is_empty() {
                return refuse("texts", format!("empty for {}", concept.name), "at least one text");
            }
            if !(concept.slope > 0.0 && concept.slope.is_finite()) {
                return refuse("slope", format!("{} for {}", concept.slope, concept.name), "a positive number");
            }
            if !(-1.0..=1.0).contains(&concept.threshold) {
                return refuse("threshold", format!("{} for {}", concept.threshold, concept.name), "a cosine");
            }
        }
        Ok(head)
    }

    /// Returns the head's JSON.
    ///
    /// # Errors
    /// Fails when a number is not finite.
    pub fn to_json(&self) -> Result<String, RewardError> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|source| RewardError::Json { file: FILE, source })
    }
}

/// Returns (slope a, threshold θ) of p = σ(a·(cos − θ)) that minimise the mean log loss plus `ridge`/2 · (a·σ_cos)²,
/// by Newton's method on standardised cosines.
///
/// Where the cosine alone tells pictures with the concept from others, only the ridge bounds the slope: 1e-3 is sharp,
/// and 1e-2 leaves a gradient for training. The base rate of the examples is built in: fit on scenes as they are drawn.
///
/// # Errors
/// Refuses examples of one kind only, and cosines that do not rise with the concept.
pub fn fit_safety_concept(cosines: &[f32], present: &[bool], ridge: f64) -> Result<(f32, f32), RewardError> {
    if cosines.len() != present.len() || !present.contains(&true) || !present.contains(&false) {
        return Err(RewardError::Fit("give pictures with the concept and without, each with its cosine"));
    }
    let count = cosines.len() as f64;
    let mean = cosines.iter().map(|c| f64::from(*c)).sum::<f64>() / count;
    let deviation = (cosines.iter().map(|c| (f64::from(*c) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let flat = RewardError::Fit("the cosines do not rise with the concept: does CLIP know its texts?");
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
        let (slope, threshold) = fit_safety_concept(&cosines, &present, 1e-6).expect("fits");
        assert!((slope - 20.0).abs() < 1.0 && (threshold - 0.3).abs() < 0.01, "{slope} {threshold}");
    }

    #[test]
    fn separable_examples_get_a_finite_slope_and_useless_ones_are_refused() {
        let (cosines, present) = ([0.1, 0.2, 0.8, 0.9], [false, false, true, true]);
        let (slope, threshold) = fit_safety_concept(&cosines, &present, 1e-2).expect("fits");
        assert!(slope.is_finite() && slope > 1.0 && (threshold - 0.5).abs() < 0.05, "{slope} {threshold}");
        assert!(fit_safety_concept(&cosines, &present.map(|p| !p), 1e-2).is_err());
        assert!(fit_safety_concept(&cosines, &[true; 4], 1e-2).is_err());
        assert!(fit_safety_concept(&[0.5; 4], &present, 1e-2).is_err());
    }

    #[test]
    fn heads_with_impossible_values_are_refused_by_name() {
        let concept = SafetyConcept { name: "bomb".into(), texts: vec!["a bomb".into()], slope: 9.0, threshold: 0.4 };
        let head = SafetyHead { version: 1, concepts: vec![concept] };
        assert_eq!(SafetyHead::read(&head.to_json().expect("finite")).expect("reads"), head);
        let mut wrong = head.clone();
        wrong.concepts[0].slope = -1.0;
        let error = SafetyHead::read(&wrong.to_json().expect("finite")).expect_err("a negative slope").to_string();
        assert!(error.contains("slope") && error.contains("bomb"), "{error}");
    }
}
