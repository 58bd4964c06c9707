//! Parts of the zoo that other parts build on, in folders beside each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use burn::tensor::Device;
use moa_adapter::{Parameter, Parameters};
use moa_diffusion::{Pipeline, PipelineFiles};
use moa_scenes::tokenizer;

use super::denoiser::{TEXT_ENCODER, UNET};
use super::{PretrainError, Target};

/// The files of a pipeline beside its tokenizer's.
const PIPELINE_FILES: [&str; 6] = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    TEXT_ENCODER,
    "unet/config.json",
    UNET,
];

/// The folder that holds a folder for each part that was trained.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// Names the folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the bytes of a part's file, which `target` builds on.
    pub(super) fn file(&self, part: Target, file: &str, target: Target) -> Result<Vec<u8>, PretrainError> {
        let path = self.folder.join(part.part()).join(file);
        fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                PretrainError::MissingPart { path, part: part.part(), target: target.part() }
            }
            _ => PretrainError::File { path, source },
        })
    }

    /// Opens `emoji-32`, which `target` builds on.
    pub(super) fn emoji_32(&self, target: Target, device: &Device) -> Result<Pipeline, PretrainError> {
        let read = |name: &'static str| Ok((name, self.file(Target::Student, name, target)?));
        let own = PIPELINE_FILES.into_iter().map(read).collect::<Result<Vec<_>, PretrainError>>()?;
        let words = [("tokenizer/tokenizer.json", tokenizer::TOKENIZER_JSON.as_bytes())];
        let files: PipelineFiles<'_> = own.iter().map(|(name, bytes)| (*name, &**bytes)).chain(words).collect();
        Pipeline::open(&files, device).map_err(|source| crate::ZooError::Pipeline(source).into())
    }

    /// Returns the tensors of a part's file, which `target` builds on.
    pub(super) fn parameters(
        &self,
        part: Target,
        file: &str,
        target: Target,
        device: &Device,
    ) -> Result<Parameters, PretrainError> {
        Ok(Parameters::read(&self.file(part, file, target)?, device)?)
    }
}

/// Returns `fresh` with the values that `trained` has under the same name below a prefix.
pub(super) fn begin_with(
    fresh: BTreeMap<String, Parameter>,
    prefix: &str,
    trained: &Parameters,
) -> Result<BTreeMap<String, Parameter>, PretrainError> {
    let begun = |(name, parameter): (String, Parameter)| {
        let known = name.strip_prefix(prefix).and_then(|name| name.strip_prefix('.')).filter(|name| trained.has(name));
        let Some(known) = known else { return Ok((name, parameter)) };
        let flat = trained.flat(known, &parameter.shape, moa_adapter::Init::Zeros)?;
        Ok((name, Parameter { flat, ..parameter }))
    };
    fresh.into_iter().map(begun).collect()
}
