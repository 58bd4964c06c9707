//! Which files a reward's scores depend on, for receipts.

use std::path::{Path, PathBuf};

use moa_adapter::weight_files;
use moa_core::experiment::{BUILT_IN_BASE, FileRole, RewardKind};

use super::checker::{checker_folder, processor_folders};
use super::place;
use super::preference::FittedPreference;
use super::processor::PictureProcessor;
use crate::RewardError;

/// Files that a tokenizer may consist of.
const TOKENIZER: [&str; 4] = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"];

/// Returns the files that a reward is read from: configs, weights, tokenizer, image processor and head. `hub` is the folder
/// that has `models--org--name`. None for rewards without files: what programs and
/// services do nobody can tell by files.
///
/// # Errors
/// Says which folder or file is missing.
pub fn reward_files(kind: &RewardKind, hub: Option<&Path>) -> Result<Vec<PathBuf>, RewardError> {
    if let RewardKind::Onnx(onnx) = kind {
        return Ok(vec![onnx.model.clone()]);
    }
    if let RewardKind::AiScore(ai) = kind {
        return Ok(ai.rubric.iter().cloned().collect());
    }
    let named = kind.files();
    let mut found = Vec::new();
    let processor = named.iter().find(|(role, _)| *role == FileRole::Processor).map(|(_, name)| name.as_str());
    for (role, name) in &named {
        match role {
            FileRole::Images => {
                let model = place::folder(name, hub)?;
                found.extend(pictures(&model, std::slice::from_ref(&model))?);
            }
            FileRole::ImagesAndTexts => {
                found.extend(clip_files(name, processor, hub)?);
            }
            // With the model that it belongs to.
            FileRole::Processor => {}
            FileRole::Checker => {
                let model = checker_folder(&place::folder(name, hub)?);
                found.extend(pictures(&model, &processor_folders(&model))?);
            }
            FileRole::Head => found.push(place::file(name, hub)?),
            FileRole::Fitted => {
                found.push(FittedPreference::find(name, hub)?);
                let RewardKind::Preference { clip: None, .. } = kind else { continue };
                let clip = FittedPreference::read(name, hub)?.origin.embedding;
                if clip != BUILT_IN_BASE {
                    found.extend(clip_files(&clip, None, hub)?);
                }
            }
            FileRole::ClipOfFitted => found.extend(clip_files(name, None, hub)?),
        }
    }
    Ok(found)
}

/// Returns the files of a CLIP both halves of which are used: config, weights, image processor and tokenizer.
///
/// # Errors
/// Says which folder or file is missing.
pub fn clip_files(model: &str, processor: Option<&str>, hub: Option<&Path>) -> Result<Vec<PathBuf>, RewardError> {
    let (model, processor) = (place::folder(model, hub)?, place::folder(processor.unwrap_or(model), hub)?);
    let mut files = pictures(&model, std::slice::from_ref(&processor))?;
    files.extend(TOKENIZER.map(|name| processor.join(name)).into_iter().filter(|path| path.is_file()));
    Ok(files)
}

/// Returns a model's config and weights, and its image processor's file.
fn pictures(model: &Path, processors: &[PathBuf]) -> Result<Vec<PathBuf>, RewardError> {
    let mut files = vec![model.join("config.json")];
    files.extend(weight_files(model, "model")?);
    files.push(PictureProcessor::find(processors)?.1);
    Ok(files)
}
