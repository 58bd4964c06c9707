//! The models of an experiment.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use moa_core::ExperimentSpec;
use moa_core::experiment::Prompts;
use moa_diffusion::{Compute, Pipeline};
use moa_reward::Scorer;
use moa_reward::disk::preference::{ModelSlot, PreferenceFeatures};
use moa_store::Layout;
use moa_zoo::BaseModel;

use crate::RunnerError;
use crate::feedback::Times;
use crate::given;

/// Where models compute.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where the base model does.
    pub base: Device,
    /// Where rewards and judges do.
    pub rewards: Device,
    /// Whether moa's own engines may do the work on the CPU; burn's operations do it otherwise.
    pub engine: bool,
}

/// Everything that a sweep computes with.
pub struct Models {
    /// The base model.
    pub pipeline: Pipeline,
    /// The rewards, in the experiment's order, and the judges that watch them.
    pub scorer: Scorer,
    /// SHA-256 of what the models are made of, in hexadecimal, by name; results of other hashes are other results. `base`
    /// is the base model.
    pub sha256: BTreeMap<String, String>,
    /// Where they compute.
    pub places: Places,
}

impl Models {
    /// Opens the models of an experiment over its base, for its prompts. `hub` is the folder where `huggingface_hub` keeps its
    /// downloads, which rewards such as `hf:org/name` are looked up in.
    ///
    /// # Errors
    /// Says which model cannot be opened and why, or which prompt a reward could not score.
    pub fn open(
        spec: &ExperimentSpec,
        prompts: &Prompts,
        base: &BaseModel,
        hub: Option<&Path>,
        places: &Places,
    ) -> Result<Self, RunnerError> {
        let group = spec.training.images_per_prompt as usize;
        // Opening says best what is wrong with a model: it comes before its files are hashed.
        let scorer = moa_zoo::scorer(base, &spec.rewards, group, hub, &places.rewards)?;
        for (list, prompts) in [("prompts.train", &prompts.train), ("prompts.held_out", &prompts.held_out)] {
            scorer.check_prompts(list, prompts).map_err(moa_zoo::ZooError::from)?;
        }
        if !spec.adapters.is_empty() {
            given::check(spec, &base.parameters()?)?;
        }
        let mut sha256 = base.sha256()?;
        sha256.extend(moa_zoo::reward_hashes(&spec.rewards, hub)?);
        let compute = Compute {
            device: places.base.clone(),
            precision: spec.precision,
            engine: places.engine,
            gradient_checkpointing: spec.training.gradient_checkpointing,
            t5: true,
        };
        Ok(Self { pipeline: base.open(&compute)?, scorer, sha256, places: places.clone() })
    }

    /// Gives the reward that is fitted to judgements the last model that was fitted, where the experiment has such a reward and its results
    /// have such a model: everything that scores images of results does so by it.
    ///
    /// # Errors
    /// Says which file cannot be read, or has changed.
    pub fn take_last_fit(&self, spec: &ExperimentSpec, results: &Path) -> Result<(), RunnerError> {
        let Some((slot, _)) = self.fitted(spec) else { return Ok(()) };
        let times = Times::read(&Layout::new(results))?;
        if let Some(last) = times.count().checked_sub(1)
            && let Some(model) = times.model(last)?
        {
            slot.set(model);
        }
        Ok(())
    }

    /// Returns where the model stands of the reward that is fitted to judgements, and what it sees; nothing where there is no such reward.
    pub(crate) fn fitted(&self, spec: &ExperimentSpec) -> Option<(&ModelSlot, &PreferenceFeatures)> {
        let (place, _) = spec.fitted_reward()?;
        self.scorer.rewards().get(place)?.slot()
    }
}
