//! Discrete-time diffusion: β, ᾱ, and the steps of DDIM.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use super::{Distilled, StepRule, default_train_timesteps};

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
    /// β of every forward step, where it follows no formula; the three fields above then mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_betas: Option<Vec<f64>>,
    /// Whether β is rescaled so that the last forward step has no signal left (Lin et al., 2305.08891).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rescale_betas_zero_snr: bool,
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
    /// How the model was distilled to few steps; `None` of others. A config says it by its class.
    #[serde(skip)]
    pub distilled: Option<Distilled>,
}

/// Growth of β.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// β grows evenly.
    Linear,
    /// √β grows evenly.
    ScaledLinear,
    /// ᾱ falls as a squared cosine, whatever the first and the last β (Nichol & Dhariwal, 2102.09672).
    #[serde(rename = "squaredcos_cap_v2")]
    Cosine,
}

/// Spacing of the visited timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// From the start of each stretch.
    Leading,
    /// From the end of each stretch.
    Trailing,
    /// Evenly from the first to the last.
    Linspace,
}

/// What a discrete-time model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The velocity √ᾱ·ε − √(1−ᾱ)·x₀.
    VPrediction,
    /// The sample without noise, x₀.
    Sample,
}

impl Prediction {
    /// Returns x₀ and ε at ᾱ, each as factors of the sample x = √ᾱ·x₀ + √(1−ᾱ)·ε and of the model's output.
    pub(super) fn parts(self, alpha: f64) -> [[f64; 2]; 2] {
        let (root, rest) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        match self {
            Self::Epsilon => [[1.0 / root, -rest / root], [0.0, 1.0]],
            Self::VPrediction => [[root, -rest], [rest, root]],
            Self::Sample => [[0.0, 1.0], [1.0 / rest, -root / rest]],
        }
    }

    /// Returns what the model is trained to predict at ᾱ, as factors of x₀ and ε.
    pub(super) fn target(self, alpha: f64) -> [f64; 2] {
        match self {
            Self::Epsilon => [0.0, 1.0],
            Self::VPrediction => [-(1.0 - alpha).sqrt(), alpha.sqrt()],
            Self::Sample => [1.0, 0.0],
        }
    }
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

/// The cosine schedule's ᾱ before the first step is normalised to 1.
fn cosine(share: f64) -> f64 {
    ((share + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
}

/// The cosine schedule's largest β.
const COSINE_CAP: f64 = 0.999;

impl DdimConfig {
    /// Returns β of every forward step, before any rescaling.
    fn betas(&self) -> Vec<f64> {
        if let Some(betas) = &self.trained_betas {
            return betas.clone();
        }
        let count = self.num_train_timesteps;
        let even = |i: usize, from: f64, to: f64| from + (to - from) * i as f64 / (count.max(2) - 1) as f64;
        let share = |i: usize| i as f64 / count as f64;
        let beta = |i: usize| match self.beta_schedule {
            BetaSchedule::Linear => even(i, self.beta_start, self.beta_end),
            BetaSchedule::ScaledLinear => even(i, self.beta_start.sqrt(), self.beta_end.sqrt()).powi(2),
            BetaSchedule::Cosine => (1.0 - cosine(share(i + 1)) / cosine(share(i))).min(COSINE_CAP),
        };
        (0..count).map(beta).collect()
    }

    /// Returns the cumulative products ᾱ of 1−β for every step of the forward process.
    pub fn alphas_cumprod(&self) -> Vec<f64> {
        let mut product = 1.0;
        let mut alphas: Vec<f64> = self
            .betas()
            .into_iter()
            .map(|beta| {
                product *= 1.0 - beta;
                product
            })
            .collect();
        if let (true, Some(first), Some(last)) = (self.rescale_betas_zero_snr, alphas.first(), alphas.last()) {
            // Roots are shifted until the last is 0, and stretched until the first is what it was.
            let (first, last) = (first.sqrt(), last.sqrt());
            let rescaled = |alpha: &f64| ((alpha.sqrt() - last) * first / (first - last)).powi(2);
            alphas = alphas.iter().map(rescaled).collect();
        }
        alphas
    }

    /// Returns the visited timesteps, most noise first; those of a distilled model have no [`Spacing`].
    pub fn timesteps(&self, steps: usize) -> Vec<usize> {
        if let Some(distilled) = &self.distilled {
            return distilled.timesteps(steps, self.num_train_timesteps);
        }
        let count = self.num_train_timesteps;
        let last = count.saturating_sub(1) as f64;
        let share = |i: usize| if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
        match self.timestep_spacing {
            Spacing::Linspace => (0..steps).rev().map(|i| (last * share(i)).round_ties_even() as usize).collect(),
            Spacing::Leading => (0..steps).rev().map(|i| i * (count / steps) + self.steps_offset).collect(),
            Spacing::Trailing => {
                let stride = count as f64 / steps as f64;
                (0..steps).map(|i| ((count as f64 - i as f64 * stride).round_ties_even() as usize).max(1) - 1).collect()
            }
        }
    }

    /// Returns the steps of DDIM; η = 0 is deterministic, η = 1 has DDPM's variance. Of a distilled model they are its own steps, with η in
    /// place of γ (Zheng et al., 2402.19159).
    ///
    /// A step leads from its timestep to the one that lies `num_train_timesteps / steps` before, as in diffusers' `DDIMScheduler`. For
    /// [`Spacing::Linspace`] that is not the timestep which is visited next, but one a little above it (docs/decisions/028).
    pub fn ddim(&self, steps: usize, eta: f32) -> Vec<StepRule> {
        if let Some(distilled) = self.distilled {
            return self.consistency(distilled, steps, f64::from(eta));
        }
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
                let [clean, noise] = self.prediction_type.parts(alpha);
                let mean = |i: usize| (next.sqrt() * clean[i] + direction * noise[i]) as f32;
                StepRule::one_step(timestep as f32, mean(0), mean(1), std as f32)
            })
            .collect()
    }
}
