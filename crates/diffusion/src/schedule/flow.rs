//! Rectified flow: noise levels, and Euler steps through them.

use serde::{Deserialize, Serialize};

use super::{StepRule, default_train_timesteps};

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
    /// Evenly from 1 to 1/steps, shifted: what diffusers' pipelines pass to the schedule where they pass levels.
    #[default]
    Even,
    /// Evenly in timesteps from the largest to the smallest level, shifted twice: diffusers' `set_timesteps(steps)`, which
    /// Stable Diffusion 3's pipeline calls.
    Timesteps,
}

fn default_shift() -> f32 {
    1.0
}

impl FlowConfig {
    /// Returns the noise levels of `steps` steps and the final 0; see [`FlowLevels`].
    pub fn sigmas(&self, steps: usize) -> Vec<f32> {
        if self.levels == FlowLevels::Timesteps {
            return self.default_sigmas(steps);
        }
        let even = |i: usize| 1.0 - i as f64 / steps as f64;
        (0..steps).map(|i| self.shifted(even(i)) as f32).chain([0.0]).collect()
    }

    /// Returns the noise levels of diffusers' `set_timesteps(steps)` without levels given, and the final 0: evenly in
    /// timesteps from the shifted largest to the shifted smallest level, and shifted again.
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
