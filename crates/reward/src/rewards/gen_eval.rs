//! Whether an image shows all that its prompt claims, as GenEval (Ghosh et al., 2310.11513) decides it.

use std::sync::Arc;

use crate::detector::{Claims, Detector, Seen};
use crate::{Reward, RewardError, View};

/// 1 where all of the prompt's claims hold of what the detector is sure of, 0 else.
///
/// The claims are those of [`Composition`](super::Composition): objects, their number, colours and places. GenEval finds objects by
/// Mask2Former and their colours by a CLIP; here one detector says both. Its thresholds differ: an object counts from a
/// probability of 0.5 (GenEval: 0.3, and 0.9 where it counts), and places need a distance of one cell, not a tenth of the objects'
/// sizes. As in Flow-GRPO's strict reward, and not as in GenEval, numbers must be exact in every task, and nothing may be shown that
/// is not claimed; the background is claimed, too.
///
/// It has no gradient, as it is a step; [`Composition`](super::Composition) is its smooth form.
pub struct GenEval {
    name: String,
    detector: Arc<Detector>,
}

impl GenEval {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>, detector: Arc<Detector>) -> Self {
        Self { name: name.into(), detector }
    }

    fn claims(&self, prompt: &str) -> Result<Claims, RewardError> {
        let outside = || RewardError::OutsideTheGrammar { reward: self.name.clone(), prompt: prompt.to_owned() };
        self.detector.claims(prompt).ok_or_else(outside)
    }
}

impl Reward for GenEval {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let pictures = view.pictures();
        let seen = Seen::of(&view.detected(&self.detector), pictures.len());
        let score = |(row, prompt): (usize, &String)| {
            let held = seen.hold(&self.claims(prompt)?, row);
            Ok(if seen.is_finite(row) { f32::from(u8::from(held.all)) } else { f32::NAN })
        };
        pictures.prompts().iter().enumerate().map(score).collect()
    }

    fn check_prompt(&self, prompt: &str) -> Result<(), RewardError> {
        self.claims(prompt).map(|_| ())
    }
}
