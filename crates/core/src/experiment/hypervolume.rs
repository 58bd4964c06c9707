//! The scale that hypervolume is measured on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{HttpSpec, OnnxSpec, ProgramSpec, RewardKind};

/// The scale of each reward in the hypervolume: `reference` maps to 0 and is the reference point, `best` maps to 1.
///
/// Hypervolume depends on both: figures compare only under the same scale. For rewards that are not named, `reference` is the
/// worst and `best` the best mean over the base and the corners' adapters, fixed once these are evaluated; where there are no
/// corners, or where all of them are alike, the scale of the reward's [kind](RewardKind::scale).
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

impl RewardKind {
    /// Returns the scale of a reward whose values are not measured yet, or do not differ: 0 to 1, but
    /// - −4 kB to 0 kB for compressibility, 0 kB to 4 kB for incompressibility
    /// - 0 to 50 for the CLIP score, 0 to 30 for PickScore, 1 to 10 for LAION's rating
    /// - −0.1 to 0.2, differences of cosines, for the safety checker
    /// - what rewards from outside give as their range.
    pub fn scale(&self) -> Scale {
        match self {
            Self::Program(ProgramSpec { range: Some([reference, best]), .. })
            | Self::Http(HttpSpec { range: Some([reference, best]), .. })
            | Self::Onnx(OnnxSpec { range: Some([reference, best]), .. }) => {
                Scale { reference: *reference, best: *best }
            }
            Self::Onnx(OnnxSpec { negate: true, .. }) => Scale { reference: -1.0, best: 0.0 },
            Self::Compressibility { .. } => Scale { reference: -4.0, best: 0.0 },
            Self::Incompressibility { .. } => Scale { reference: 0.0, best: 4.0 },
            Self::ClipScore { .. } => Scale { reference: 0.0, best: 50.0 },
            Self::PickScore { .. } => Scale { reference: 0.0, best: 30.0 },
            Self::LaionAesthetics { .. } => Scale { reference: 1.0, best: 10.0 },
            Self::SafetyChecker { .. } => Scale { reference: -0.1, best: 0.2 },
            _ => Scale { reference: 0.0, best: 1.0 },
        }
    }
}
