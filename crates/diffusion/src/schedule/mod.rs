//! Noise schedules of diffusers, and their steps as one rule.
//!
//! Every step of DDIM and of flow matching, deterministic or stochastic, is linear in the sample and in the model's
//! output: `mean = sample·x + output·m`, and the next sample is drawn from N(mean, std²). A [`StepRule`] holds those
//! numbers; the sampler and the trainer know nothing else of a schedule.

mod ddim;
mod flow;
mod read;

use serde::{Deserialize, Serialize};

pub use ddim::{BetaSchedule, DdimConfig, Prediction, Spacing};
pub use flow::{FlowConfig, FlowLevels};

/// One step of a sampler: x' ~ N(`sample`·x + `output`·m, `std`²), m the model's output at `timestep`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRule {
    /// The model's time input.
    pub timestep: f32,
    /// Factor of the current sample.
    pub sample: f32,
    /// Factor of the model's output.
    pub output: f32,
    /// Standard deviation of the noise added, 0 for a deterministic step.
    pub std: f32,
}

/// `scheduler/scheduler_config.json`, as far as moa's own steps need it; see [`ScheduleConfig::read`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "_class_name")]
pub enum ScheduleConfig {
    /// Rectified flow: x_σ = (1−σ)·x₀ + σ·ε, the model predicts ε − x₀.
    #[serde(rename = "FlowMatchEulerDiscreteScheduler")]
    Flow(FlowConfig),
    /// Discrete-time diffusion, sampled by DDIM.
    #[serde(rename = "DDIMScheduler")]
    Ddim(DdimConfig),
}

fn default_train_timesteps() -> usize {
    1000
}

impl ScheduleConfig {
    /// Returns the deterministic sampler of `steps` steps, for evaluation.
    pub fn deterministic(&self, steps: usize) -> Vec<StepRule> {
        match self {
            Self::Flow(flow) => flow.ode(&flow.sigmas(steps)),
            Self::Ddim(ddim) => ddim.ddim(steps, 0.0),
        }
    }
}

/// Returns the log-density of a step averaged over the sample's dimensions, as DDPO and Flow-GRPO define it, from the
/// mean squared distance of the next sample to the step's mean.
pub fn mean_log_prob(mean_squared_distance: f32, std: f32) -> f32 {
    -mean_squared_distance / (2.0 * std * std) - std.ln() - 0.5 * std::f32::consts::TAU.ln()
}
