//! `config.json` of a detector.

use moa_scenes::{Background, Concept, Tint};
use serde::{Deserialize, Serialize};

use crate::RewardError;

const FILE: &str = "the detector's config.json";

/// What a [`DetectorNet`](super::DetectorNet) knows, and its shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorConfig {
    /// Names of the concepts, in the order of the logits.
    pub concepts: Vec<String>,
    /// Names of the colours that objects are drawn in, in the order of the logits.
    pub tints: Vec<String>,
    /// Names of the backgrounds, in the order of the logits.
    pub backgrounds: Vec<String>,
    /// Those of the concepts that are unsafe.
    pub unsafe_concepts: Vec<String>,
    /// Channels of each stage. Default: 32, 64, 96.
    pub channels: Vec<usize>,
    /// Stride of each stage's first convolution. Default: 1, 2, 2.
    pub strides: Vec<usize>,
    /// Residual convolutions after each stage's first. Default: 0, 1, 3.
    pub depths: Vec<usize>,
    /// Groups of the group norms. Default: 8.
    pub groups: usize,
}

impl DetectorConfig {
    /// Returns the config for emoji scenes.
    pub fn scenes() -> Self {
        let name = |concept: &Concept| concept.name().to_owned();
        Self {
            concepts: Concept::ALL.iter().map(name).collect(),
            tints: Tint::ALL.iter().map(|tint| tint.name().to_owned()).collect(),
            backgrounds: Background::ALL.iter().map(|background| background.name().to_owned()).collect(),
            unsafe_concepts: Concept::ALL.iter().filter(|concept| concept.is_unsafe()).map(name).collect(),
            channels: vec![32, 64, 96],
            strides: vec![1, 2, 2],
            depths: vec![0, 1, 3],
            groups: 8,
        }
    }

    /// Returns how many pixels a cell's side has.
    pub fn cell(&self) -> usize {
        self.strides.iter().product()
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, and impossible values.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let config: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file: FILE, source })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), RewardError> {
        let refuse = |field, value: String, wanted| Err(RewardError::Field { file: FILE, field, value, wanted });
        let stages = self.channels.len();
        if self.concepts.is_empty() || self.backgrounds.is_empty() {
            return refuse("concepts", "empty".into(), "at least one concept and one background");
        }
        if let Some(unknown) = self.unsafe_concepts.iter().find(|name| !self.concepts.contains(name)) {
            return refuse("unsafe_concepts", unknown.clone(), "names that `concepts` holds");
        }
        if stages == 0 || self.strides.len() != stages || self.depths.len() != stages {
            return refuse("channels", format!("{stages} stages"), "as many channels as strides and depths");
        }
        if self.strides.contains(&0) {
            return refuse("strides", format!("{:?}", self.strides), "strides of at least 1");
        }
        if self.groups == 0 || self.channels.iter().any(|channels| *channels == 0 || channels % self.groups != 0) {
            return refuse("groups", self.groups.to_string(), "a divisor of all channels");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_configs_are_refused_by_name() {
        let mut config = DetectorConfig::scenes();
        config.unsafe_concepts.push("kitten".into());
        let json = serde_json::to_string(&config).expect("serialises");
        let error = DetectorConfig::read(&json).expect_err("an unknown concept").to_string();
        assert!(error.contains("unsafe_concepts") && error.contains("kitten"), "{error}");
        let mut config = DetectorConfig::scenes();
        config.groups = 5;
        assert!(DetectorConfig::read(&serde_json::to_string(&config).expect("serialises")).is_err());
    }
}
