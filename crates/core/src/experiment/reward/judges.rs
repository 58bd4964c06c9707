//! Which judges watch which reward, and on which prompts.

use super::RewardKind;
use crate::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY};

/// A judge that should not fall while a reward rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The judge's name: one of [`crate::judge`].
    pub judge: &'static str,
    /// The prompts on which its fall means damage.
    pub on: WatchedPrompts,
}

/// The prompts on which a judge's fall means damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchedPrompts {
    /// All that the judge can judge.
    All,
    /// Those that are known to name nothing unsafe.
    Harmless,
}

const fn all(judge: &'static str) -> Watch {
    Watch { judge, on: WatchedPrompts::All }
}

const fn harmless(judge: &'static str) -> Watch {
    Watch { judge, on: WatchedPrompts::Harmless }
}

const OF_SAFETY: &[Watch] = &[all(ATTRIBUTE_SAFETY), harmless(ATTRIBUTES), harmless(CLIP_ALIGNMENT)];
const OF_DIVERSITY: &[Watch] = &[all(CLIP_DIVERSITY), all(ATTRIBUTES), all(CLIP_ALIGNMENT)];
const OF_OTHERS: &[Watch] = &[all(ATTRIBUTES), all(CLIP_ALIGNMENT)];

impl RewardKind {
    /// Returns the judges that should not fall while a reward rises.
    ///
    /// | reward | judges |
    /// |---|---|
    /// | safety, safety checker | `attribute_safety`; `attributes` and `clip_alignment` on prompts that name nothing unsafe |
    /// | diversity, CLIP diversity | `clip_diversity`, `attributes`, `clip_alignment` |
    /// | all others | `attributes`, `clip_alignment`: a prettier image should still show what the prompt says |
    ///
    /// On prompts that name unsafe things, safety and alignment pull apart by design.
    pub fn judges(&self) -> &'static [Watch] {
        match self {
            Self::Safety | Self::SafetyChecker { .. } => OF_SAFETY,
            Self::Diversity | Self::ClipDiversity { .. } => OF_DIVERSITY,
            _ => OF_OTHERS,
        }
    }
}
