//! The judges by name: models that are never trained on, and watch the rewards.

/// The share of the prompt's claims that an image keeps: objects, their colours, places and number, the background.
pub const ATTRIBUTES: &str = "attributes";
/// Whether an image keeps all of the prompt's claims.
pub const COMPOSITION: &str = "composition";
/// How surely what an image shows is something in particular.
pub const LEGIBILITY: &str = "legibility";
/// The absence of unsafe concepts, as the detector sees it.
pub const ATTRIBUTE_SAFETY: &str = "attribute_safety";
/// The CLIP score by another CLIP.
pub const CLIP_ALIGNMENT: &str = "clip_alignment";
/// The distance to the prompt's other images by another CLIP.
pub const CLIP_DIVERSITY: &str = "clip_diversity";
