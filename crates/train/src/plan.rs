//! What an experiment means for a base model: the steps that are sampled, and the layers that are bent.

use std::collections::BTreeSet;

use moa_adapter::LayerShape;
use moa_core::experiment::{ExperimentSpec, SamplerKind};
use moa_diffusion::StepRule;
use moa_diffusion::schedule::ScheduleConfig;

use crate::TrainError;

/// Returns the rollout's steps; the last is deterministic, since its noise would stay in the picture.
pub(crate) fn stochastic_steps(schedule: &ScheduleConfig, spec: &ExperimentSpec) -> Result<Vec<StepRule>, TrainError> {
    let steps = spec.sampler.steps as usize;
    let (mut rules, deterministic) = match (schedule, spec.sampler.kind) {
        (ScheduleConfig::Flow(flow), SamplerKind::FlowSde { noise }) => {
            let sigmas = flow.sigmas(steps);
            (flow.sde(&sigmas, noise), flow.ode(&sigmas))
        }
        (ScheduleConfig::Ddim(ddim), SamplerKind::Ddim { eta }) => (ddim.ddim(steps, eta), ddim.ddim(steps, 0.0)),
        (ScheduleConfig::Flow(_), SamplerKind::Ddim { .. }) => {
            return Err(TrainError::Sampler { kind: "Ddim", schedule: "flow matching", wanted: "FlowSde" });
        }
        (ScheduleConfig::Ddim(_), SamplerKind::FlowSde { .. }) => {
            return Err(TrainError::Sampler { kind: "FlowSde", schedule: "discrete diffusion", wanted: "Ddim" });
        }
    };
    if let (Some(last), Some(rule)) = (rules.last_mut(), deterministic.last()) {
        *last = *rule;
    }
    Ok(rules)
}

/// Returns the end of a layer's name that says what it is: `to_q`, or `to_out.0` where the last part is a number.
fn ending(name: &str) -> &str {
    let cut = name
        .rmatch_indices('.')
        .map(|(at, _)| at + 1)
        .find(|start| name[*start..].starts_with(|first: char| first.is_ascii_alphabetic()));
    &name[cut.unwrap_or(0)..]
}

/// Returns the layers whose names end in one of the targets; all of them when there are no targets.
///
/// # Errors
/// Refuses targets that no layer has, and lists some that would do.
pub fn targeted(layers: Vec<LayerShape>, targets: &[String]) -> Result<Vec<LayerShape>, TrainError> {
    if targets.is_empty() {
        return Ok(layers);
    }
    let matches = |layer: &&LayerShape| {
        targets.iter().any(|target| {
            layer.name.strip_suffix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let found: Vec<LayerShape> = layers.iter().filter(matches).cloned().collect();
    if found.is_empty() {
        let examples: BTreeSet<String> = layers.iter().map(|layer| ending(&layer.name).to_owned()).collect();
        return Err(TrainError::NoTargets { targets: targets.to_vec(), examples: examples.into_iter().collect() });
    }
    Ok(found)
}
