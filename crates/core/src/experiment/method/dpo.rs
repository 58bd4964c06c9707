//! Direct preference optimisation over the denoising loss.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Mix, Number, PairSource, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Diffusion-DPO (Wallace et al., 2311.12908): of two images of a prompt the better one's denoising loss should fall below the base's
/// by more than the worse one's. On stored pairs, or on the adapter's own images (online DPO).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpoSpec {
    /// Where pairs come from. Default: `Own(per_prompt: 2)`.
    pub pairs: PairSource,
    /// How a weighting enters. Default: `Rewards`.
    pub mix: Mix,
    /// Noise levels that each pair is trained at per epoch, drawn at random; both images get the same noise. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
    /// β: by what the difference of mean squared errors to the base's is multiplied, half of the paper's β; the larger, the closer to the base.
    /// Default: 1000.
    pub beta: f64,
}

impl Default for DpoSpec {
    fn default() -> Self {
        Self { pairs: PairSource::default(), mix: Mix::default(), levels: 2, updates_per_epoch: 1, beta: 1000.0 }
    }
}

impl Method for DpoSpec {
    fn name(&self) -> &'static str {
        "Dpo"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            self.pairs.listed("pairs.per_prompt"),
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("beta", super::BETA, Some(self.beta)),
        ]
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        self.pairs.check(spec, field, self.mix)?;
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let training = f64::from(self.levels) * self.pairs.paired(spec);
        Passes { rollout: self.pairs.rollout(spec), training, base: training, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        let pairs = PairSource::Own { per_prompt: 1 };
        MethodSpec::Dpo(Self { pairs, levels: 1, updates_per_epoch: 1, ..self.clone() })
    }
}
