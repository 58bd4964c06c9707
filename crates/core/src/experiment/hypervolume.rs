//! The scale that hypervolume is measured on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The scale of each reward in the hypervolume: `reference` maps to 0 and is the reference point, `best` maps to 1.
///
/// Hypervolume depends on both: figures compare only under the same scale. Rewards that are not named get their kind's
/// [`scale`](super::RewardKind::scale).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HypervolumeSpec {
    /// By reward name, the value that counts as 0; points below it add nothing.
    pub reference: BTreeMap<String, f64>,
    /// By reward name, the value that counts as 1.
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
