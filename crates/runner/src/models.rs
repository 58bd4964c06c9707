//! The models of an experiment.

use std::collections::BTreeMap;

use burn::tensor::Device;
use moa_core::ExperimentSpec;
use moa_diffusion::Pipeline;
use moa_reward::Scorer;

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
    /// Opens the models that an experiment names.
    ///
    /// # Errors
    /// Says which model cannot be opened and why.
    pub fn open(spec: &ExperimentSpec, device: &Device) -> Result<Self, RunnerError> {
        let mut sha256 = moa_zoo::hashes(&spec.base)?;
        sha256.extend(moa_reward::external::hashes(&spec.rewards).map_err(moa_zoo::ZooError::from)?);
        Ok(Self {
            pipeline: moa_zoo::open_pipeline(&spec.base, device)?,
            scorer: moa_zoo::scorer(&spec.rewards, spec.training.pictures_per_prompt as usize, device)?,
            sha256,
        })
    }
}
