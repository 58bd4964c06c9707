//! Single-file checkpoints of the original layout (`model.diffusion_model.…`), as Stable Diffusion was first released and as
//! community models are shared: every part of a pipeline in one safetensors file, under other names than diffusers'.
//!
//! [`SingleFile`] answers as a pipeline's folder would: configs by their path, and parameters by their folder, under
//! diffusers' names. Sizes are read off the tensors, and what no tensor tells is the family's. The tokenizer is not in such
//! files; it is CLIP's, for all of them.

mod family;
mod text;
mod unet;
mod vae;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_adapter::{Origin, Parameters, ParametersError};
use serde_json::Value;
use tokenizers::AddedToken;

pub use family::Family;

use crate::ConfigError;
use crate::schedule::Prediction;
use crate::tokenizer::{Tokenizer, TokenizerFiles};

/// Why a single-file checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SingleFileError {
    /// The file is not a safetensors file, or damaged.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The file is of no known layout, or something must be said that it does not tell.
    #[error("{}: {problem}", file.display())]
    Layout {
        /// The file.
        file: PathBuf,
        /// What is wrong, with a hint.
        problem: String,
    },
    /// The tokenizer's files are unreadable.
    #[error(transparent)]
    Tokenizer(#[from] ConfigError),
}

/// One part of a pipeline: its config, and the origin of each of its parameters.
struct Part {
    config: Value,
    origins: BTreeMap<String, Origin>,
}

/// A single-file checkpoint, open.
pub struct SingleFile {
    path: PathBuf,
    family: Family,
    configs: BTreeMap<&'static str, Value>,
    parts: BTreeMap<&'static str, Parameters>,
}

impl SingleFile {
    /// Opens a checkpoint. No tensor is read before a module asks for it.
    ///
    /// Stable Diffusion 2's files do not tell whether the model predicts noise (the 512 pixel base) or velocity (768 pixels):
    /// `prediction` must say it. For the other families it comes before what is usual.
    ///
    /// # Errors
    /// Names the file, and what is unknown or must be said.
    pub fn open(path: &Path, prediction: Option<Prediction>, device: &Device) -> Result<Self, SingleFileError> {
        let parameters = Parameters::open(&[path.to_owned()], device)?;
        let layout = |problem: String| SingleFileError::Layout { file: path.to_owned(), problem };
        let family = Family::of(&parameters).map_err(layout)?;
        let schedule = family.schedule(&parameters, prediction).map_err(layout)?;
        let unet = unet::part(&parameters, family, schedule["prediction_type"] == "v_prediction").map_err(layout)?;
        let mut parts = vec![("unet", "unet/config.json", unet)];
        parts.push(("vae", "vae/config.json", vae::part(&parameters, family).map_err(layout)?));
        let mut texts = text::parts(&parameters, family).map_err(layout)?.into_iter();
        parts.extend(texts.next().map(|part| ("text_encoder", "text_encoder/config.json", part)));
        parts.extend(texts.next().map(|part| ("text_encoder_2", "text_encoder_2/config.json", part)));
        let mut configs =
            BTreeMap::from([("model_index.json", family.index()), ("scheduler/scheduler_config.json", schedule)]);
        let mut views = BTreeMap::new();
        for (folder, config, part) in parts {
            configs.insert(config, part.config);
            views.insert(folder, parameters.view(part.origins));
        }
        Ok(Self { path: path.to_owned(), family, configs, parts: views })
    }

    /// Returns the family that the checkpoint is of.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns a config as diffusers would write it, e.g. `unet/config.json`; nothing where a pipeline of the family has no
    /// such file.
    pub fn config(&self, path: &str) -> Option<String> {
        self.configs.get(path).map(Value::to_string)
    }

    /// Returns the parameters of `unet`, `vae`, `text_encoder` or `text_encoder_2` under diffusers' names; nothing where a
    /// pipeline of the family has no such part.
    pub fn parameters(&self, folder: &str) -> Option<&Parameters> {
        self.parts.get(folder)
    }

    /// Returns the tokenizer of `tokenizer` or `tokenizer_2`, made of the files in `folder`: CLIP's own, or those of any
    /// pipeline of Stable Diffusion. What pads is the family's, whatever the files say.
    ///
    /// # Errors
    /// Without a folder, says where to get one; otherwise see [`TokenizerFiles::open`] and [`Tokenizer::from_files`].
    pub fn tokenizer(&self, name: &str, folder: Option<&Path>, tokens: usize) -> Result<Tokenizer, SingleFileError> {
        let Some(folder) = folder else {
            let problem = "a single file holds no tokenizer: name a folder with CLIP's, e.g. the one that `hf download \
                           openai/clip-vit-large-patch14 tokenizer.json vocab.json merges.txt` prints, or `tokenizer/` of \
                           any Stable Diffusion pipeline"
                .into();
            return Err(SingleFileError::Layout { file: self.path.clone(), problem });
        };
        let mut files = TokenizerFiles::open(folder)?;
        let settings = &mut files.settings;
        if self.family == Family::Sd2 || name == "tokenizer_2" {
            settings.pad = Some("!".into());
            settings.added.push(AddedToken::from("!", true));
        } else {
            settings.added.retain(|token| token.content != "!");
            settings.pad = Some(settings.end.clone());
        }
        Ok(Tokenizer::from_files(&files, tokens)?)
    }
}

/// Returns the names of tensors below a prefix, without it.
fn below<'a>(parameters: &Parameters, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    parameters.names().into_iter().filter_map(move |name| name.strip_prefix(prefix).map(str::to_owned))
}

/// Returns how many numbers i there are, from 0 on, for which `exists`.
fn count(exists: impl Fn(usize) -> bool) -> usize {
    (0..usize::MAX).find(|i| !exists(*i)).unwrap_or(0)
}

/// Returns one size of a tensor's shape.
fn size(parameters: &Parameters, name: &str, axis: usize) -> Result<usize, String> {
    let full = || format!("{}.{name}", parameters.prefix());
    let missing =
        || format!("tensor `{}` is missing: the file does not hold the whole model, or has an unknown layout", full());
    let shape = parameters.shape(name).ok_or_else(missing)?;
    shape.get(axis).copied().ok_or_else(|| format!("tensor `{}` has shape {shape:?}: the layout is unknown", full()))
}

/// Replaces the first of the beginnings that a name has.
fn renamed(name: &str, beginnings: &[(&str, &str)]) -> Option<String> {
    beginnings.iter().find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)))
}
