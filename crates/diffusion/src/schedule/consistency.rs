//! Steps of models that were distilled to be sampled in few steps: latent consistency models (Luo et al., 2310.04378), as diffusers'
//! `LCMScheduler` takes them, and trajectory consistency distillation (Zheng et al., 2402.19159), as its `TCDScheduler`.

use super::{DdimConfig, StepRule};

/// How a model was distilled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distilled {
    /// Which steps it takes.
    pub kind: Distillation,
    /// Steps of the sampler that it was distilled from: the timesteps that it knows.
    pub original_steps: usize,
}

/// The steps of a distilled model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distillation {
    /// A consistency model's: to the clean sample, and back to the next timestep by fresh noise.
    Lcm {
        /// What timesteps are multiplied by where the shares of the sample and of the prediction are made of them.
        timestep_scaling: f64,
    },
    /// A trajectory's: to a timestep between the next one and 0, and back to the next one by fresh noise.
    Tcd,
}

/// The deviation of the data that consistency models count with.
const SIGMA_DATA: f64 = 0.5;

impl Distilled {
    /// Returns the visited timesteps, most noise first: evenly chosen among those that the model knows. More steps than these are spread
    /// over all timesteps of the forward process.
    pub(super) fn timesteps(&self, steps: usize, train_timesteps: usize) -> Vec<usize> {
        let known = self.original_steps.max(steps).clamp(1, train_timesteps);
        let stretch = train_timesteps / known;
        // As NumPy's linspace counts.
        let gap = known as f64 / steps as f64;
        (0..steps).map(|step| ((known - (step as f64 * gap) as usize) * stretch).max(1) - 1).collect()
    }
}

impl DdimConfig {
    /// Returns the steps of a distilled model, of which the last adds no noise.
    ///
    /// - `gamma`: the share of TCD's steps that is renewed by noise, 0 to 1; 0 is deterministic. LCM's steps have no such share: where it is
    ///   0 they take the predicted noise in place of fresh noise, otherwise fresh noise
    pub(super) fn consistency(&self, distilled: Distilled, steps: usize, gamma: f64) -> Vec<StepRule> {
        let alphas = self.alphas_cumprod();
        let alpha_at = |timestep: usize| alphas[timestep.min(alphas.len() - 1)];
        let timesteps = self.timesteps(steps);
        let rule = |(index, timestep): (usize, &usize)| {
            let next = timesteps.get(index + 1).copied();
            let [clean, noise] = self.prediction_type.parts(alpha_at(*timestep));
            let (factors, std) = match distilled.kind {
                Distillation::Lcm { timestep_scaling } => {
                    let scaled = *timestep as f64 * timestep_scaling;
                    let sum = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
                    let (own, predicted) = (SIGMA_DATA * SIGMA_DATA / sum, scaled / sum.sqrt());
                    let denoised = [predicted * clean[0] + own, predicted * clean[1]];
                    match next.map(alpha_at) {
                        None => (denoised, 0.0),
                        Some(next) if gamma > 0.0 => (denoised.map(|factor| next.sqrt() * factor), (1.0 - next).sqrt()),
                        Some(next) => (mixed(next, denoised, noise), 0.0),
                    }
                }
                Distillation::Tcd => {
                    let (next, is_last) = (next.unwrap_or(0), next.is_none());
                    let between = alpha_at(((1.0 - gamma) * next as f64) as usize);
                    let target = mixed(between, clean, noise);
                    let back = alpha_at(next) / between;
                    if gamma > 0.0 && !is_last {
                        (target.map(|factor| back.sqrt() * factor), (1.0 - back).max(0.0).sqrt())
                    } else {
                        (target, 0.0)
                    }
                }
            };
            StepRule::one_step(*timestep as f32, factors[0] as f32, factors[1] as f32, std as f32)
        };
        timesteps.iter().enumerate().map(rule).collect()
    }
}

/// Returns the sample at ᾱ of a clean sample and noise, as factors.
fn mixed(alpha: f64, clean: [f64; 2], noise: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|place| alpha.sqrt() * clean[place] + (1.0 - alpha).sqrt() * noise[place])
}
