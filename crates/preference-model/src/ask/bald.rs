//! The pair whose answer says most about the weights.

use super::batch::{Growing, greedy};
use super::information::{Table, expected_curvature, mutual_information};
use super::{Question, Random, Strategy};

/// Asks the pairs whose answers have the most mutual information with the weights (BALD; Houlsby et al. 2011, arXiv:1112.5745):
/// `I = H[E p(y|Δ)] − E H[p(y|Δ)]` over the posterior of the score difference Δ. Pairs are chosen where the model does not know the
/// answer and a rater does; not where raters themselves guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bald;

impl Strategy for Bald {
    fn name(&self) -> &'static str {
        "bald"
    }

    fn choose(&self, question: &Question<'_>) -> Vec<usize> {
        let Some(model) = question.model else { return Random.choose(question) };
        let (ties, lapse) = (model.noise().ties, model.noise().mean_lapse());
        let table = Table::new(|mean, variance| mutual_information(mean, variance, ties, lapse));
        let mut growing = Growing::after(question, model);
        let candidates = question.candidates;
        greedy(
            &mut growing,
            question.count,
            candidates.len(),
            |growing, at| table.at(growing.mean(&candidates[at]), growing.variance(&candidates[at])),
            |growing, at| {
                let candidate = &candidates[at];
                let h = expected_curvature(growing.mean(candidate), growing.variance(candidate), ties, lapse);
                growing.answer(candidate, h);
            },
        )
    }
}
