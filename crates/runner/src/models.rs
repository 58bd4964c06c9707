//! The models of an experiment.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use moa_core::ExperimentSpec;
use moa_core::experiment::Prompts;
use moa_diffusion::Pipeline;
use moa_reward::Scorer;
use moa_zoo::BaseModel;

use crate::RunnerError;

/// Everything that a sweep computes with.
pub struct Models {
    /// The base model.
    pub pipeline: Pipeline,
    /// The rewards, in the experiment's order, and the judges that watch them.
    pub scorer: Scorer,
    /// SHA-256 of what the models are made of, in hexadecimal, by name; results of other hashes are other results. `base`
    /// is the base model.
    pub sha256: BTreeMap<String, String>,
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
        device: &Device,
    ) -> Result<Self, RunnerError> {
        let group = spec.training.pictures_per_prompt as usize;
        // Opening says best what is wrong with a model: it comes before its files are hashed.
        let scorer = moa_zoo::scorer(base, &spec.rewards, group, hub, device)?;
        for (list, prompts) in [("prompts.train", &prompts.train), ("prompts.held_out", &prompts.held_out)] {
            scorer.check_prompts(list, prompts).map_err(moa_zoo::ZooError::from)?;
        }
        let mut sha256 = base.sha256()?;
        sha256.extend(moa_zoo::reward_hashes(&spec.rewards, hub)?);
        Ok(Self { pipeline: base.open(device)?, scorer, sha256 })
    }
}
