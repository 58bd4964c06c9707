//! Single images, good or bad.

use serde::{Deserialize, Serialize};

use super::{LabelSource, Method, MethodSpec, Mix, Number, Passes, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Diffusion-KTO (Li et al., 2404.04465): single images are good or bad; the utility of the reward that the adapter implies is taken
/// against its running mean. Of the adapter's own images those are good whose advantage is above 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KtoSpec {
    /// Where images and labels come from. Default: `Own`.
    pub labels: LabelSource,
    /// How a weighting enters. Default: `Rewards`.
    pub mix: Mix,
    /// Noise levels that each image is trained at per epoch, drawn at random. Default: 2.
    pub levels: u32,
    /// Optimiser updates per epoch; divides `levels`. Default: 1.
    pub updates_per_epoch: u32,
    /// β: by what the difference of mean squared errors to the base's is multiplied. Default: 1000.
    pub beta: f64,
}

impl Default for KtoSpec {
    fn default() -> Self {
        Self { labels: LabelSource::default(), mix: Mix::default(), levels: 2, updates_per_epoch: 1, beta: 1000.0 }
    }
}

impl Method for KtoSpec {
    fn name(&self) -> &'static str {
        "Kto"
    }

    fn numbers(&self) -> Vec<Number> {
        vec![
            ("levels", Bounds::Whole(1, 999), Some(self.levels.into())),
            ("updates_per_epoch", Bounds::Whole(1, 999), Some(self.updates_per_epoch.into())),
            ("beta", super::BETA, Some(self.beta)),
        ]
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        self.labels.check(spec, field, self.mix)?;
        check_updates(field, self.updates_per_epoch, "levels", self.levels)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let training = f64::from(self.levels);
        // Of a file's images all are trained on, of one's own those with the largest advantages.
        let selects = self.labels == LabelSource::Own;
        let rollout = if selects { spec.sampler.steps.into() } else { 0.0 };
        Passes { rollout, training, base: training, selects, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::Kto(Self { labels: LabelSource::Own, levels: 1, updates_per_epoch: 1, ..self.clone() })
    }
}
