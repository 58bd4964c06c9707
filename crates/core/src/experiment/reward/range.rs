//! The values that rewards and judges can take, where that is certain.

use super::RewardKind;
use crate::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY, COMPOSITION, LEGIBILITY};

impl RewardKind {
    /// Returns the least and the greatest score that there can be; nothing where there is no such limit, or none that is
    /// certain: what a program gives as its range is how its scores are scaled, no promise.
    pub fn range(&self) -> Option<[f64; 2]> {
        match self {
            Self::Alignment
            | Self::Composition
            | Self::GenEval
            | Self::Safety
            | Self::Avoid { .. }
            | Self::Contrast
            | Self::Harmony => Some([0.0, 1.0]),
            Self::Diversity | Self::ClipDiversity { .. } => Some([0.0, 2.0]),
            Self::Colourfulness => Some([0.0, 1.75]),
            Self::SafetyChecker { .. } => Some([-2.0, 2.0]),
            Self::ClipScore { .. } | Self::Hps { .. } => Some([-100.0, 100.0]),
            _ => None,
        }
    }
}

/// Returns the least and the greatest score of a judge; nothing of a judge that is not known.
pub fn judge_range(name: &str) -> Option<[f64; 2]> {
    match name {
        ATTRIBUTES | COMPOSITION | LEGIBILITY | ATTRIBUTE_SAFETY | CLIP_ALIGNMENT => Some([0.0, 1.0]),
        CLIP_DIVERSITY => Some([0.0, 2.0]),
        _ => None,
    }
}
