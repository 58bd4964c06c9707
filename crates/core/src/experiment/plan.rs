//! What an experiment will cost, counted before it runs.

use serde::{Deserialize, Serialize};

use super::ExperimentSpec;

/// The work of an experiment. A *pass* is one picture through the denoiser once; guidance makes two passes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Adapters to train.
    pub runs: u64,
    /// Reward soups to evaluate.
    pub soups: u64,
    /// Blends of adapters to evaluate.
    pub blends: u64,
    /// Pictures drawn and scored in training, over all runs and epochs.
    pub training_pictures: u64,
    /// Passes that draw the training pictures: pictures × sampler steps.
    pub rollout_passes: u64,
    /// Passes forward and backward that train the adapters: pictures trained on × trained steps.
    pub training_passes: u64,
    /// Passes of the base alone that the KL divergence needs: as many as training passes, 0 where no run has one.
    pub reference_passes: u64,
    /// Pictures drawn and scored in evaluation: (base + runs + soups + blends) × prompts × pictures per prompt. Picture
    /// grids show pictures of the evaluation and cost nothing more.
    pub evaluation_pictures: u64,
    /// Passes that draw the evaluation pictures: pictures × evaluation steps, for blends times the number of their adapters.
    pub evaluation_passes: u64,
}

/// What the parts of the work cost on some device, measured or remembered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// Seconds for one pass forward.
    pub seconds_per_forward: f64,
    /// Seconds for one training pass, forward and backward, the optimiser's share included.
    pub seconds_per_training_pass: f64,
    /// Seconds to score one picture with all rewards and judges.
    pub seconds_per_scored_picture: f64,
}

impl Plan {
    /// Returns the estimated time of the whole experiment, in seconds. Start-up, plots and disk are left out.
    pub fn seconds(&self, cost: &CostModel) -> f64 {
        let forward = self.rollout_passes + self.reference_passes + self.evaluation_passes;
        forward as f64 * cost.seconds_per_forward
            + self.training_passes as f64 * cost.seconds_per_training_pass
            + (self.training_pictures + self.evaluation_pictures) as f64 * cost.seconds_per_scored_picture
    }
}

impl ExperimentSpec {
    /// Returns the work of this experiment.
    ///
    /// `train_prompts` bounds the prompts of an epoch, `held_out_prompts` those of the evaluation.
    pub fn plan(&self, train_prompts: usize, held_out_prompts: usize) -> Plan {
        let runs = self.weightings().len() as u64;
        let soups = self.soups().len() as u64;
        let blends = self.blends();
        let blended: u64 = blends.iter().map(|blend| blend.shares.len() as u64).sum();
        let blends = blends.len() as u64;
        let training = &self.training;
        let prompts = u64::from(training.prompts_per_epoch).min(train_prompts as u64);
        let (epochs, pictures) = (u64::from(training.epochs), prompts * u64::from(training.pictures_per_prompt));
        let training_pictures = runs * epochs * pictures;
        let trained_pictures = runs * epochs * training.trained(pictures as usize) as u64;
        let passes = passes_per_step(self.sampler.guidance);
        let training_passes = trained_pictures * u64::from(training.train_steps) * passes;
        let evaluation = &self.evaluation;
        let prompts = evaluation.prompts.map_or(u64::MAX, u64::from).min(held_out_prompts as u64);
        let each = prompts * u64::from(evaluation.pictures_per_prompt);
        let evaluation_passes =
            (1 + runs + soups + blended) * each * u64::from(evaluation.steps) * passes_per_step(evaluation.guidance);
        Plan {
            runs,
            soups,
            blends,
            training_pictures,
            rollout_passes: training_pictures * u64::from(self.sampler.steps) * passes,
            training_passes,
            reference_passes: if self.kl_weights().any(|kl| kl > 0.0) { training_passes } else { 0 },
            evaluation_pictures: (1 + runs + soups + blends) * each,
            evaluation_passes,
        }
    }
}

/// Guidance mixes a conditional and an unconditional pass; scale 1 is the conditional pass alone.
#[expect(clippy::float_cmp, reason = "exactly 1 is the value that switches guidance off")]
fn passes_per_step(guidance: f32) -> u64 {
    if guidance == 1.0 { 1 } else { 2 }
}
