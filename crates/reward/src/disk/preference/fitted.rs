//! The folder that `moa fit` writes.

use std::path::{Path, PathBuf};

use moa_preference_model::{Origin, RewardModel};

use crate::RewardError;
use crate::disk::place;

/// The model in the folder that `moa fit` writes.
pub const MODEL_FILE: &str = "model.safetensors";

/// A fitted preference, and what it was fitted on.
#[derive(Clone, Debug)]
pub struct FittedPreference {
    /// The file.
    pub path: PathBuf,
    /// The head with its posterior.
    pub model: RewardModel,
    /// The CLIP and the judgements that it belongs to.
    pub origin: Origin,
}

impl FittedPreference {
    /// Returns the file of a fitted preference by the name that an experiment gives it: a folder, or `hf:org/name` in the hub's cache.
    ///
    /// # Errors
    /// Says that there is no such folder, or that it has no such file.
    pub fn find(name: &str, hub: Option<&Path>) -> Result<PathBuf, RewardError> {
        let path = place::folder(name, hub)?.join(MODEL_FILE);
        if path.is_file() {
            return Ok(path);
        }
        Err(RewardError::file(path, "there is no such file: name a folder that `moa fit` wrote"))
    }

    /// Reads a fitted preference by its name.
    ///
    /// # Errors
    /// Those of [`FittedPreference::find`], and what is wrong with the file.
    pub fn read(name: &str, hub: Option<&Path>) -> Result<Self, RewardError> {
        let path = Self::find(name, hub)?;
        let (model, origin) = RewardModel::read(&path)?;
        Ok(Self { path, model, origin })
    }
}
