//! What tests of rewards from outside share: grey images, and scoring by one reward alone.

use burn::tensor::{Device, Tensor, TensorData};
use moa_reward::{Pictures, Reward, RewardError, View};

/// Images of one grey each, `side` × `side`, with prompts of their own.
pub(crate) fn greys(levels: &[f32], side: usize) -> Pictures {
    let values = levels.iter().flat_map(|level| vec![*level; 3 * side * side]).collect();
    of_values(values, levels.len(), side, side)
}

/// Images of the given values, `[count, 3, height, width]`.
pub(crate) fn of_values(values: Vec<f32>, count: usize, height: usize, width: usize) -> Pictures {
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, height, width]), &Device::flex());
    Pictures::new(pixels, (0..count).map(|index| format!("grey {index}")).collect(), 1).expect("whole groups")
}

/// Scores images by one reward.
pub(crate) fn score(reward: &dyn Reward, pictures: &Pictures) -> Result<Vec<f32>, RewardError> {
    reward.score(&View::new(pictures))
}
