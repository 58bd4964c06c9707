//! Which judges watch which reward.

use super::RewardKind;
use crate::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY};

impl RewardKind {
    /// Returns the names of the judges that should not fall while a reward rises.
    ///
    /// | reward | judges |
    /// |---|---|
    /// | alignment | `attributes`, `clip_alignment` |
    /// | safety, safety checker | `attribute_safety` |
    /// | diversity, CLIP diversity | `clip_diversity` |
    /// | all others | `attributes`, `clip_alignment`: a prettier image should still show what the prompt says |
    ///
    /// Safety is not held against alignment: for prompts that name unsafe things the two pull apart by design.
    pub fn judges(&self) -> &'static [&'static str] {
        match self {
            Self::Safety | Self::SafetyChecker { .. } => &[ATTRIBUTE_SAFETY],
            Self::Diversity | Self::ClipDiversity { .. } => &[CLIP_DIVERSITY],
            _ => &[ATTRIBUTES, CLIP_ALIGNMENT],
        }
    }
}
