//! What to ask next; one file for each strategy behind [`Strategy`].
//!
//! | strategy | asks the pair … |
//! |---|---|
//! | [`Random`] | drawn at random |
//! | [`Bald`] | whose answer says most about the weights |
//! | [`Prediction`] | that lowers the variance of all differences within prompts most |
//! | [`Front`] | that lowers the variance between points that may be the best |
//!
//! [`rankings`] asks for the order of several images, [`images`] about single ones. [`repeats`] asks a share of the decided pairs
//! again.

mod bald;
mod batch;
mod candidates;
mod front;
mod images;
mod information;
mod prediction;
mod random;
mod rankings;
mod repeat;

pub use bald::Bald;
pub(crate) use candidates::shuffle;
pub use candidates::{Candidate, candidates};
pub use front::Front;
pub use images::{About, ImageQuestion, images};
pub use prediction::Prediction;
pub use random::Random;
pub use rankings::{SetQuestion, rankings};
pub use repeat::repeats;

use moa_core::NoiseKey;

use crate::model::RewardModel;
use crate::pool::Pool;

/// What a strategy chooses from.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The images.
    pub pool: &'a Pool,
    /// What is known. Without a model every strategy asks at random.
    pub model: Option<&'a RewardModel>,
    /// The pairs that may be asked.
    pub candidates: &'a [Candidate],
    /// Pairs that are asked already and whose answers the model does not know: what is chosen complements them.
    pub pending: &'a [Candidate],
    /// How many to ask.
    pub count: usize,
    /// What random draws depend on.
    pub key: NoiseKey,
}

/// A way to choose what to ask next.
pub trait Strategy {
    /// Returns the strategy's name, in lower case.
    fn name(&self) -> &'static str;

    /// Returns the positions of the candidates to ask, the most informative first: `count` different ones, or all where there are
    /// fewer. Those of a batch complement each other: each is chosen as if the ones before were answered.
    fn choose(&self, question: &Question<'_>) -> Vec<usize>;
}

#[cfg(test)]
mod tests;
