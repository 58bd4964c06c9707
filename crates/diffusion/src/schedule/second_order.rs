//! Deterministic steps of second order, which look back at the step before: half the steps for the same error.

use super::{DdimConfig, FlowConfig, StepRule};

/// Fewer steps than this end in a step of first order, as in diffusers' `lower_order_final`.
const FEW_STEPS: usize = 15;

impl FlowConfig {
    /// Returns the steps of the Adams–Bashforth method of second order through the given levels: with the steps h₋ and h,
    /// x' = x + h·((1 + h/2h₋)·v − h/2h₋·v₋). The first step is Euler's. The last, to σ = 0, is like the others: the velocity is
    /// finite there.
    pub fn adams_bashforth(&self, sigmas: &[f32]) -> Vec<StepRule> {
        let mut rules = self.ode(sigmas);
        for (rule, levels) in rules.iter_mut().skip(1).zip(sigmas.windows(3)) {
            let [before, now, next] = [levels[0], levels[1], levels[2]].map(f64::from);
            let (last, step) = (now - before, next - now);
            if last != 0.0 {
                let change = step * step / (2.0 * last);
                rule.output = (step + change) as f32;
                rule.previous = -change as f32;
            }
        }
        rules
    }
}

impl DdimConfig {
    /// Returns the steps of DPM-Solver++(2M) (Lu et al., 2211.01095, algorithm 2) through DDIM's timesteps: with λ = ln(√ᾱ/√(1−ᾱ))
    /// and its steps h₋ and h, x' = √((1−ᾱ')/(1−ᾱ))·x − √ᾱ'·(e⁻ʰ − 1)·((1 + h/2h₋)·x̂₀ − h/2h₋·x̂₀₋).
    ///
    /// The first step is of first order, and so is the last where it removes all noise or there are fewer than 15: as in diffusers'
    /// `DPMSolverMultistepScheduler` (midpoint, `lower_order_final`).
    pub fn dpm_solver(&self, steps: usize) -> Vec<StepRule> {
        let alphas = self.alphas_cumprod();
        let last = if self.set_alpha_to_one { 1.0 } else { alphas[0] };
        let timesteps = self.timesteps(steps);
        let mut levels: Vec<f64> =
            timesteps.iter().map(|timestep| alphas[*timestep.min(&(alphas.len() - 1))]).collect();
        levels.push(last);
        let log_ratio = |alpha: f64| 0.5 * (alpha.ln() - (1.0 - alpha).ln());
        let rule = |(index, timestep): (usize, usize)| {
            let (now, next) = (levels[index], levels[index + 1]);
            let rest = ((1.0 - next) / (1.0 - now)).sqrt();
            // −√ᾱ'·(e⁻ʰ − 1), finite at both ends.
            let image = next.sqrt() - now.sqrt() * rest;
            let [clean, _] = self.prediction_type.parts(now);
            let ends = index + 1 == steps && (steps < FEW_STEPS || last >= 1.0);
            let change = if index == 0 || ends {
                0.0
            } else {
                let half = 0.5 * (log_ratio(next) - log_ratio(now)) / (log_ratio(now) - log_ratio(levels[index - 1]));
                // Where a timestep is visited twice, or the step before came from noise alone, there is nothing to look back at.
                if half.is_finite() { half } else { 0.0 }
            };
            StepRule {
                timestep: timestep as f32,
                sample: (rest + image * (1.0 + change) * clean[0]) as f32,
                output: (image * (1.0 + change) * clean[1]) as f32,
                previous: (-image * change) as f32,
                kept: clean.map(|factor| factor as f32),
                std: 0.0,
            }
        };
        timesteps.into_iter().enumerate().map(rule).collect()
    }
}
