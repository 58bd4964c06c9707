//! The pair that lowers the variance of predictions most.

use super::batch::{Growing, greedy};
use super::information::{Table, expected_curvature};
use super::{Question, Random, Strategy};
use crate::linear::{Matrix, dot};

/// Asks the pairs whose answers lower the variance of the candidates' own differences most, on average (V-optimal design; Cohn,
/// Ghahramani and Jordan 1996; the linear case of EPIG, Bickford Smith et al. 2023): with expected curvature h and `d` the
/// difference of the images' coordinates,
///
/// ```text
/// gain = h/(1 + h·dᵀΣd) · mean over t of (dᵀΣt)²
/// ```
///
/// Unlike [`super::Bald`] it does not ask about directions in which hardly any two images differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// How many of the candidates stand for all, as what is to be predicted. Default: 512.
    pub targets: usize,
}

impl Default for Prediction {
    fn default() -> Self {
        Self { targets: 512 }
    }
}

/// The posterior with the second moments of the targets, `M = mean of y_t·y_tᵀ`.
struct State {
    growing: Growing,
    targets: Vec<Vec<f64>>,
    /// Each image's row times the targets' matrix, `[images, targets]`; differences give `dᵀΣt`.
    products: Matrix,
}

impl State {
    fn refresh(&mut self) {
        let rows: Vec<f64> = self.targets.iter().flatten().copied().collect();
        let targets = Matrix::from_values(self.targets.len(), self.growing.spreads.columns, rows);
        self.products = self.growing.spreads.times_transposed(&targets);
    }
}

impl Strategy for Prediction {
    fn name(&self) -> &'static str {
        "prediction"
    }

    fn choose(&self, question: &Question<'_>) -> Vec<usize> {
        let Some(model) = question.model else { return Random.choose(question) };
        let candidates = question.candidates;
        if candidates.is_empty() {
            return Vec::new();
        }
        let (ties, lapse) = (model.noise().ties, model.noise().mean_lapse());
        let table = Table::new(|mean, variance| expected_curvature(mean, variance, ties, lapse));
        let growing = Growing::new(question.pool, model);
        let drawn = Question { count: self.targets, key: question.key.named("targets"), ..*question };
        let targets: Vec<Vec<f64>> =
            Random.choose(&drawn).into_iter().map(|at| growing.spread(&candidates[at])).collect();
        let mut state = State { growing, targets, products: Matrix::zeros(0, 0) };
        state.refresh();
        greedy(
            &mut state,
            question.count,
            candidates.len(),
            |state, at| {
                let candidate = &candidates[at];
                let variance = state.growing.variance(candidate);
                let h = table.at(state.growing.mean(candidate), variance);
                let (a, b) = (state.products.row(candidate.first), state.products.row(candidate.second));
                let (aa, ab, bb) = (dot(a, a), dot(a, b), dot(b, b));
                (aa - 2.0 * ab + bb).max(0.0) * h / (1.0 + h * variance)
            },
            |state, at| {
                let candidate = &candidates[at];
                let h = table.at(state.growing.mean(candidate), state.growing.variance(candidate));
                let State { growing, targets, .. } = state;
                growing.answer(candidate, h, targets);
                state.refresh();
            },
        )
    }
}
