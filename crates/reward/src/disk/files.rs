//! Which files a reward's scores depend on, for receipts.

use std::path::{Path, PathBuf};

use moa_adapter::weight_files;
use moa_core::experiment::{BUILT_IN_BASE, FileRole, RewardKind};

use super::checker::{checker_folder, processor_folders};
use super::image_reward::ImageRewardModel;
use super::open_clip;
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
    let of = |wanted| named.iter().find(|(role, _)| *role == wanted).map(|(_, name)| name.as_str());
    let (processor, tokenizer) = (of(FileRole::Processor), of(FileRole::Tokenizer));
    for (role, name) in &named {
        match role {
            FileRole::Images => {
                let model = place::model(name, hub)?;
                found.extend(clip(&model, &place::beside(&model))?);
            }
            FileRole::ImagesAndTexts => {
                found.extend(clip_files(name, processor, hub)?);
            }
            // With the model that it belongs to.
            FileRole::Processor | FileRole::Tokenizer => {}
            FileRole::Checker => {
                let model = checker_folder(&place::folder(name, hub)?);
                found.extend(pictures(&model, &processor_folders(&model))?);
            }
            FileRole::Head => found.push(place::file(name, hub)?),
            FileRole::ImageReward => {
                let model = place::folder(name, hub)?;
                let tokenizer = tokenizer.map_or_else(|| Ok(model.clone()), |name| place::folder(name, hub))?;
                found.extend(ImageRewardModel::files(&model, &tokenizer)?);
            }
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
    let model = place::model(model, hub)?;
    let processor = processor.map_or_else(|| Ok(place::beside(&model)), |name| place::folder(name, hub))?;
    let mut files = clip(&model, &processor)?;
    files.extend(TOKENIZER.map(|name| processor.join(name)).into_iter().filter(|path| path.is_file()));
    Ok(files)
}

/// Returns the files of a CLIP's images: of a folder of transformers, or of a file of OpenCLIP.
fn clip(model: &Path, processor: &Path) -> Result<Vec<PathBuf>, RewardError> {
    if !model.is_file() {
        return pictures(model, &[processor.to_owned()]);
    }
    let mut files = vec![model.to_owned()];
    // The file itself stands for what holds without settings; the side of images changes no file.
    files.extend(Some(open_clip::processor(model, processor, 1)?.1).filter(|path| path != model));
    Ok(files)
}

/// Returns a model's config and weights, and its image processor's file.
fn pictures(model: &Path, processors: &[PathBuf]) -> Result<Vec<PathBuf>, RewardError> {
    let mut files = vec![model.join("config.json")];
    files.extend(weight_files(model, "model")?);
    files.push(PictureProcessor::find(processors)?.1);
    Ok(files)
}
