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

/// Digits of a shard's number.
const DIGITS: usize = 5;
/// The variants of weights, by preference: in full, in half precision, and those that were trained, not their moving average.
const VARIANTS: [&str; 4] = ["", "fp16", "bf16", "non_ema"];

/// Returns the weight files of a model: `<stem>.safetensors`, or its shards; else those of a variant, in the order of half precision
/// (`<stem>.fp16.safetensors`, `bf16`) and weights without their moving average (`non_ema`). `stem` is `diffusion_pytorch_model`
/// in diffusers' folders and `model` in transformers'.
///
/// Shards are those that an index names: `<stem>.safetensors.index.json`, of a variant `<stem>.safetensors.index.fp16.json`, and as
/// older versions wrote it `<stem>.safetensors.fp16.index.json` or `<stem>.fp16.safetensors.index.json`. Without an index they are all
/// of `<stem>.fp16-00001-of-00002.safetensors` or, as older versions wrote them, `<stem>-00001-of-00002.fp16.safetensors`.
///
/// # Errors
/// Says which shards are missing, that the folder has pickles only, or that it has no weights at all.
pub fn weight_files(folder: &Path, stem: &str) -> Result<Vec<PathBuf>, ParametersError> {
    let refuse = |problem: String| ParametersError::Folder { folder: folder.to_owned(), problem };
    let all = names(folder);
    for variant in VARIANTS {
        let dotted = if variant.is_empty() { String::new() } else { format!(".{variant}") };
        let single = format!("{stem}{dotted}.safetensors");
        let file = folder.join(&single);
        if file.is_file() {
            return Ok(vec![file]);
        }
        if file.is_symlink() {
            return Err(refuse(format!("{single} is a link to a file that is not there: download it again")));
        }
        let indices = [
            format!("{stem}.safetensors.index{dotted}.json"),
            format!("{stem}.safetensors{dotted}.index.json"),
            format!("{stem}{dotted}.safetensors.index.json"),
        ];
        if let Some(index) = indices.iter().map(|index| folder.join(index)).find(|index| index.is_file()) {
            return shards(folder, &index);
        }
        let forms = [
            (format!("{stem}{dotted}-"), ".safetensors".to_owned()),
            (format!("{stem}-"), format!("{dotted}.safetensors")),
        ];
        if let Some(found) = forms.iter().find_map(|(before, behind)| numbered(&all, before, behind)) {
            return of_names(folder, &found);
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
    of_names(folder, &names)
}

/// Returns all shards by their names: `<before>00001-of-00002<behind>` and so on, of which one is there. Nothing where none is.
fn numbered(all: &BTreeSet<String>, before: &str, behind: &str) -> Option<BTreeSet<String>> {
    let count = all.iter().find_map(|name| {
        let (_, count) = name.strip_prefix(before)?.strip_suffix(behind)?.split_once("-of-")?;
        (count.len() == DIGITS).then(|| count.parse::<usize>().ok()).flatten()
    })?;
    Some((1..=count).map(|shard| format!("{before}{shard:05}-of-{count:05}{behind}")).collect())
}

/// Returns the paths of shards.
fn of_names(folder: &Path, names: &BTreeSet<String>) -> Result<Vec<PathBuf>, ParametersError> {
    let missing: Vec<&str> = names.iter().filter(|name| !folder.join(name).is_file()).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing_names = missing.join(", ");
        let problem =
            format!("{} of {} shards are missing: {missing_names}; fetch them too", missing.len(), names.len());
        return Err(ParametersError::Folder { folder: folder.to_owned(), problem });
    }
    Ok(names.iter().map(|name| folder.join(name)).collect())
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
