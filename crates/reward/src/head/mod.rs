//! Small heads on CLIP embeddings, and how they are fitted.

mod linear;
mod safety;

pub use linear::{LinearHead, fit_linear_head, r_squared};
pub use safety::{SafetyConcept, SafetyHead, fit_safety_concept};
