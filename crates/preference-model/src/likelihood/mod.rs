//! How probable a decision is, given the scores of its images; one file for each kind.
//!
//! | decision | model |
//! |---|---|
//! | two images | [`BradleyTerry`]: Bradley and Terry 1952, ties by Davidson 1970, lapses |
//! | an order | [`PlackettLuce`]: Plackett 1975, ties by Efron 1977, lapses |
//! | good or bad | [`Threshold`]: logistic, with a threshold of each rater, lapses |
//! | a score | [`Gaussian`] on standardised scores |

mod bradley_terry;
mod gaussian;
mod plackett_luce;
mod threshold;

pub use bradley_terry::BradleyTerry;
pub(crate) use bradley_terry::{answers, information_at};
pub use gaussian::Gaussian;
pub use plackett_luce::PlackettLuce;
pub use threshold::Threshold;

/// The probability of one decision as a function of the scores `f` of its images, in logits.
pub trait Likelihood: Send + Sync {
    /// Returns how many scores the decision depends on, `n`.
    fn size(&self) -> usize;

    /// Returns log p(decision | f).
    ///
    /// # Shapes
    /// `f` is `[n]`.
    fn log(&self, f: &[f64]) -> f64;

    /// Writes ∂ log p / ∂f.
    ///
    /// # Shapes
    /// `f` and `out` are `[n]`.
    fn gradient(&self, f: &[f64], out: &mut [f64]);

    /// Writes −∂² log p / ∂f², which lapses can make indefinite.
    ///
    /// # Shapes
    /// `f` is `[n]`, `out` is `[n, n]`.
    fn curvature(&self, f: &[f64], out: &mut [f64]);

    /// Writes the information of the decision: a positive semidefinite matrix near the curvature, and equal to it without lapses
    /// and ties. Newton's steps and Laplace's posterior use it (Fisher scoring).
    ///
    /// # Shapes
    /// `f` is `[n]`, `out` is `[n, n]`.
    fn information(&self, f: &[f64], out: &mut [f64]);
}

#[cfg(test)]
mod tests;
