//! The rewards on CLIP, by another CLIP: trained from another seed, so that what fools one need not fool the other.

use moa_core::judge::{CLIP_ALIGNMENT, CLIP_DIVERSITY};

use super::{Judge, JudgeColumn};
use crate::rewards::{Alignment, Diversity};
use crate::{Embedder, Pictures, Reward, RewardError, View};

/// Alignment and diversity by a CLIP that no reward uses.
pub struct ClipJudge {
    embedder: Embedder,
}

impl ClipJudge {
    /// Returns the judge.
    pub fn new(embedder: Embedder) -> Self {
        Self { embedder }
    }
}

impl Judge for ClipJudge {
    fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError> {
        let view = View::new(pictures);
        let column = |name, scores: Vec<f32>| JudgeColumn { name, scores: scores.into_iter().map(Some).collect() };
        let alignment = Alignment::new(CLIP_ALIGNMENT, self.embedder.clone());
        let mut columns = vec![column(CLIP_ALIGNMENT, alignment.score(&view)?)];
        if pictures.group() > 1 {
            let diversity = Diversity::new(CLIP_DIVERSITY, pictures.group(), self.embedder.picture_embedder().clone())?;
            columns.push(column(CLIP_DIVERSITY, diversity.score(&view)?));
        }
        Ok(columns)
    }
}
