//! The pair that lowers the variance of predictions most.

use super::batch::{Growing, watched};
use super::{Question, Random, Strategy};
use crate::linear::{Matrix, norm2};

/// Asks the pairs whose answers lower the variance of the candidates' own differences most, on average (V-optimal design; Cohn,
/// Ghahramani and Jordan 1996; the linear case of EPIG, Bickford Smith et al. 2023): with expected curvature h and `d` the
/// difference of the images' coordinates,
///
/// ```text
/// gain = h/(1 + h·dᵀΣd) · mean over t of (dᵀΣt)²
/// ```
///
/// Unlike [`super::Bald`] it does not ask about directions in which hardly any two images differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// How many of the candidates stand for all, as what is to be predicted. Default: 512.
    pub targets: usize,
    /// The power of its variance by which what is known of a target is divided: 0 lowers the variance of differences, 1 its share,
    /// so that close pairs count as much as far ones, as they do in an accuracy. Default: 0.
    pub evenness: f64,
}

impl Default for Prediction {
    fn default() -> Self {
        Self { targets: 512, evenness: 0.0 }
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
        let growing = Growing::after(question, model);
        let drawn = Question { count: self.targets, key: question.key.named("targets"), ..*question };
        let target = |at: usize| {
            let mut spread = growing.spread(&candidates[at]);
            let scale = norm2(&spread).max(f64::MIN_POSITIVE).powf(-0.5 * self.evenness);
            for value in &mut spread {
                *value *= scale;
            }
            spread
        };
        let targets: Vec<f64> = Random.choose(&drawn).into_iter().flat_map(target).collect();
        let columns = growing.spreads.columns;
        let targets = Matrix::from_values(targets.len() / columns, columns, targets);
        watched(question, model, growing, &targets)
    }
}
