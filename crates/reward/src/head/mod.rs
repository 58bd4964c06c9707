//! Small heads on CLIP embeddings, and how they are fitted.

mod linear;
mod logistic;
mod matching;

pub use linear::{LinearHead, fit_linear_head, r_squared};
pub use logistic::fit_logistic;
pub use matching::Match;
