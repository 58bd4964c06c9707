//! The single images whose labels or scores say most.

use super::batch::{Growing, greedy};
use super::information::{expected_curvature, mutual_information};
use crate::linear::norm2;
use crate::model::RewardModel;
use crate::pool::Pool;

/// What is asked about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Whether it is good or bad.
    Label,
    /// A score.
    Score,
}

/// What single images are chosen from.
#[derive(Clone, Copy)]
pub struct ImageQuestion<'a> {
    /// The images.
    pub pool: &'a Pool,
    /// What is known.
    pub model: &'a RewardModel,
    /// What is asked.
    pub about: About,
    /// The places of the images that may be asked about.
    pub candidates: &'a [usize],
    /// Places of images that are asked about already, and whose answers the model does not know.
    pub pending: &'a [usize],
    /// How many to ask.
    pub count: usize,
}

/// Returns the positions of the candidates whose answers say most about the weights, the most informative first. Those of a batch
/// complement each other.
///
/// Of a label that is the mutual information ([`super::Bald`]) of an answer about the difference of score and mean threshold; of a
/// score, which is Gaussian, `½·log(1 + h·v)` with the score's variance v and h the squared slope over the noise.
pub fn images(question: &ImageQuestion<'_>) -> Vec<usize> {
    let model = question.model;
    let thresholds = model.thresholds();
    let threshold = thresholds.iter().map(|known| known.value).sum::<f64>() / thresholds.len().max(1) as f64;
    let (lapse, noise) = (model.noise().mean_lapse(), model.noise());
    let precision = (noise.slope / noise.deviation).powi(2);
    let h = |growing: &Growing, image: usize| match question.about {
        About::Label => {
            expected_curvature(growing.scores[image] - threshold, norm2(growing.spreads.row(image)), 0.0, lapse)
        }
        About::Score => precision,
    };
    let gain = |growing: &Growing, image: usize| {
        let variance = norm2(growing.spreads.row(image));
        match question.about {
            About::Label => mutual_information(growing.scores[image] - threshold, variance, 0.0, lapse),
            About::Score => 0.5 * (precision * variance).ln_1p(),
        }
    };
    let answer = |growing: &mut Growing, image: usize| {
        let y = growing.spreads.row(image).to_vec();
        let h = h(growing, image);
        growing.answer_along(&y, h);
    };
    let mut growing = Growing::new(question.pool, model);
    for image in question.pending {
        answer(&mut growing, *image);
    }
    let candidates = question.candidates;
    greedy(
        &mut growing,
        question.count,
        candidates.len(),
        |growing, at| gain(growing, candidates[at]),
        |growing, at| answer(growing, candidates[at]),
    )
}
