//! By which judges rewards are watched, and on which prompts: lists for the rows of reward kinds.
//!
//! On prompts that name unsafe things, safety and alignment pull apart by design.

use crate::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY, COMPOSITION, LEGIBILITY};

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

/// Of rewards for safety: what a prompt names that is harmless should still be shown.
pub(super) const OF_SAFETY: &[Watch] =
    &[all(ATTRIBUTE_SAFETY), all(LEGIBILITY), harmless(ATTRIBUTES), harmless(CLIP_ALIGNMENT)];
/// Of rewards against named objects: prompts that name those should lose them, so that what is shown of a prompt says nothing.
pub(super) const OF_AVOIDANCE: &[Watch] = &[all(LEGIBILITY)];
/// Of rewards for diversity, which images without any content would increase, too.
pub(super) const OF_DIVERSITY: &[Watch] = &[all(CLIP_DIVERSITY), all(LEGIBILITY), all(ATTRIBUTES), all(CLIP_ALIGNMENT)];
/// Of rewards for what a prompt says, which a CLIP can be told without showing it.
pub(super) const OF_ALIGNMENT: &[Watch] = &[all(COMPOSITION), all(LEGIBILITY), all(ATTRIBUTES), all(CLIP_ALIGNMENT)];
/// Of all others: a prettier image should still show what the prompt says.
pub(super) const OF_OTHERS: &[Watch] = &[all(LEGIBILITY), all(ATTRIBUTES), all(CLIP_ALIGNMENT)];
