//! What stops training.

use moa_core::RunId;
use moa_diffusion::ConfigError;
use moa_optimiser::StateError;
use moa_reward::RewardError;

/// Why training or drawing fails.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A reward failed, or gave a score that is not finite.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// What a probe found cannot be compared.
    #[error(transparent)]
    Analysis(#[from] moa_analysis::AnalysisError),
    /// The adapter from which a run should continue does not fit it.
    #[error("the adapter to continue from differs from the experiment in layers, rank, alpha or A")]
    Start,
    /// The adapter of the phase before does not fit the run.
    #[error(
        "the adapter of the phase before `{run}` has other layers than lora.targets names: give all phases the same"
    )]
    OtherLayers {
        /// The run.
        run: RunId,
    },
    /// Nothing is known of how much weights mattered.
    #[error(
        "the phase before left nothing from which the importance of `{run}`'s weights is known, as its training ended before its time: give \
         training.guard: Off, or continual.importance: 0"
    )]
    NoImportance {
        /// The run.
        run: RunId,
    },
    /// Drawing was asked to stop.
    #[error("it was stopped")]
    Stopped,
    /// A prompt cannot be tokenised.
    #[error(transparent)]
    Prompt(#[from] ConfigError),
    /// The sampler does not fit the base model.
    #[error("sampler.kind is {kind}, but the base model's schedule is {schedule}: use {wanted}")]
    Sampler {
        /// The kind in the experiment file.
        kind: &'static str,
        /// The base model's schedule.
        schedule: &'static str,
        /// The kind that fits.
        wanted: &'static str,
    },
    /// The rollout's probabilities are not those of the update: a bug, or kernels that depend on the batch.
    #[error(
        "the probability ratio before the first update differs from 1 by {deviation:.2e} (at most {most:.1e} is accepted in precision \
         {precision}): the device computes rollouts and updates differently; give another precision or device, or raise \
         training.method.clip, of which a quarter may be rounding"
    )]
    RatioOff {
        /// The largest deviation from 1.
        deviation: f64,
        /// The largest that is sound.
        most: f64,
        /// The base model's precision.
        precision: &'static str,
    },
    /// A gradient is not finite.
    #[error(
        "the gradient of run `{run}` is not finite in epoch {epoch}: lower optimiser.learning_rate, or, where the base computes in F16, \
         give precision: Bf16 or F32"
    )]
    Diverged {
        /// The run.
        run: RunId,
        /// The epoch.
        epoch: u32,
    },
    /// `lora.targets` matches no layer.
    #[error("lora.targets {targets:?} match no linear layer of the base model: its layers end in {examples:?}")]
    NoTargets {
        /// The targets.
        targets: Vec<String>,
        /// Names that would match.
        examples: Vec<String>,
    },
    /// There is nothing to erase.
    #[error("name at least one concept to erase")]
    NoConcept,
    /// The gradient of an erasure is not finite.
    #[error(
        "the gradient is not finite in step {step} of the erasure: lower optimiser.learning_rate, or, where the base computes in F16, give \
         precision: Bf16 or F32"
    )]
    ErasureDiverged {
        /// The step.
        step: u32,
    },
    /// The state of an erasure cannot be gone on from.
    #[error("the state of the erasure is {0}: remove the file to begin again, or restore it")]
    ErasureState(#[source] StateError),
    /// A checkpoint is unreadable or belongs to another experiment.
    #[error("the checkpoint is {0}: remove the results folder to start again, or restore the file")]
    Checkpoint(String),
}
