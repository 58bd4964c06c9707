//! The scorer of an experiment, and the hashes of what its rewards are read from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use moa_core::experiment::RewardSpec;
use moa_reward::disk::{Shelf, reward_files};
use moa_reward::{Embedded, RewardError, Scorer, Sources};
use sha2::{Digest, Sha256};

use crate::embedded::{detector, embedder, heads, hexadecimal};
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
    let embedded = if base.is_embedded() && rewards.iter().any(|reward| reward.kind.instead_of_emoji_only().is_some()) {
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
/// Says which file is missing or cannot be read.
pub fn reward_hashes(rewards: &[RewardSpec], hub: Option<&Path>) -> Result<BTreeMap<String, String>, ZooError> {
    let mut known = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    for reward in rewards {
        let about = |source| RewardError::Reward { reward: reward.name.clone(), source: Box::new(source) };
        let files = reward_files(&reward.kind, hub).map_err(about)?;
        if files.is_empty() {
            continue;
        }
        let mut digest = Sha256::new();
        for path in files {
            // The name counts, and where the file lies does not.
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            digest.update(format!("{name}\n{}\n", file_hash(path, &mut known).map_err(about)?));
        }
        hashes.insert(format!("reward {}", reward.name), hexadecimal(&digest.finalize()));
    }
    Ok(hashes)
}

/// Returns a file's SHA-256; a file that several rewards share is read once.
fn file_hash(path: PathBuf, known: &mut BTreeMap<PathBuf, String>) -> Result<String, RewardError> {
    if let Some(found) = known.get(&path) {
        return Ok(found.clone());
    }
    let mut digest = Sha256::new();
    let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut Hashing(&mut digest)));
    copied.map_err(|error| RewardError::File { path: path.clone(), problem: error.to_string() })?;
    let hash = hexadecimal(&digest.finalize());
    known.insert(path, hash.clone());
    Ok(hash)
}

/// Hashes what is written to it.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
