//! From which cosine on an image is of its prompt.

use serde::{Deserialize, Serialize};

use crate::RewardError;

const FILE: &str = "the match head";

/// The probability that an image is of its prompt: σ(slope · (cos − threshold)), with the cosine of image and prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Version of the format: 1.
    pub version: u32,
    /// Per unit of cosine; positive.
    pub slope: f32,
    /// The cosine at which the probability is ½.
    pub threshold: f32,
}

impl Match {
    /// Reads the head's JSON.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, other versions, and impossible values.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let head: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file: FILE, source })?;
        let refuse = |field, value: String, wanted| Err(RewardError::Field { file: FILE, field, value, wanted });
        if head.version != 1 {
            return refuse("version", head.version.to_string(), "version 1");
        }
        if !(head.slope > 0.0 && head.slope.is_finite()) {
            return refuse("slope", head.slope.to_string(), "a positive number");
        }
        if !(-1.0..=1.0).contains(&head.threshold) {
            return refuse("threshold", head.threshold.to_string(), "a cosine");
        }
        Ok(head)
    }

    /// Returns the head's JSON.
    ///
    /// # Errors
    /// Fails when a number is not finite.
    pub fn to_json(&self) -> Result<String, RewardError> {
        serde_json::to_string(self).map_err(|source| RewardError::Json { file: FILE, source })
    }

    /// Returns the probability at a cosine.
    pub fn probability(&self, cosine: f32) -> f32 {
        1.0 / (1.0 + (-self.slope * (cosine - self.threshold)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_what_they_write_and_refuse_what_cannot_be() {
        let head = Match { version: 1, slope: 20.0, threshold: 0.4 };
        assert_eq!(Match::read(&head.to_json().expect("finite")).expect("reads"), head);
        assert!((head.probability(0.4) - 0.5).abs() < 1e-6 && head.probability(0.9) > 0.99);
        for wrong in [Match { slope: -1.0, ..head.clone() }, Match { threshold: 2.0, ..head }] {
            assert!(Match::read(&wrong.to_json().expect("finite")).is_err());
        }
    }
}
