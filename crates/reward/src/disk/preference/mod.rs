//! Rewards fitted to what raters prefer: a head of [`moa_preference_model`] on a CLIP's embeddings of image and prompt.
//!
//! `moa fit` fits the head ([`PreferenceFeatures`] are what it sees), and [`Preference`] scores by it.

mod features;
mod fitted;
mod reward;

pub use features::PreferenceFeatures;
pub use fitted::{FittedPreference, MODEL_FILE};
pub use reward::{ModelSlot, Preference};
