//! Pairs drawn at random: what other strategies are measured against.

use super::candidates::shuffle;
use super::{Question, Strategy};

/// Asks pairs at random, each with the same probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Random;

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn choose(&self, question: &Question<'_>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..question.candidates.len()).collect();
        shuffle(&mut order, question.key.named("random"));
        order.truncate(question.count);
        order
    }
}
