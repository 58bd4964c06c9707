//! Reading JSON files of a model, with messages that name file and field.

use std::fs;
use std::path::Path;

use moa_diffusion::ConfigError;
use serde_json::Value;

use crate::RewardError;

/// Reads a JSON file that holds an object.
pub(super) fn read_object(path: &Path) -> Result<Value, RewardError> {
    let text = fs::read(path).map_err(|error| RewardError::file(path, error.to_string()))?;
    match serde_json::from_slice(&text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(RewardError::file(path, "it is not a JSON object: download it again")),
        Err(error) => Err(RewardError::file(path, format!("it is not JSON ({error}): download it again"))),
    }
}

/// Returns an error about a config as one about its file.
pub(super) fn within(path: &Path, error: &RewardError) -> RewardError {
    let problem = match error {
        RewardError::Field { field, value, wanted, .. }
        | RewardError::Config(ConfigError::Field { field, value, wanted, .. }) => {
            format!("`{field}` is {value}: moa needs {wanted}")
        }
        RewardError::Json { source, .. } => format!("it is not a config of a CLIP: {source}"),
        _ => error.to_string(),
    };
    RewardError::file(path, problem)
}
