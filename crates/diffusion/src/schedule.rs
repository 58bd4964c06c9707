//! Noise schedules of diffusers, and their steps as one rule.
//!
//! Every step of DDIM and of flow matching, deterministic or stochastic, is linear in the sample and in the model's
//! output: `mean = sample·x + output·m`, and the next sample is drawn from N(mean, std²). A [`StepRule`] holds those
//! numbers; the sampler and the trainer know nothing else of a schedule.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

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

/// `scheduler/scheduler_config.json`.
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

/// diffusers' `FlowMatchEulerDiscreteScheduler`, without dynamic shifting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowConfig {
    /// The time input's scale: timestep = σ · this.
    #[serde(default = "default_train_timesteps")]
    pub num_train_timesteps: usize,
    /// Shift of the noise levels towards more noise (Esser et al., 2403.03206).
    #[serde(default = "default_shift")]
    pub shift: f32,
    /// Which noise levels a number of steps means; the pipeline's family says it, no file does.
    #[serde(skip)]
    pub levels: FlowLevels,
}

/// The noise levels that a number of steps means, before the final 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowLevels {
    /// Evenly from 1 to 1/steps, shifted.
    #[default]
    Even,
    /// Evenly in timesteps from the largest to the smallest level, shifted twice: diffusers' Stable Diffusion 3.
    Timesteps,
}

/// diffusers' `DDIMScheduler` (Song et al., 2010.02502).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DdimConfig {
    /// Steps of the forward process.
    #[serde(default = "default_train_timesteps")]
    pub num_train_timesteps: usize,
    /// First β.
    pub beta_start: f64,
    /// Last β.
    pub beta_end: f64,
    /// How β grows.
    pub beta_schedule: BetaSchedule,
    /// Whether the step before the first has no noise at all.
    #[serde(default = "default_alpha_to_one")]
    pub set_alpha_to_one: bool,
    /// Added to leading timesteps.
    #[serde(default)]
    pub steps_offset: usize,
    /// Which of the forward steps are visited.
    #[serde(default = "default_spacing")]
    pub timestep_spacing: Spacing,
    /// What the model predicts.
    #[serde(default = "default_prediction")]
    pub prediction_type: Prediction,
    /// Whether predicted samples are clipped; must be false.
    #[serde(default = "default_clip")]
    pub clip_sample: bool,
}

/// Growth of β.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// β grows evenly.
    Linear,
    /// √β grows evenly.
    ScaledLinear,
}

/// Spacing of the visited timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// From the start of each stretch.
    Leading,
    /// From the end of each stretch.
    Trailing,
}

/// What a discrete-time model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The velocity √ᾱ·ε − √(1−ᾱ)·x₀.
    VPrediction,
}

fn default_train_timesteps() -> usize {
    1000
}
fn default_shift() -> f32 {
    1.0
}
fn default_alpha_to_one() -> bool {
    true
}
fn default_spacing() -> Spacing {
    Spacing::Leading
}
fn default_prediction() -> Prediction {
    Prediction::Epsilon
}
fn default_clip() -> bool {
    true
}

impl FlowConfig {
    /// Returns the noise levels of `steps` steps and the final 0.
    pub fn sigmas(&self, steps: usize) -> Vec<f32> {
        match self.levels {
            FlowLevels::Even => self.even_sigmas(steps),
            FlowLevels::Timesteps => self.default_sigmas(steps),
        }
    }

    /// Returns the noise levels of `steps` steps and the final 0: evenly from 1 to 1/steps, shifted. These are the
    /// levels that diffusers' flow pipelines, but for Stable Diffusion 3's, pass to the schedule.
    pub fn even_sigmas(&self, steps: usize) -> Vec<f32> {
        let even = |i: usize| 1.0 - i as f64 / steps as f64;
        (0..steps).map(|i| self.shifted(even(i)) as f32).chain([0.0]).collect()
    }

    /// Returns the noise levels of diffusers' `set_timesteps(steps)` without levels given: evenly in timesteps from the
    /// shifted largest to the shifted smallest level, and shifted again.
    pub fn default_sigmas(&self, steps: usize) -> Vec<f32> {
        let (high, low) = (self.shifted(1.0), self.shifted(1.0 / self.num_train_timesteps as f64));
        let share = |i: usize| if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
        (0..steps).map(|i| self.shifted(high + (low - high) * share(i)) as f32).chain([0.0]).collect()
    }

    fn shifted(&self, sigma: f64) -> f64 {
        let shift = f64::from(self.shift);
        shift * sigma / (1.0 + (shift - 1.0) * sigma)
    }

    /// Returns the deterministic Euler steps through the given levels.
    pub fn ode(&self, sigmas: &[f32]) -> Vec<StepRule> {
        sigmas
            .windows(2)
            .map(|pair| StepRule {
                timestep: pair[0] * self.num_train_timesteps as f32,
                sample: 1.0,
                output: pair[1] - pair[0],
                std: 0.0,
            })
            .collect()
    }

    /// Returns Flow-GRPO's stochastic steps through the given levels (Liu et al., 2505.05470): the same marginals as
    /// the ODE, with σ_t = noise·√(σ/(1−σ)). In the denominator the level 1 counts as the next one: the root would be
    /// infinite.
    pub fn sde(&self, sigmas: &[f32], noise: f32) -> Vec<StepRule> {
        sigmas
            .windows(2)
            .map(|pair| {
                let (sigma, dt) = (f64::from(pair[0]), f64::from(pair[1]) - f64::from(pair[0]));
                let level = if pair[0] >= 1.0 { f64::from(sigmas[1]) } else { sigma };
                let deviation = f64::from(noise) * (sigma / (1.0 - level)).sqrt();
                let drift = deviation * deviation / (2.0 * sigma) * dt;
                StepRule {
                    timestep: pair[0] * self.num_train_timesteps as f32,
                    sample: (1.0 + drift) as f32,
                    output: (dt + drift * (1.0 - sigma)) as f32,
                    std: (deviation * (-dt).sqrt()) as f32,
                }
            })
            .collect()
    }
}

impl DdimConfig {
    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.clip_sample {
            return Err(ConfigError::Field {
                file: "scheduler/scheduler_config.json",
                field: "clip_sample",
                value: "true".into(),
                wanted: "steps with clipped samples have no Gaussian log-probability: set it to false",
            });
        }
        Ok(())
    }

    /// Returns the cumulative products ᾱ of 1−β for every step of the forward process.
    pub fn alphas_cumprod(&self) -> Vec<f64> {
        let count = self.num_train_timesteps;
        let even = |i: usize, from: f64, to: f64| from + (to - from) * i as f64 / (count.max(2) - 1) as f64;
        let beta = |i: usize| match self.beta_schedule {
            BetaSchedule::Linear => even(i, self.beta_start, self.beta_end),
            BetaSchedule::ScaledLinear => even(i, self.beta_start.sqrt(), self.beta_end.sqrt()).powi(2),
        };
        (0..count)
            .scan(1.0, |product, i| {
                *product *= 1.0 - beta(i);
                Some(*product)
            })
            .collect()
    }

    /// Returns the visited timesteps, most noise first.
    pub fn timesteps(&self, steps: usize) -> Vec<usize> {
        let count = self.num_train_timesteps;
        match self.timestep_spacing {
            Spacing::Leading => (0..steps).rev().map(|i| i * (count / steps) + self.steps_offset).collect(),
            Spacing::Trailing => {
                let stride = count as f64 / steps as f64;
                (0..steps).map(|i| ((count as f64 - i as f64 * stride).round_ties_even() as usize).max(1) - 1).collect()
            }
        }
    }

    /// Returns the steps of DDIM; η = 0 is deterministic, η = 1 has DDPM's variance.
    pub fn ddim(&self, steps: usize, eta: f32) -> Vec<StepRule> {
        let alphas = self.alphas_cumprod();
        let last = if self.set_alpha_to_one { 1.0 } else { alphas[0] };
        self.timesteps(steps)
            .into_iter()
            .map(|timestep| {
                let alpha = alphas[timestep.min(alphas.len() - 1)];
                // The step before, clamped at the start of the process.
                let next = timestep.checked_sub(self.num_train_timesteps / steps).map_or(last, |t| alphas[t]);
                let variance = (1.0 - next) / (1.0 - alpha) * (1.0 - alpha / next);
                let std = f64::from(eta) * variance.max(0.0).sqrt();
                let direction = (1.0 - next - std * std).max(0.0).sqrt();
                // x₀ and ε as (factor of x, factor of m).
                let (root, rest) = (alpha.sqrt(), (1.0 - alpha).sqrt());
                let (clean, noise) = match self.prediction_type {
                    Prediction::Epsilon => ((1.0 / root, -rest / root), (0.0, 1.0)),
                    Prediction::VPrediction => ((root, -rest), (rest, root)),
                };
                StepRule {
                    timestep: timestep as f32,
                    sample: (next.sqrt() * clean.0 + direction * noise.0) as f32,
                    output: (next.sqrt() * clean.1 + direction * noise.1) as f32,
                    std: std as f32,
                }
            })
            .collect()
    }
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
