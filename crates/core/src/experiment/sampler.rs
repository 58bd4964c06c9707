//! How training images are drawn.

use serde::{Deserialize, Serialize};

/// The sampler of the rollouts. Policy gradient needs Gaussian steps, which have log-probabilities; other methods take any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerSpec {
    /// The kind of step. Default: `Cps(eta: 0.9)`.
    pub kind: SamplerKind,
    /// Denoising steps per image. Default: 6, which `emoji-32` is made for.
    pub steps: u32,
    /// Classifier-free guidance scale, in rollout and training alike; 1 or less means none (see [`is_guided`]), more doubles the
    /// denoiser's work. Default: 1.
    pub guidance: f32,
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self { kind: SamplerKind::default(), steps: 6, guidance: 1.0 }
    }
}

/// Returns whether a scale of classifier-free guidance guides: above 1, as in diffusers' pipelines. With less the prompt alone is
/// followed, so that the 0 which distilled models ask for is what it is elsewhere.
pub fn is_guided(scale: f32) -> bool {
    scale > 1.0
}

/// Returns the scale that a given one acts as: at least 1.
pub fn acting_guidance(scale: f32) -> f32 {
    if is_guided(scale) { scale } else { 1.0 }
}

/// The kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SamplerKind {
    /// Coefficients-preserving sampling of rectified flow (Flow-CPS, 2509.05952): signal and noise keep the shares that the model was
    /// trained on, however large the steps.
    Cps {
        /// How much of a step's noise is renewed, above 0 and at most 1. Default: 0.9.
        #[serde(default = "cps_eta")]
        eta: f32,
    },
    /// The rectified-flow SDE of Flow-GRPO: σ_t = noise · √(σ / (1 − σ)). In few steps its samples are noisier than the model
    /// expects.
    FlowSde {
        /// Scale of the injected noise. Default: 0.7.
        #[serde(default = "flow_noise")]
        noise: f32,
    },
    /// DDIM with noise (Song et al., ICLR 2021), as DDPO samples.
    Ddim {
        /// Share of DDPM's noise, above 0 and at most 1. Default: 1.
        #[serde(default = "ddim_eta")]
        eta: f32,
    },
    /// Without noise after the start.
    Ode {
        /// 1: Euler's steps (DDIM's); 2: steps that use the prediction before, too, at no further pass. Default: 1.
        #[serde(default = "ode_order")]
        order: u32,
    },
}

impl Default for SamplerKind {
    fn default() -> Self {
        Self::Cps { eta: cps_eta() }
    }
}

fn cps_eta() -> f32 {
    0.9
}

fn ode_order() -> u32 {
    1
}

fn flow_noise() -> f32 {
    0.7
}

fn ddim_eta() -> f32 {
    1.0
}
