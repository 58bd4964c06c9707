//! CLIPs by name, for what is fitted on their embeddings.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_core::experiment::BaseName;
use moa_reward::RewardError;
use moa_reward::disk::preference::{FittedPreference, PreferenceFeatures};
use moa_reward::disk::{Shelf, clip_files};

use crate::hashes::Hashes;
use crate::{EMOJI_32, ZooError, embedded};

/// A CLIP with what names it: both are kept with what is fitted on its embeddings.
pub struct NamedClip {
    /// `emoji-32` for the embedded one, `hf:org/name`, or an absolute path.
    pub name: String,
    /// The SHA-256 of its files, in hexadecimal.
    pub sha256: String,
    /// The features that it gives.
    pub features: PreferenceFeatures,
}

impl NamedClip {
    /// Opens a CLIP: the embedded one (`emoji-32`), a folder as transformers saves it, or `hf:org/name` in the hub's cache.
    ///
    /// # Errors
    /// Says which folder or file is missing, damaged or of another kind.
    pub fn open(name: &str, hub: Option<&Path>, device: &Device) -> Result<Self, ZooError> {
        let name = match BaseName::of(name) {
            BaseName::Folder(folder) => {
                folder.canonicalize().unwrap_or_else(|_| PathBuf::from(name)).display().to_string()
            }
            BaseName::BuiltIn | BaseName::Hub(_) => name.to_owned(),
        };
        let sha256 = clip_hash(&name, hub, &mut Hashes::default())?;
        let features = if name == EMOJI_32 {
            PreferenceFeatures::from(&embedded::embedder(device)?)
        } else {
            let shelf = Shelf::new(hub, device);
            PreferenceFeatures::new(shelf.pictures(&name, None)?, shelf.texts(&name, None)?)
        };
        Ok(Self { name, sha256, features })
    }
}

/// Refuses a fitted preference whose CLIP is not the one that it was fitted on.
///
/// # Errors
/// Names both, and what to do.
pub(crate) fn check_fitted(
    fitted: &FittedPreference,
    clip: Option<&str>,
    hub: Option<&Path>,
    known: &mut Hashes,
) -> Result<(), RewardError> {
    let name = clip.unwrap_or(&fitted.origin.embedding);
    let found = clip_hash(name, hub, known)?;
    if found == fitted.origin.embedding_sha256 {
        return Ok(());
    }
    let problem = format!(
        "it was fitted on the CLIP {}, and {name} has other weights now: name that CLIP as `clip`, or fit it again with `moa fit`",
        fitted.origin.embedding
    );
    Err(RewardError::File { path: fitted.path.clone(), problem })
}

fn clip_hash(name: &str, hub: Option<&Path>, known: &mut Hashes) -> Result<String, RewardError> {
    if name == EMOJI_32 {
        return Ok(embedded::clip_hash());
    }
    known.of_files(clip_files(name, None, hub)?)
}
