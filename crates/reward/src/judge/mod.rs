//! Judges: models that are never trained on, and watch the rewards.
//!
//! A reward that is trained on can be hacked: its score rises and the images do not get better. Judges measure the same
//! thing by other means (another network, another CLIP), so that a rising reward with a falling judge shows. They share
//! the data with the rewards' models, so what fools both is not seen.

mod clip;
mod detector;

pub use clip::ClipJudge;
pub use detector::{DetectorJudge, Verdict};

use crate::{Pictures, RewardError};

/// What one judge says of a batch. Higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeColumn {
    /// What is judged: one of the names in [`moa_core::judge`].
    pub name: &'static str,
    /// One score per image; `None` where the judge has nothing to say, e.g. because it cannot read the prompt.
    pub scores: Vec<Option<f32>>,
}

impl JudgeColumn {
    /// Returns the mean score of each prompt's images, `None` for prompts on which the judge has nothing to say.
    pub fn prompt_means(&self, group: usize) -> Vec<Option<f64>> {
        let mean = |scores: &[Option<f32>]| {
            let known: Vec<f64> = scores.iter().flatten().map(|score| f64::from(*score)).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        self.scores.chunks(group).map(mean).collect()
    }
}

/// Something that watches the rewards.
pub trait Judge: Send + Sync {
    /// Judges a batch.
    ///
    /// # Errors
    /// Says why the images cannot be judged.
    fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError>;
}

#[cfg(test)]
mod tests {
    use moa_core::judge::ATTRIBUTES;

    use super::*;

    #[test]
    fn prompts_without_scores_have_no_mean() {
        let scores = vec![Some(1.0), Some(0.0), None, None, None, Some(0.25)];
        let column = JudgeColumn { name: ATTRIBUTES, scores };
        assert_eq!(column.prompt_means(2), [Some(0.5), None, Some(0.25)]);
    }
}
