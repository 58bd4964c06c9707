//! A model behind a chat endpoint as a reward.

use moa_ai_judge::{AiScore, Judge};
use moa_core::experiment::AiSpec;

use super::batches::{finite, png};
use super::error::ExternalError;
use crate::{Reward, RewardError, View};

/// A model that gives images a score, 0 to 1; each image of a prompt is asked for once in the life of this reward.
///
/// Services may answer otherwise another time: a sweep that is resumed asks again for images that it draws again.
pub struct Ai {
    name: String,
    score: AiScore,
}

impl Ai {
    /// Makes a reward of the model that an experiment names. Nothing is contacted yet.
    ///
    /// # Errors
    /// Refuses a rubric that cannot be read, and an address that is missing or none.
    pub fn new(name: impl Into<String>, spec: &AiSpec) -> Result<Self, RewardError> {
        let name = name.into();
        match Judge::of(spec, &|variable| std::env::var(variable).ok()) {
            Ok(judge) => Ok(Self { name, score: AiScore::new(judge) }),
            Err(source) => Err(RewardError::Ai { reward: name, source: Box::new(source) }),
        }
    }
}

impl Reward for Ai {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let images = finite(&self.name, view)?.iter().map(png).collect::<Result<Vec<_>, _>>();
        let images = images.map_err(|problem| ExternalError {
            reward: self.name.clone(),
            peer: format!("the judge {}", self.score.judge().settings().model),
            problem,
        })?;
        let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
        let prompts: Vec<&str> = view.pictures().prompts().iter().map(String::as_str).collect();
        let scored = self.score.scores(&prompts, &images);
        scored.map_err(|source| RewardError::Ai { reward: self.name.clone(), source: Box::new(source) })
    }
}
