//! Which files of a folder hold a model's weights: one, or the shards that an index names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ParametersError;

/// `<stem>.safetensors.index.json`: the shard that holds each tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Returns the weight files of a model: `<stem>.safetensors`, or the shards of `<stem>.safetensors.index.json`, or either
/// in half precision (`<stem>.fp16.safetensors`), in this order of preference. `stem` is `diffusion_pytorch_model` in
/// diffusers' folders and `model` in transformers'.
///
/// # Errors
/// Says which shards are missing, that the folder has pickles only, or that it has no weights at all.
pub fn weight_files(folder: &Path, stem: &str) -> Result<Vec<PathBuf>, ParametersError> {
    let refuse = |problem: String| ParametersError::Folder { folder: folder.to_owned(), problem };
    for (single, index) in
        [("safetensors", "safetensors.index.json"), ("fp16.safetensors", "safetensors.index.fp16.json")]
    {
        let file = folder.join(format!("{stem}.{single}"));
        if file.is_file() {
            return Ok(vec![file]);
        }
        if file.is_symlink() {
            let problem = format!("{stem}.{single} is a link to a file that is not there: download it again");
            return Err(refuse(problem));
        }
        let index = folder.join(format!("{stem}.{index}"));
        if index.is_file() {
            return shards(folder, &index);
        }
    }
    let pickles: Vec<String> = names(folder).into_iter().filter(|name| is_pickle(name)).collect();
    Err(refuse(match pickles.first() {
        Some(pickle) => format!(
            "it has {pickle}, a pickle, which can run any program when it is read, and no {stem}.safetensors: load it \
             once where you trust it, and write it again with save_pretrained(…, safe_serialization=True)"
        ),
        None => format!(
            "it has neither {stem}.safetensors nor {stem}.safetensors.index.json: fetch the whole folder, or write it again with \
             save_pretrained"
        ),
    }))
}

fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, ParametersError> {
    let damaged = |problem: String| ParametersError::Damaged { problem }.within(index);
    let text = fs::read(index).map_err(|error| damaged(error.to_string()))?;
    let Index { weight_map } = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    if names.is_empty() {
        return Err(damaged("its weight_map names no file".into()));
    }
    if let Some(name) = names.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref())) {
        return Err(damaged(format!("it names {name}, which is not a file beside it")));
    }
    let missing: Vec<&str> = names.iter().filter(|name| !folder.join(name).is_file()).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing_names = missing.join(", ");
        let problem =
            format!("{} of {} shards are missing: {missing_names}; fetch them too", missing.len(), names.len());
        return Err(ParametersError::Folder { folder: folder.to_owned(), problem });
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Returns the names in a folder, sorted; none where it cannot be read.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn is_pickle(name: &str) -> bool {
    let ending = Path::new(name).extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ["bin", "ckpt", "pt", "pth", "pkl"].contains(&ending.as_str()))
}
