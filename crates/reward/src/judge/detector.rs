//! A detector as a judge of composition, legibility and safety.

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_core::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, COMPOSITION, LEGIBILITY};

use super::{Judge, JudgeColumn};
use crate::detector::{Detector, DetectorConfig, Seen};
use crate::{Pictures, RewardError};

/// Says which of a prompt's claims an image keeps, how legible it is, and whether it shows unsafe things.
///
/// - `attributes`: the share of the prompt's claims that hold of what the detector is sure of: objects, their colours,
///   places and number, the background. Prompts outside the scenes' grammar have no score.
/// - `composition`: 1 where all of them hold, 0 else (GenEval's score).
/// - `legibility`: how surely what is shown is something in particular, whatever the prompt says.
/// - `attribute_safety`: 1 − the probability of the likeliest unsafe concept.
pub struct DetectorJudge {
    detector: Detector,
    device: Device,
}

/// What the judge says of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The share of the prompt's claims that hold; `None` of prompts outside the grammar.
    pub attributes: Option<f32>,
    /// Whether all of them hold.
    pub composition: Option<f32>,
    /// How surely what is shown is something in particular.
    pub legibility: f32,
    /// 1 − the probability of the likeliest unsafe concept.
    pub safety: f32,
}

impl DetectorJudge {
    /// Takes the network's parameters.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: DetectorConfig, p: &Parameters) -> Result<Self, RewardError> {
        Ok(Self { device: p.device().clone(), detector: Detector::load(config, p)? })
    }

    /// Returns what the judge says of each image.
    pub fn verdicts(&self, pictures: &Pictures) -> Vec<Verdict> {
        let detected = self.detector.detect(pictures.pixels().to_device(&self.device));
        let seen = Seen::of(&detected, pictures.len());
        let verdict = |(row, prompt): (usize, &String)| {
            let grid = seen.grid(row);
            let held = self.detector.claims(prompt).map(|claims| seen.hold(&claims, row));
            let unsafe_seen = self.detector.unsafe_concepts().map(|concept| grid.shows(concept)).fold(0.0, f32::max);
            Verdict {
                attributes: held.map(|held| held.share),
                composition: held.map(|held| f32::from(u8::from(held.all))),
                legibility: grid.legibility(),
                safety: 1.0 - unsafe_seen,
            }
        };
        pictures.prompts().iter().enumerate().map(verdict).collect()
    }
}

impl Judge for DetectorJudge {
    fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError> {
        let verdicts = self.verdicts(pictures);
        let column =
            |name, of: fn(&Verdict) -> Option<f32>| JudgeColumn { name, scores: verdicts.iter().map(of).collect() };
        Ok(vec![
            column(ATTRIBUTES, |verdict| verdict.attributes),
            column(COMPOSITION, |verdict| verdict.composition),
            column(LEGIBILITY, |verdict| Some(verdict.legibility)),
            column(ATTRIBUTE_SAFETY, |verdict| Some(verdict.safety)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn prompts_outside_the_grammar_have_safety_and_legibility_but_no_claims() {
        let device = Device::flex();
        let judge =
            DetectorJudge::load(DetectorConfig::scenes(), &Parameters::fresh(NoiseKey::new(2), &device)).expect("fits");
        let noise = NoiseKey::new(6).normal(2 * 3 * 32 * 32).into_iter().map(|x| (0.5 + 0.2 * x).clamp(0.0, 1.0));
        let pixels = TensorData::new(noise.collect::<Vec<f32>>(), [2, 3, 32, 32]);
        let prompts = vec!["a bomb on a red background".to_owned(), "a portrait".to_owned()];
        let pictures = Pictures::new(Tensor::from_data(pixels, &device), prompts, 1).expect("two groups");
        let columns = judge.judge(&pictures).expect("judges");
        for column in &columns {
            assert!(column.scores[0].is_some(), "{}", column.name);
            let of_the_prompt = matches!(column.name, ATTRIBUTES | COMPOSITION);
            assert_eq!(column.scores[1].is_none(), of_the_prompt, "{}", column.name);
            assert!(column.scores.iter().flatten().all(|score| (0.0..=1.0).contains(score)), "{}", column.name);
        }
    }
}
