//! Scoring a batch by all rewards at once, and having it watched by the judges.

mod gradient;

use burn::tensor::Device;
use moa_core::experiment::RewardSpec;

use crate::factory::{Sources, reward};
use crate::judge::{Judge, JudgeColumn};
use crate::{Differentiable, Pictures, Reward, RewardError, View};

/// The scores of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// One column per reward, in the rewards' order; one score per image in each. All finite.
    pub columns: Vec<Vec<f32>>,
}

/// The rewards of an experiment, and the judges that watch them.
pub struct Scorer {
    rewards: Vec<Box<dyn Reward>>,
    judges: Vec<Box<dyn Judge>>,
    /// Where images are scored; `None` where they are drawn.
    device: Option<Device>,
}

impl Scorer {
    /// Returns a scorer with the given rewards and judges.
    pub fn new(rewards: Vec<Box<dyn Reward>>, judges: Vec<Box<dyn Judge>>) -> Self {
        Self { rewards, judges, device: None }
    }

    /// Returns the scorer with images copied to a device before they are scored, that of its models: once for all of them.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self { device: Some(device.clone()), ..self }
    }

    /// Returns the images where they are scored: who has them scored and judged brings them once.
    pub fn brought(&self, pictures: &Pictures) -> Pictures {
        self.device.as_ref().map_or_else(|| pictures.clone(), |device| pictures.to(device))
    }

    /// Returns a scorer with the rewards that an experiment asks for; `group` images are drawn for each prompt.
    ///
    /// # Errors
    /// Refuses settings that cannot work: see [`reward`].
    pub fn build(
        specs: &[RewardSpec],
        sources: &Sources,
        group: usize,
        judges: Vec<Box<dyn Judge>>,
    ) -> Result<Self, RewardError> {
        let rewards = specs.iter().map(|spec| reward(spec, sources, group)).collect::<Result<_, _>>()?;
        Ok(Self::new(rewards, judges))
    }

    /// Returns the rewards, in the order of the columns.
    pub fn rewards(&self) -> &[Box<dyn Reward>] {
        &self.rewards
    }

    /// Returns the names of rewards whose gradient falls back to operations several times as slow, as the engine of the CPU does not
    /// compute their model: a CLIP that is too large, or ImageReward.
    pub fn slow_gradients(&self) -> Vec<&str> {
        let is_slow = |reward: &dyn Reward| reward.differentiable().is_some_and(Differentiable::has_slow_gradient);
        let rewards = self.rewards.iter().filter(|reward| is_slow(reward.as_ref()));
        rewards.map(|reward| reward.name()).collect()
    }

    /// Refuses prompts whose images a reward could not score; `list` says where they come from, such as `prompts.train`.
    ///
    /// # Errors
    /// Names the reward, the first such prompt and its place.
    pub fn check_prompts(&self, list: &'static str, prompts: &[String]) -> Result<(), RewardError> {
        let check = |prompt: &String| self.rewards.iter().try_for_each(|reward| reward.check_prompt(prompt));
        prompts.iter().enumerate().try_for_each(|(place, prompt)| {
            check(prompt).map_err(|source| RewardError::Prompt { list, place, source: Box::new(source) })
        })
    }

    /// Scores a batch by every reward; each CLIP embeds the images once for all of its rewards.
    ///
    /// # Errors
    /// Stops at the first reward that cannot score the batch, and at the first score that is not finite.
    pub fn score(&self, pictures: &Pictures) -> Result<Scores, RewardError> {
        let pictures = &self.brought(pictures);
        let view = View::new(pictures);
        let mut columns = Vec::with_capacity(self.rewards.len());
        for reward in &self.rewards {
            let scores = reward.score(&view)?;
            refuse_not_finite(reward.name(), pictures, scores.iter().copied().map(Some))?;
            columns.push(scores);
        }
        Ok(Scores { columns })
    }

    /// Has a batch judged by every judge.
    ///
    /// # Errors
    /// Stops at the first judge that cannot judge the batch, and at the first score that is not finite.
    pub fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError> {
        let pictures = &self.brought(pictures);
        let mut columns = Vec::new();
        for judge in &self.judges {
            columns.extend(judge.judge(pictures)?);
        }
        for column in &columns {
            refuse_not_finite(column.name, pictures, column.scores.iter().copied())?;
        }
        Ok(columns)
    }
}

fn refuse_not_finite(
    reward: &str,
    pictures: &Pictures,
    mut scores: impl Iterator<Item = Option<f32>>,
) -> Result<(), RewardError> {
    let found = scores.position(|score| score.is_some_and(|score| !score.is_finite()));
    found.map_or(Ok(()), |picture| {
        let prompt = pictures.prompts()[picture].clone();
        Err(RewardError::NotFinite { reward: reward.to_owned(), picture, prompt })
    })
}
