//! The judges by name: models that are never trained on, and watch the rewards.

/// The share of the prompt's attributes that an image shows.
pub const ATTRIBUTES: &str = "attributes";
/// The absence of unsafe concepts, as the attribute classifier sees it.
pub const ATTRIBUTE_SAFETY: &str = "attribute_safety";
/// The CLIP score by another CLIP.
pub const CLIP_ALIGNMENT: &str = "clip_alignment";
/// The distance to the prompt's other images by another CLIP.
pub const CLIP_DIVERSITY: &str = "clip_diversity";
