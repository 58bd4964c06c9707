//! Which judges watch which reward.

use moa_core::spec::RewardKind;

use super::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY};

/// Returns the names of the judges that should not fall while a reward rises.
///
/// | reward | judges |
/// |---|---|
/// | alignment | `attributes`, `clip_alignment` |
/// | safety, safety checker | `attribute_safety` |
/// | diversity, CLIP diversity | `clip_diversity` |
/// | all others | `attributes`, `clip_alignment`: a prettier picture should still show what the prompt says |
///
/// Safety is not held against alignment: for prompts that name unsafe things the two pull apart by design.
pub fn watches(kind: &RewardKind) -> &'static [&'static str] {
    match kind {
        RewardKind::Safety | RewardKind::SafetyChecker { .. } => &[ATTRIBUTE_SAFETY],
        RewardKind::Diversity | RewardKind::ClipDiversity { .. } => &[CLIP_DIVERSITY],
        RewardKind::Alignment
        | RewardKind::Aesthetics
        | RewardKind::Colourfulness
        | RewardKind::Contrast
        | RewardKind::Harmony
        | RewardKind::Compressibility { .. }
        | RewardKind::Incompressibility { .. }
        | RewardKind::ClipScore { .. }
        | RewardKind::LaionAesthetics { .. }
        | RewardKind::PickScore { .. }
        | RewardKind::Program(_)
        | RewardKind::Http(_)
        | RewardKind::Onnx(_) => &[ATTRIBUTES, CLIP_ALIGNMENT],
    }
}
