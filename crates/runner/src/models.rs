//! The models of an experiment.

use std::collections::BTreeMap;

use burn::tensor::Device;
use moa_core::ExperimentSpec;
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
    /// Opens the models of an experiment over its base. Only the embedded base is watched by judges: they know what it draws,
    /// and nothing else.
    ///
    /// # Errors
    /// Says which model cannot be opened and why.
    pub fn open(spec: &ExperimentSpec, base: &BaseModel, device: &Device) -> Result<Self, RunnerError> {
        let scorer = moa_zoo::scorer(&spec.rewards, spec.training.pictures_per_prompt as usize, device)?;
        let scorer = if base.is_embedded() { scorer } else { scorer.without_judges() };
        Ok(Self { pipeline: base.open(device)?, scorer, sha256: base.sha256()? })
    }
}
