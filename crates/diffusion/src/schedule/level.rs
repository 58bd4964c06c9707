//! Noise levels: how an image is noised for training, and what the model says of it.

use super::{DdimConfig, FlowConfig, ScheduleConfig, StepRule};

/// A level of noise, at which a sample is x = `signal`·x₀ + `noise`·ε, with ε from N(0, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// The model's time input.
    pub timestep: f32,
    /// Factor of the clean sample.
    pub signal: f32,
    /// Factor of the noise.
    pub noise: f32,
    /// The clean sample that the model's output m at x means, x̂₀ = `clean[0]`·x + `clean[1]`·m.
    pub clean: [f32; 2],
    /// What the model is trained to put out, m = `target[0]`·x₀ + `target[1]`·ε.
    pub target: [f32; 2],
}

impl ScheduleConfig {
    /// Returns the level at a share of the forward process, from 0 (no noise) to 1 (noise alone): of a flow σ = `share`, of
    /// discrete-time diffusion the timestep that is nearest to `share` of all.
    ///
    /// A model that predicts noise cannot tell the clean sample from noise alone: `clean` grows without bound as ᾱ falls to 0.
    pub fn level(&self, share: f64) -> NoiseLevel {
        match self {
            Self::Flow(flow) => flow.level(share),
            Self::Ddim(ddim) => ddim.level((share * ddim.num_train_timesteps as f64).round() as usize),
        }
    }

    /// Returns the level of the samples that a step of this schedule starts from.
    pub fn level_of(&self, rule: &StepRule) -> NoiseLevel {
        match self {
            Self::Flow(flow) => flow.level(f64::from(rule.timestep) / flow.num_train_timesteps as f64),
            Self::Ddim(ddim) => ddim.level(rule.timestep.round() as usize),
        }
    }
}

impl FlowConfig {
    fn level(&self, sigma: f64) -> NoiseLevel {
        NoiseLevel {
            timestep: (sigma * self.num_train_timesteps as f64) as f32,
            signal: (1.0 - sigma) as f32,
            noise: sigma as f32,
            clean: [1.0, -sigma as f32],
            target: [-1.0, 1.0],
        }
    }
}

impl DdimConfig {
    fn level(&self, timestep: usize) -> NoiseLevel {
        let alphas = self.alphas_cumprod();
        let timestep = timestep.min(alphas.len() - 1);
        let alpha = alphas[timestep];
        let [clean, _] = self.prediction_type.parts(alpha);
        NoiseLevel {
            timestep: timestep as f32,
            signal: alpha.sqrt() as f32,
            noise: (1.0 - alpha).sqrt() as f32,
            clean: clean.map(|factor| factor as f32),
            target: self.prediction_type.target(alpha).map(|factor| factor as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{FlowLevels, Prediction};

    fn flow() -> ScheduleConfig {
        ScheduleConfig::Flow(FlowConfig { num_train_timesteps: 1000, shift: 3.0, levels: FlowLevels::Even })
    }

    fn ddim(prediction: Prediction) -> ScheduleConfig {
        let json = r#"{"beta_start": 0.1, "beta_end": 0.1, "beta_schedule": "linear", "num_train_timesteps": 20}"#;
        let config: DdimConfig = serde_json::from_str(json).expect("a config");
        ScheduleConfig::Ddim(DdimConfig { prediction_type: prediction, ..config })
    }

    fn assert_close(found: impl IntoIterator<Item = f32>, wanted: impl IntoIterator<Item = f64>) {
        for (found, wanted) in found.into_iter().zip(wanted) {
            assert!((f64::from(found) - wanted).abs() < 1e-6, "{found} against {wanted}");
        }
    }

    #[test]
    fn levels_have_their_closed_form() {
        let level = flow().level(0.7);
        assert_close([level.timestep / 1000.0, level.signal, level.noise], [0.7, 0.3, 0.7]);
        assert_close(level.clean, [1.0, -0.7]);
        assert_close(level.target, [-1.0, 1.0]);
        // A constant β of 0.1: ᾱ = 0.9^(t + 1).
        let alpha = 0.9f64.powi(9);
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        for (prediction, clean, target) in [
            (Prediction::Epsilon, [1.0 / signal, -noise / signal], [0.0, 1.0]),
            (Prediction::VPrediction, [signal, -noise], [-noise, signal]),
            (Prediction::Sample, [0.0, 1.0], [1.0, 0.0]),
        ] {
            let level = ddim(prediction).level(0.41);
            assert_close([level.timestep], [8.0]);
            assert_close([level.signal, level.noise], [signal, noise]);
            assert_close(level.clean, clean);
            assert_close(level.target, target);
        }
        assert_close([ddim(Prediction::Sample).level(1.0).timestep], [19.0]);
    }

    #[test]
    fn the_target_means_the_clean_sample() {
        let schedules = [flow(), ddim(Prediction::Epsilon), ddim(Prediction::VPrediction), ddim(Prediction::Sample)];
        for schedule in schedules {
            for share in [0.05, 0.3, 0.62, 0.9] {
                let NoiseLevel { signal, noise, clean, target, .. } = schedule.level(share);
                for (image, draw) in [(0.8, -1.3), (-0.4, 0.6)] {
                    let (x, output) = (signal * image + noise * draw, target[0] * image + target[1] * draw);
                    assert_close([clean[0] * x + clean[1] * output], [f64::from(image)]);
                }
            }
        }
    }

    #[test]
    fn a_step_starts_from_the_level_of_its_timestep() {
        for schedule in [flow(), ddim(Prediction::VPrediction)] {
            for rules in [schedule.deterministic(5), schedule.deterministic_second_order(5)] {
                for rule in rules {
                    let level = schedule.level_of(&rule);
                    assert_close([level.timestep / 1000.0], [f64::from(rule.timestep) / 1000.0]);
                    let kept = rule.kept.map(f32::to_bits);
                    if kept != [0.0f32, 1.0].map(f32::to_bits) {
                        let clean = level.clean.map(f32::to_bits);
                        assert_eq!(clean, kept, "DPM-Solver++ keeps the clean sample");
                    }
                }
            }
        }
        let rule = flow().deterministic(4)[2];
        // Level 1/2 shifted by 3: 3/2 / 2.
        assert_close([flow().level_of(&rule).noise], [0.75]);
    }
}
