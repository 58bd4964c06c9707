//! What every reward does.

use crate::disk::preference::{ModelSlot, PreferenceFeatures};
use crate::{Differentiable, RewardError, View};

/// Something that images are scored by: higher is better.
pub trait Reward: Send + Sync {
    /// Returns the reward's name in the experiment.
    fn name(&self) -> &str;

    /// Returns one score per image; the same images always get the same scores, until a model in [`Reward::slot`] is replaced.
    ///
    /// # Errors
    /// Says why the images cannot be scored. Scores that are not finite are the [`crate::Scorer`]'s to refuse.
    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError>;

    /// Refuses a prompt whose images it could not score, before any is drawn.
    ///
    /// # Errors
    /// Says what is wrong with the prompt.
    fn check_prompt(&self, _prompt: &str) -> Result<(), RewardError> {
        Ok(())
    }

    /// Returns where the model stands of a reward that is fitted to judgements, and what it sees; nothing of others.
    fn slot(&self) -> Option<(&ModelSlot, &PreferenceFeatures)> {
        None
    }

    /// Returns the reward as one whose scores have a gradient; nothing where there is none.
    fn differentiable(&self) -> Option<&dyn Differentiable> {
        None
    }
}
