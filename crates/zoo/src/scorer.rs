//! The scorer of an experiment, and the hashes of what its rewards are read from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_reward::disk::preference::FittedPreference;
use moa_reward::disk::{Shelf, reward_files};
use moa_reward::{Embedded, RewardError, Scorer, Sources};

use crate::clip::check_fitted;
use crate::embedded::{detector, embedder, heads};
use crate::hashes::Hashes;
use crate::{BaseModel, ZooError, judges};

/// Returns the scorer of an experiment: its rewards, with `group` images a prompt, and where the base is `emoji-32` all
/// judges. `hub` is the folder where `huggingface_hub` keeps its downloads.
///
/// The embedded CLIP is opened only where a reward needs it.
///
/// # Errors
/// Refuses settings of rewards that cannot work, rewards that know emoji-32 only for other bases, and files that are missing
/// or damaged.
pub fn scorer(
    base: &BaseModel,
    rewards: &[RewardSpec],
    group: usize,
    hub: Option<&Path>,
    device: &Device,
) -> Result<Scorer, ZooError> {
    let embedded = if base.is_embedded() && rewards.iter().any(|reward| reward.kind.may_use_embedded()) {
        Some(Embedded { embedder: embedder(device)?, heads: heads()?, detector: Arc::new(detector(device)?) })
    } else {
        None
    };
    let sources = Sources { base: base.name().to_owned(), embedded, shelf: Shelf::new(hub, device) };
    let judges = if base.is_embedded() { judges(device)? } else { Vec::new() };
    Ok(Scorer::build(rewards, &sources, group, judges)?.on(device))
}

/// Returns the SHA-256 of what each reward with files is read from, in hexadecimal, under `reward NAME`: configs, weights,
/// tokenizer, image processor and head.
///
/// # Errors
/// Says which file is missing or cannot be read; refuses a fitted preference whose CLIP is another than the one that it was fitted on.
pub fn reward_hashes(rewards: &[RewardSpec], hub: Option<&Path>) -> Result<BTreeMap<String, String>, ZooError> {
    let mut known = Hashes::default();
    let mut hashes = BTreeMap::new();
    for reward in rewards {
        let about = |source| RewardError::Reward { reward: reward.name.clone(), source: Box::new(source) };
        let files = reward_files(&reward.kind, hub).map_err(about)?;
        if !files.is_empty() {
            hashes.insert(format!("reward {}", reward.name), known.of_files(files).map_err(about)?);
        }
        if let RewardKind::Preference { model, clip, .. } = &reward.kind {
            let fitted = FittedPreference::read(model, hub);
            fitted.and_then(|fitted| check_fitted(&fitted, clip.as_deref(), hub, &mut known)).map_err(about)?;
        }
    }
    Ok(hashes)
}
