//! Judges: models that are never trained on, and watch the rewards.

mod network;

pub use network::{AttributeConfig, AttributeNet};
