//! Noise schedules of diffusers, and their steps as one rule.
//!
//! Every step of DDIM and of flow matching, deterministic or stochastic, is linear in the sample, in the model's output and, in
//! second-order steps, in what the step before kept: `mean = sample·x + output·m + previous·k`, and the next sample is drawn
//! from N(mean, std²). A [`StepRule`] holds those numbers. Training on noised images needs a [`NoiseLevel`] besides. The sampler
//! and the trainer know nothing else of a schedule.

mod consistency;
mod ddim;
mod dynamic;
mod flow;
mod level;
mod read;
mod second_order;

use serde::{Deserialize, Serialize};

pub use consistency::{Distillation, Distilled};
pub use ddim::{BetaSchedule, DdimConfig, Prediction, Spacing};
pub use flow::{FlowConfig, FlowLevels};
pub use level::NoiseLevel;
pub use read::ScheduleOwner;

/// One step of a sampler: x' ~ N(`sample`·x + `output`·m + `previous`·k, `std`²), m the model's output at `timestep` and k what the
/// step before kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRule {
    /// The model's time input.
    pub timestep: f32,
    /// Factor of the current sample.
    pub sample: f32,
    /// Factor of the model's output.
    pub output: f32,
    /// Factor of what the step before kept, 0 for a one-step rule.
    pub previous: f32,
    /// What this step keeps for the next, as factors of x and m: `[0, 1]`, the model's output, but for DPM-Solver++, which keeps
    /// the predicted clean sample.
    pub kept: [f32; 2],
    /// Standard deviation of the noise added, 0 for a deterministic step.
    pub std: f32,
}

impl StepRule {
    /// Returns the rule of a step that needs nothing from the step before.
    fn one_step(timestep: f32, sample: f32, output: f32, std: f32) -> Self {
        Self { timestep, sample, output, previous: 0.0, kept: [0.0, 1.0], std }
    }
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
    /// Returns the sampler of `steps` steps for evaluation: the deterministic one, but for latent consistency models, whose own steps draw
    /// fresh noise.
    pub fn evaluation(&self, steps: usize) -> Vec<StepRule> {
        match self {
            Self::Ddim(ddim) if matches!(ddim.distilled, Some(Distilled { kind: Distillation::Lcm { .. }, .. })) => {
                ddim.ddim(steps, 1.0)
            }
            _ => self.deterministic(steps),
        }
    }

    /// Returns the deterministic sampler of `steps` steps.
    pub fn deterministic(&self, steps: usize) -> Vec<StepRule> {
        match self {
            Self::Flow(flow) => flow.ode(&flow.sigmas(steps)),
            Self::Ddim(ddim) => ddim.ddim(steps, 0.0),
        }
    }

    /// Returns a deterministic sampler of `steps` steps of second order, which needs about half the steps for the same error:
    /// [`FlowConfig::adams_bashforth`] or [`DdimConfig::dpm_solver`], each a pass of the model a step as the first order. Distilled
    /// models have no such steps: theirs are of first order.
    pub fn deterministic_second_order(&self, steps: usize) -> Vec<StepRule> {
        match self {
            Self::Flow(flow) => flow.adams_bashforth(&flow.sigmas(steps)),
            Self::Ddim(ddim) if ddim.distilled.is_some() => ddim.ddim(steps, 0.0),
            Self::Ddim(ddim) => ddim.dpm_solver(steps),
        }
    }
}
