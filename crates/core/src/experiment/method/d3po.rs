//! Direct preference optimisation over the sampler's steps.

use serde::{Deserialize, Serialize};

use super::preference::{check_pairs, paired};
use super::{Method, MethodSpec, Mix, Number, Passes, check_stochastic, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// D3PO (Yang et al., 2311.13231): direct preference optimisation over the log-probabilities of the sampler's steps, on pairs of the
/// adapter's own images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct D3poSpec {
    /// Pairs of each prompt's images, as [`PairSource::Own`](super::PairSource::Own) has them. Default: 2.
    pub per_prompt: u32,
    /// How a weighting enters. Default: `Rewards`.
    pub mix: Mix,
    /// How many of the sampler's stochastic steps are trained per epoch, drawn at random. Default: 3.
    pub train_steps: u32,
    /// Optimiser updates per epoch; divides `train_steps`. Default: 1.
    pub updates_per_epoch: u32,
    /// β: by what the difference of mean log-probabilities to the base's is multiplied. Default: 100.
    pub beta: f64,
}

impl Default for D3poSpec {
    fn default() -> Self {
        Self { per_prompt: 2, mix: Mix::default(), train_steps: 3, updates_per_epoch: 1, beta: 100.0 }
    }
}

impl Method for D3poSpec {
    fn name(&self) -> &'static str {
        "D3po"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("per_prompt", Bounds::Whole(1, 512), Some(self.per_prompt.into())),
            ("train_steps", Bounds::Whole(1, 999), Some(self.train_steps.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("beta", super::BETA, Some(self.beta)),
        ]
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        check_pairs(&format!("{field}.per_prompt"), self.per_prompt, spec)?;
        check_stochastic(spec, field, self.train_steps)?;
        check_updates(field, self.updates_per_epoch, "train_steps", self.train_steps)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let training = f64::from(self.train_steps) * paired(self.per_prompt, spec);
        Passes { rollout: spec.sampler.steps.into(), training, base: training, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::D3po(Self { per_prompt: 1, train_steps: 1, updates_per_epoch: 1, ..*self })
    }
}
