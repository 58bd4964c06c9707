//! What an experiment means for a base model: the steps that are sampled, and the layers that are adapted.

use std::collections::BTreeSet;
use std::ops::Range;

use moa_adapter::{AdapterBank, BankConfig, LayerShape};
use moa_core::experiment::{ExperimentSpec, SamplerKind};
use moa_diffusion::schedule::ScheduleConfig;
use moa_diffusion::{Pipeline, StepRule};

use crate::TrainError;

/// The steps of the rollouts.
pub(crate) struct Sampler {
    /// With noise, but for the last, whose noise would stay in the image.
    stochastic: Vec<StepRule>,
    /// Through the same levels without noise.
    deterministic: Vec<StepRule>,
}

impl Sampler {
    /// Returns the sampler that an experiment asks for.
    ///
    /// # Errors
    /// Refuses kinds that are made for another schedule than the base model's.
    pub(crate) fn new(schedule: &ScheduleConfig, spec: &ExperimentSpec) -> Result<Self, TrainError> {
        let steps = spec.sampler.steps as usize;
        let (mut stochastic, deterministic) = match (schedule, spec.sampler.kind) {
            (ScheduleConfig::Flow(flow), SamplerKind::Cps { eta }) => {
                let sigmas = flow.sigmas(steps);
                (flow.cps(&sigmas, eta), flow.ode(&sigmas))
            }
            (ScheduleConfig::Flow(flow), SamplerKind::FlowSde { noise }) => {
                let sigmas = flow.sigmas(steps);
                (flow.sde(&sigmas, noise), flow.ode(&sigmas))
            }
            (ScheduleConfig::Ddim(ddim), SamplerKind::Ddim { eta }) => (ddim.ddim(steps, eta), ddim.ddim(steps, 0.0)),
            (_, SamplerKind::Ode { order: 2 }) => {
                let rules = schedule.deterministic_second_order(steps);
                (rules.clone(), rules)
            }
            (_, SamplerKind::Ode { .. }) => (schedule.deterministic(steps), schedule.deterministic(steps)),
            (ScheduleConfig::Flow(_), SamplerKind::Ddim { .. }) => {
                let wanted = "Cps(eta: 0.9), FlowSde(noise: 0.7) or Ode(order: 1)";
                return Err(TrainError::Sampler { kind: "Ddim", schedule: "flow matching", wanted });
            }
            (ScheduleConfig::Ddim(_), kind) => {
                let kind = if matches!(kind, SamplerKind::Cps { .. }) { "Cps" } else { "FlowSde" };
                let wanted = "Ddim(eta: 1) or Ode(order: 1)";
                return Err(TrainError::Sampler { kind, schedule: "discrete diffusion", wanted });
            }
        };
        if let (Some(last), Some(rule)) = (stochastic.last_mut(), deterministic.last()) {
            *last = *rule;
        }
        Ok(Self { stochastic, deterministic })
    }

    /// Returns all steps, stochastic where the sampler is.
    pub(crate) fn rules(&self) -> &[StepRule] {
        &self.stochastic
    }

    /// Returns the steps with noise in a window alone.
    pub(crate) fn within(&self, window: &Range<usize>) -> Vec<StepRule> {
        let pairs = self.stochastic.iter().zip(&self.deterministic).enumerate();
        pairs.map(|(index, (noisy, quiet))| if window.contains(&index) { *noisy } else { *quiet }).collect()
    }
}

/// Returns the end of a layer's name that says what it is: `to_q`, or `to_out.0` where the last part is a number.
fn ending(name: &str) -> &str {
    let cut = name
        .rmatch_indices('.')
        .map(|(at, _)| at + 1)
        .find(|start| name[*start..].starts_with(|first: char| first.is_ascii_alphabetic()));
    &name[cut.unwrap_or(0)..]
}

/// Returns the layers whose names have one of the targets as a part, from dot to dot: `attn2.to_q`, `attn2`, `up_blocks.0`; all of them
/// when there are no targets.
///
/// # Errors
/// Refuses targets that no layer has, and lists some that would do.
pub fn targeted(layers: Vec<LayerShape>, targets: &[String]) -> Result<Vec<LayerShape>, TrainError> {
    if targets.is_empty() {
        return Ok(layers);
    }
    let matches = |layer: &&LayerShape| {
        let name = format!(".{}.", layer.name);
        targets.iter().any(|target| name.contains(&format!(".{target}.")))
    };
    let found: Vec<LayerShape> = layers.iter().filter(matches).cloned().collect();
    if found.is_empty() {
        let examples: BTreeSet<String> = layers.iter().map(|layer| ending(&layer.name).to_owned()).collect();
        return Err(TrainError::NoTargets { targets: targets.to_vec(), examples: examples.into_iter().collect() });
    }
    Ok(found)
}

/// Returns the adapters of an experiment before training, one for each name.
///
/// # Errors
/// Fails when `lora.targets` match no layer.
pub(crate) fn fresh_bank(
    pipeline: &Pipeline,
    spec: &ExperimentSpec,
    names: &[&str],
    seed: u64,
) -> Result<AdapterBank, TrainError> {
    let layers = targeted(pipeline.adaptable(), &spec.lora.targets)?;
    let config = BankConfig { rank: spec.lora.rank as usize, alpha: spec.lora.alpha, share_a: spec.lora.share_a, seed };
    Ok(AdapterBank::fresh(&config, names, &layers, pipeline.device()))
}
