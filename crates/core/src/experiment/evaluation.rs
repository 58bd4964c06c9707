//! How base, adapters and soups are compared.

use serde::{Deserialize, Serialize};

/// The evaluation on held-out prompts, with the same noise for every point: differences are paired.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSpec {
    /// The first so many held-out prompts. Default: all.
    pub prompts: Option<u32>,
    /// Images per prompt, 2 or more. Default: 4.
    pub images_per_prompt: u32,
    /// Steps of the deterministic sampler. Default: 6, which `emoji-32` is made for.
    pub steps: u32,
    /// Classifier-free guidance scale; 1 or less means none. Default: 1.
    pub guidance: f32,
    /// Seed of the evaluation noise, apart from the experiment's, so that experiments with different seeds are judged
    /// on the same noise. Default: 1.
    pub seed: u64,
    /// Bootstrap resamples (of prompts) for the 95 % intervals. Default: 2000.
    pub resamples: u32,
    /// Held-out prompts shown in image grids. Default: 8.
    pub grid_prompts: u32,
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self { prompts: None, images_per_prompt: 4, steps: 6, guidance: 1.0, seed: 1, resamples: 2000, grid_prompts: 8 }
    }
}
