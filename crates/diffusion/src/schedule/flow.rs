//! Rectified flow: noise levels, and Euler steps through them.

use std::f64::consts::FRAC_PI_2;

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
        sigmas.windows(2).map(|pair| StepRule::one_step(self.timestep(pair[0]), 1.0, pair[1] - pair[0], 0.0)).collect()
    }

    /// Returns the model's time input at a noise level.
    pub(super) fn timestep(&self, sigma: f32) -> f32 {
        sigma * self.num_train_timesteps as f32
    }

    /// Returns Flow-GRPO's stochastic steps through the given levels (Liu et al., 2505.05470), Euler–Maruyama steps of an SDE with
    /// σ_t = noise·√(σ/(1−σ)). In the denominator the level 1 counts as the next one: the root would be infinite.
    ///
    /// The SDE has the marginals of the ODE, and these steps have them only as the steps shrink: with few steps and much noise
    /// samples are noisier than the model expects at their level. For normal data of variance 0.42 and the best possible model, the
    /// variance after each of 6 even steps at noise 1.2, but for the last, is 2.06, 2.45, 1.73, 1.38 and 1.13 times what it should
    /// be. [`FlowConfig::cps`] adds no noise that its level does not have.
    pub fn sde(&self, sigmas: &[f32], noise: f32) -> Vec<StepRule> {
        sigmas
            .windows(2)
            .map(|pair| {
                let (sigma, dt) = (f64::from(pair[0]), f64::from(pair[1]) - f64::from(pair[0]));
                let level = if pair[0] >= 1.0 { f64::from(sigmas[1]) } else { sigma };
                let deviation = f64::from(noise) * (sigma / (1.0 - level)).sqrt();
                let drift = deviation * deviation / (2.0 * sigma) * dt;
                StepRule::one_step(
                    self.timestep(pair[0]),
                    (1.0 + drift) as f32,
                    (dt + drift * (1.0 - sigma)) as f32,
                    (deviation * (-dt).sqrt()) as f32,
                )
            })
            .collect()
    }

    /// Returns the stochastic steps of coefficients-preserving sampling through the given levels (Wang & Yu, 2509.05952): from σ to
    /// σ′ the mean is (1−σ′)·x̂₀ + √(σ′²−s²)·x̂₁ and the standard deviation s = σ′·sin(η·π/2), with x̂₀ = x − σ·v and
    /// x̂₁ = x + (1−σ)·v the predicted image and noise.
    ///
    /// The predicted image keeps the coefficient 1−σ′ and noise, predicted and fresh together, the coefficient σ′, for every η and any
    /// number of steps: a part of the predicted noise is replaced by fresh noise. Where the model tells image and noise apart, samples
    /// have exactly the level that it was trained on. Where it predicts a mean over many possible images, they have less variance, as
    /// the ODE's have with few steps, and a larger η means less: for normal data of variance 0.42 and the best possible model, after 6
    /// even steps at η = 0.9 0.98, 0.92, 0.76, 0.56 and 0.43 times what it should be (the ODE's: 0.98, 0.95, 0.89, 0.79 and 0.69).
    ///
    /// η = 0 is [`FlowConfig::ode`]; at η = 1 all noise is fresh. The step to σ′ = 0 is deterministic whatever η, and has no
    /// log-probability.
    pub fn cps(&self, sigmas: &[f32], eta: f32) -> Vec<StepRule> {
        let (sine, cosine) = (f64::from(eta) * FRAC_PI_2).sin_cos();
        sigmas
            .windows(2)
            .map(|pair| {
                let (sigma, next) = (f64::from(pair[0]), f64::from(pair[1]));
                let kept = next * cosine;
                StepRule::one_step(
                    self.timestep(pair[0]),
                    (1.0 - next + kept) as f32,
                    ((1.0 - sigma) * kept - sigma * (1.0 - next)) as f32,
                    (next * sine) as f32,
                )
            })
            .collect()
    }
}
