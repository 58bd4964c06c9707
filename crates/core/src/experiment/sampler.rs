//! How training pictures are drawn.

use serde::{Deserialize, Serialize};

/// The stochastic sampler of the rollouts, whose steps are Gaussian and hence have log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerSpec {
    /// The kind of step. Default: `FlowSde(noise: 0.7)`.
    pub kind: SamplerKind,
    /// Denoising steps per picture. Default: 8.
    pub steps: u32,
    /// Classifier-free guidance scale, in rollout and training alike; 1 means none, anything else doubles the denoiser's
    /// work. Default: 1.
    pub guidance: f32,
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self { kind: SamplerKind::default(), steps: 8, guidance: 1.0 }
    }
}

/// The kind of stochastic step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SamplerKind {
    /// The rectified-flow SDE of Flow-GRPO: σ_t = noise · √(σ / (1 − σ)).
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
}

impl Default for SamplerKind {
    fn default() -> Self {
        Self::FlowSde { noise: flow_noise() }
    }
}

fn flow_noise() -> f32 {
    0.7
}

fn ddim_eta() -> f32 {
    1.0
}
