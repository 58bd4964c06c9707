//! What an experiment will cost, counted before it runs.

use serde::{Deserialize, Serialize};

use super::{ExperimentSpec, ProbePrompts, Scalarisation, is_guided};
use crate::Weighting;

/// So many images of each of an epoch's prompts the base draws where the epoch is compared with it.
pub const GAIN_IMAGES: u32 = 2;

/// What the base draws for that is at most one part in so many of what an epoch of one run takes.
const GAIN_SHARE: f64 = 8.0;

/// The work of an experiment. A *pass* is one image through the denoiser once; guidance makes two passes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Adapters to train.
    pub runs: u64,
    /// Adapters that are given, to evaluate.
    pub given: u64,
    /// Reward soups to evaluate.
    pub soups: u64,
    /// Blends of adapters to evaluate.
    pub blends: u64,
    /// Images drawn and scored in training, over all runs and epochs.
    pub training_pictures: u64,
    /// Passes that draw the training images: images × sampler steps.
    pub rollout_passes: u64,
    /// Passes forward and backward that train the adapters: images trained on × passes that the method trains of each.
    pub training_passes: u64,
    /// Passes forward beside them: of the base for runs that are tied to it, and of an older policy where the method has one.
    pub reference_passes: u64,
    /// Images drawn and scored while training is looked at: (base once + runs × probes) × prompts × images per prompt, at most those
    /// of the base that epochs are compared with, and those by which versions are measured in online training.
    pub probe_pictures: u64,
    /// Passes that draw them: images × steps.
    pub probe_passes: u64,
    /// Images drawn and scored in evaluation: (base + runs + given adapters + soups + blends) × prompts × images per prompt. Image
    /// grids show images of the evaluation and cost nothing more.
    pub evaluation_pictures: u64,
    /// Passes that draw the evaluation images: images × evaluation steps, for blends times the number of their adapters.
    pub evaluation_passes: u64,
}

/// What the parts of the work cost on some device, measured or stored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// Seconds for one pass forward.
    pub seconds_per_forward: f64,
    /// Seconds for one training pass, forward and backward, the optimiser's share included.
    pub seconds_per_training_pass: f64,
    /// Seconds to score one image with all rewards and judges.
    pub seconds_per_scored_picture: f64,
}

impl Plan {
    /// Returns all passes that are forward alone.
    pub fn forward_passes(&self) -> u64 {
        self.rollout_passes + self.reference_passes + self.probe_passes + self.evaluation_passes
    }

    /// Returns the estimated time of the whole experiment, in seconds. Start-up, plots and disk are left out.
    pub fn seconds(&self, cost: &CostModel) -> f64 {
        let scored = self.training_pictures + self.probe_pictures + self.evaluation_pictures;
        self.forward_passes() as f64 * cost.seconds_per_forward
            + self.training_passes as f64 * cost.seconds_per_training_pass
            + scored as f64 * cost.seconds_per_scored_picture
    }
}

impl ExperimentSpec {
    /// Returns the passes that an epoch of one run takes, a pass forward and backward counted as three: what methods are compared by.
    /// Probes do not count.
    pub fn pass_equivalents(&self, weighting: &Weighting) -> f64 {
        let training = &self.training;
        let pictures = (training.prompts_per_epoch * training.images_per_prompt) as usize;
        let each = training.method.passes(self);
        let trained = if each.selects { training.advantages.trained(pictures) } else { pictures };
        let tie = if self.kl(weighting) > 0.0 { each.training } else { 0.0 };
        let beside = each.reference + each.base.max(tie);
        let trained = trained as f64 * (3.0 * each.training * self.gradients(weighting) as f64 + beside);
        let passes = pictures as f64 * each.rollout + trained;
        passes * passes_per_step(self.sampler.guidance) as f64
    }

    /// Returns every how many epochs an epoch's images are compared with the base's on the same prompts, beginning with the first: as often
    /// as takes at most an eighth of a run's own passes, once for all runs that are trained together. 0 where training is not looked at
    /// (`training.probe.every: 0`), and where epochs draw nothing.
    pub fn compared_every(&self) -> u32 {
        let training = &self.training;
        let each = training.method.passes(self);
        if training.probe.every == 0 || each.rollout <= 0.0 {
            return 0;
        }
        let images = training.images_per_prompt as usize;
        let trained = if each.selects { training.advantages.trained(images) } else { images };
        let own = images as f64 * each.rollout + 3.0 * trained as f64 * each.training;
        (GAIN_SHARE * f64::from(GAIN_IMAGES) * each.rollout / own).ceil().max(1.0) as u32
    }

    /// Returns whether an epoch, which counts from 1, is compared with the base on its own prompts.
    pub fn is_compared(&self, epoch: u32) -> bool {
        let every = self.compared_every();
        every > 0 && (epoch - 1).is_multiple_of(every)
    }

    /// Returns how often what a method trains of an image is trained in a run: once for each reward that it counts where each has a
    /// gradient of its own.
    fn gradients(&self, weighting: &Weighting) -> u64 {
        if self.scalarisation != Scalarisation::Unopposed {
            return 1;
        }
        let objective = self.objective(weighting);
        let held = |name: &String| self.constraints.iter().any(|constraint| constraint.reward == *name);
        let counts = |reward: &usize| held(&self.rewards[*reward].name) || objective[*reward] > 0.0;
        (0..self.rewards.len()).filter(counts).count().max(1) as u64
    }

    /// Returns the work of this experiment.
    ///
    /// `train_prompts` bounds the prompts of an epoch, `held_out_prompts` those of the evaluation.
    pub fn plan(&self, train_prompts: usize, held_out_prompts: usize) -> Plan {
        let runs = self.weightings().len() as u64 + self.to_choose();
        let (soups, given) = (self.soups().len() as u64, self.adapters.len() as u64);
        let blends = self.blends();
        let blended: u64 = blends.iter().map(|blend| blend.shares.len() as u64).sum();
        let blends = blends.len() as u64;
        let training = &self.training;
        let prompts = u64::from(training.prompts_per_epoch).min(train_prompts as u64);
        let (epochs, pictures) = (u64::from(training.epochs), prompts * u64::from(training.images_per_prompt));
        let each = training.method.passes(self);
        let drawn = if each.rollout > 0.0 { pictures } else { 0 };
        let training_pictures = runs * epochs * drawn;
        let trained = if each.selects { training.advantages.trained(pictures as usize) as u64 } else { pictures };
        let passes = passes_per_step(self.sampler.guidance);
        // Rounded once: a method may draw how many steps it trains.
        let whole = |pictures: u64, each: f64| (pictures as f64 * each).round() as u64 * passes;
        // What is still to be chosen may count every reward.
        let centre = Weighting::new(vec![1.0; self.rewards.len().max(1)]).map_or(1, |centre| self.gradients(&centre));
        let gradients: u64 = self.weightings().iter().map(|(_, weighting)| self.gradients(weighting)).sum();
        let gradients = gradients + self.to_choose() * centre;
        let training_passes = whole(gradients * epochs * trained, each.training);
        let may_be_tied = self.rewards.iter().any(|reward| reward.kl.unwrap_or(training.kl) > 0.0);
        let tied = self.kl_weights().filter(|kl| *kl > 0.0).count() as u64 + self.to_choose() * u64::from(may_be_tied);
        let reference_passes = whole(runs * epochs * trained, each.reference)
            + whole(runs * epochs * trained, each.base)
            + whole(tied * epochs * trained, (each.training - each.base).max(0.0));
        let evaluation = &self.evaluation;
        let prompts = evaluation.prompts.map_or(u64::MAX, u64::from).min(held_out_prompts as u64);
        let each = prompts * u64::from(evaluation.images_per_prompt);
        let probe = &training.probe;
        let looks = u64::from(probe.times(training.epochs));
        let listed = if probe.of == ProbePrompts::Train { train_prompts } else { held_out_prompts };
        let probed = u64::from(probe.prompts).min(listed as u64) * u64::from(probe.images_per_prompt);
        let probe_pictures = if looks == 0 { 0 } else { (1 + runs * looks) * probed };
        // A version is measured on the reference, and on at most as many prompts that arrived.
        let version_pictures = self.online.as_ref().map_or(0, |online| {
            let reference = u64::from(online.reference).min(train_prompts as u64) * u64::from(online.images_per_prompt);
            u64::from(online.versions(training.epochs)) * (1 + 2 * runs) * reference + reference
        });
        let probe_pictures = probe_pictures + version_pictures;
        let compared = (1..=training.epochs).filter(|epoch| self.is_compared(*epoch)).count() as u64;
        let gain_pictures =
            compared * u64::from(GAIN_IMAGES) * train_prompts.min(training.prompts_per_epoch as usize) as u64;
        let guided = u64::from(evaluation.steps) * passes_per_step(evaluation.guidance);
        let evaluation_passes = (1 + runs + given + soups + blended) * each * guided;
        Plan {
            runs,
            given,
            soups,
            blends,
            training_pictures,
            rollout_passes: whole(training_pictures, training.method.passes(self).rollout),
            training_passes,
            reference_passes,
            probe_pictures: probe_pictures + gain_pictures,
            probe_passes: probe_pictures * guided + whole(gain_pictures, training.method.passes(self).rollout),
            evaluation_pictures: (1 + runs + given + soups + blends) * each,
            evaluation_passes,
        }
    }
}

/// Guidance mixes a conditional and an unconditional pass; without it there is the conditional pass alone.
fn passes_per_step(guidance: f32) -> u64 {
    if is_guided(guidance) { 2 } else { 1 }
}
