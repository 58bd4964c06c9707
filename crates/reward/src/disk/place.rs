//! From the names in an experiment to folders and files.

use std::path::{Path, PathBuf};

use moa_diffusion::hub::HubModel;

use crate::RewardError;

/// Endings of files of weights.
const WEIGHTS: [&str; 5] = ["safetensors", "pt", "pth", "bin", "ckpt"];

/// Returns a model's folder, or its file where a file is named: a path, `hf:org/name` or `hf:org/name/file`.
///
/// # Errors
/// Says that there is no such folder or file, or that the cache does not hold the model.
pub(super) fn model(name: &str, hub: Option<&Path>) -> Result<PathBuf, RewardError> {
    let is_weights = |ending: &std::ffi::OsStr| WEIGHTS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    let is_file = match name.strip_prefix("hf:") {
        Some(rest) => Path::new(rest).extension().is_some_and(is_weights),
        None => Path::new(name).is_file(),
    };
    if is_file { file(name, hub) } else { folder(name, hub) }
}

/// Returns the folder in which the files beside a model lie.
pub(super) fn beside(model: &Path) -> PathBuf {
    if model.is_file() { model.parent().unwrap_or(Path::new("")).to_owned() } else { model.to_owned() }
}

/// Returns the folder of a model: a path, or `hf:org/name` in the hub's cache.
///
/// # Errors
/// Says that there is no such folder, or that the cache does not hold the model.
pub(super) fn folder(name: &str, hub: Option<&Path>) -> Result<PathBuf, RewardError> {
    let path = match HubModel::parse(name) {
        Some(model) => model?.find(cache(name, hub)?)?,
        None => PathBuf::from(name),
    };
    if path.is_dir() {
        return Ok(path);
    }
    let problem = if path.is_file() {
        "it is a file: name the model's folder, which has config.json"
    } else {
        "there is no such folder: name the model's folder, relative to the experiment file's, or a model that the hub's \
         cache holds: hf:org/name"
    };
    Err(RewardError::file(path, problem))
}

/// Returns a file: a path, or `hf:org/name/file` in the hub's cache.
///
/// # Errors
/// Says that there is no such file, or that the cache does not hold its model.
pub(super) fn file(name: &str, hub: Option<&Path>) -> Result<PathBuf, RewardError> {
    let path = match name.strip_prefix("hf:") {
        Some(rest) => {
            let Some((at, _)) = rest.match_indices('/').nth(1) else {
                return Err(RewardError::file(name, "it names a model: name its file too: hf:org/name/file"));
            };
            folder(&format!("hf:{}", &rest[..at]), hub)?.join(&rest[at + 1..])
        }
        None => PathBuf::from(name),
    };
    if path.is_file() {
        return Ok(path);
    }
    let problem = if path.is_dir() {
        "it is a folder: name the file in it"
    } else {
        "there is no such file: paths are relative to the experiment file's folder"
    };
    Err(RewardError::file(path, problem))
}

fn cache<'a>(name: &str, hub: Option<&'a Path>) -> Result<&'a Path, RewardError> {
    hub.ok_or_else(|| RewardError::file(name, "the hub's cache is unknown: set HF_HOME, or name a folder"))
}
