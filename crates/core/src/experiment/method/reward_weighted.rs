//! Reward-weighted likelihood.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Reward-weighted likelihood: the denoising loss of the model's own images, weighted by how good they are (RWR, 2305.13301;
/// RAFT, 2304.06767).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardWeightedSpec {
    /// What an image weighs. Default: `Exponential(temperature: 1)`.
    pub weights: RewardWeights,
    /// Noise levels that each image is trained at per epoch, drawn at random. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
}

impl Default for RewardWeightedSpec {
    fn default() -> Self {
        Self { weights: RewardWeights::default(), levels: 2, updates_per_epoch: 1 }
    }
}

/// What an image weighs in the denoising loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RewardWeights {
    /// exp(advantage / temperature), divided by its mean over the prompt's images (RWR).
    Exponential {
        /// In standard deviations of the advantage. Default: 1.
        #[serde(default = "temperature")]
        temperature: f64,
    },
    /// 1 for the images of the epoch whose advantage is at or above this quantile, 0 for all others (RWR's sparse form).
    Quantile {
        /// The quantile, 0 to below 1.
        at: f64,
    },
    /// 1 for so many of each prompt's images, its best, and 0 for all others (RAFT).
    Best {
        /// How many.
        count: u32,
    },
}

fn temperature() -> f64 {
    1.0
}

impl Default for RewardWeights {
    fn default() -> Self {
        Self::Exponential { temperature: temperature() }
    }
}

impl Method for RewardWeightedSpec {
    fn name(&self) -> &'static str {
        "RewardWeighted"
    }

    fn numbers(&self) -> Vec<Number> {
        let (temperature, quantile, best) = match self.weights {
            RewardWeights::Exponential { temperature } => (Some(temperature), None, None),
            RewardWeights::Quantile { at } => (None, Some(at), None),
            RewardWeights::Best { count } => (None, None, Some(f64::from(count))),
        };
        vec![
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("weights.temperature", Bounds::Above(0.0, 1000.0), temperature),
            ("weights.at", Bounds::Below(0.0, 1.0), quantile),
            ("weights.count", Bounds::Whole(1, 1024), best),
        ]
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        let most = spec.training.images_per_prompt;
        if let RewardWeights::Best { count } = self.weights
            && count > most
        {
            let way_out = format!("give at most {most}, which training.images_per_prompt is");
            return Err(Finding::value(format!("{field}.weights.count"), count.to_string(), way_out));
        }
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let share = match self.weights {
            RewardWeights::Exponential { .. } => 1.0,
            RewardWeights::Quantile { at } => 1.0 - at,
            RewardWeights::Best { count } => f64::from(count) / f64::from(spec.training.images_per_prompt),
        };
        let selects = matches!(self.weights, RewardWeights::Exponential { .. });
        let training = f64::from(self.levels) * share;
        Passes { rollout: spec.sampler.steps.into(), training, selects, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::RewardWeighted(Self { weights: RewardWeights::default(), levels: 1, updates_per_epoch: 1 })
    }
}
