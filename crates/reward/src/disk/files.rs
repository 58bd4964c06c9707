//! Which files a reward's scores depend on, for receipts.

use std::path::{Path, PathBuf};

use moa_adapter::weight_files;
use moa_core::experiment::RewardKind;

use super::checker::{checker_folder, processor_folders};
use super::place;
use super::processor::PictureProcessor;
use crate::RewardError;

/// Files that a tokenizer may consist of.
const TOKENIZER: [&str; 4] = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"];

/// Returns the files that a reward is read from: configs, weights, tokenizer, picture processor and head. `hub` is the folder
/// that has `models--org--name`. None for rewards without files: what programs and
/// services do nobody can tell by files.
///
/// # Errors
/// Says which folder or file is missing.
pub fn reward_files(kind: &RewardKind, hub: Option<&Path>) -> Result<Vec<PathBuf>, RewardError> {
    let folder = |name: &str| place::folder(name, hub);
    match kind {
        RewardKind::ClipScore { model, processor } | RewardKind::PickScore { model, processor } => {
            let model = folder(model)?;
            let processor = processor.as_deref().map_or(Ok(model.clone()), folder)?;
            let mut files = pictures(&model, std::slice::from_ref(&processor))?;
            files.extend(TOKENIZER.map(|name| processor.join(name)).into_iter().filter(|path| path.is_file()));
            Ok(files)
        }
        RewardKind::LaionAesthetics { clip, head } => {
            let clip = folder(clip)?;
            let mut files = pictures(&clip, std::slice::from_ref(&clip))?;
            files.push(place::file(head, hub)?);
            Ok(files)
        }
        RewardKind::ClipDiversity { model } => {
            let model = folder(model)?;
            pictures(&model, std::slice::from_ref(&model))
        }
        RewardKind::SafetyChecker { model } => {
            let model = checker_folder(&folder(model)?);
            pictures(&model, &processor_folders(&model))
        }
        RewardKind::Onnx(onnx) => Ok(vec![onnx.model.clone()]),
        _ => Ok(Vec::new()),
    }
}

/// Returns a model's config and weights, and its picture processor's file.
fn pictures(model: &Path, processors: &[PathBuf]) -> Result<Vec<PathBuf>, RewardError> {
    let mut files = vec![model.join("config.json")];
    files.extend(weight_files(model, "model")?);
    files.push(PictureProcessor::find(processors)?.1);
    Ok(files)
}
