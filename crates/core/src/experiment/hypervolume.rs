//! The scale that hypervolume is measured on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The scale of each reward in the hypervolume: `reference` maps to 0 and is the reference point, `best` maps to 1.
///
/// Hypervolume depends on both: figures compare only under the same scale. For rewards that are not named, `reference` is the
/// worst and `best` the best mean over the base and the corners' adapters, fixed once these are evaluated; where there are no
/// corners, or where all of them are alike, the scale of the reward's [kind](super::RewardKind::scale).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HypervolumeSpec {
    /// By reward name, the value that counts as 0; points that are not above it add nothing. Default: the worst mean over base
    /// and corners.
    pub reference: BTreeMap<String, f64>,
    /// By reward name, the value that counts as 1. Default: the best mean over base and corners.
    pub best: BTreeMap<String, f64>,
}

/// The scale of one reward in the hypervolume, in the reward's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The value that maps to 0.
    pub reference: f64,
    /// The value that maps to 1.
    pub best: f64,
}

impl Scale {
    /// Returns where `value` lies between reference (0) and best (1); not clamped.
    pub fn normalise(self, value: f64) -> f64 {
        (value - self.reference) / (self.best - self.reference)
    }
}
