//! How long and how adapters are trained.

use serde::{Deserialize, Serialize};

/// The policy-gradient loop: each epoch draws pictures, scores them, and updates every adapter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSpec {
    /// Rollouts per run. Default: 20.
    pub epochs: u32,
    /// Prompts drawn per epoch; the same for all runs. Default: 8.
    pub prompts_per_epoch: u32,
    /// Pictures per prompt and epoch: the group that advantages are taken in, 2 or more. Default: 8.
    pub pictures_per_prompt: u32,
    /// How many of the sampler's steps are trained per epoch, drawn at random; the last step has no usable density and is
    /// never among them. Default: 3.
    pub train_steps: u32,
    /// The share of each run's pictures that is trained on: those with the largest advantages by magnitude, which hold most of
    /// what there is to learn. Default: 1.
    pub trained_share: f64,
    /// Optimiser updates per epoch; divides `train_steps`. Default: 1.
    pub updates_per_epoch: u32,
    /// Half-width of the clipped ratio, at 16,384 latent dimensions; scaled by √(16384 / D) to D dimensions. Default: 1e-4.
    pub clip: f64,
    /// Weight of the KL divergence to the base, per trained step. Default: 0.
    pub kl: f64,
    /// Advantages are clamped to ± this, in standard deviations. Default: 5.
    pub advantage_clip: f64,
    /// Pictures per pass through the denoiser. Changes memory and time, and results by rounding alone. Default: 32.
    pub micro_batch: u32,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            prompts_per_epoch: 8,
            pictures_per_prompt: 8,
            train_steps: 3,
            trained_share: 1.0,
            updates_per_epoch: 1,
            clip: 1e-4,
            kl: 0.0,
            advantage_clip: 5.0,
            micro_batch: 32,
        }
    }
}

impl TrainingSpec {
    /// Returns how many of so many pictures are trained on: their share, rounded up, at least one.
    pub fn trained(&self, pictures: usize) -> usize {
        ((pictures as f64 * self.trained_share).ceil() as usize).clamp(1, pictures.max(1))
    }
}
