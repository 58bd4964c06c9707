//! Parts of the zoo that other parts build on, in folders beside each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use burn::tensor::Device;
use moa_adapter::{Parameter, Parameters};
use moa_diffusion::{Pipeline, PipelineFiles};
use moa_scenes::tokenizer;
use sha2::{Digest, Sha256};

use super::denoiser::{TEXT_ENCODER, UNET};
use super::{PretrainError, Target};
use crate::embedded::hexadecimal;

/// The files of a pipeline beside its tokenizer's.
const PIPELINE_FILES: [&str; 6] = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    TEXT_ENCODER,
    "unet/config.json",
    UNET,
];

/// The folder that holds a folder for each part that was trained. It caches what was read of them.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: PathBuf,
    /// The SHA-256 of the files that were read, by part and file.
    read: RefCell<BTreeMap<String, String>>,
}

impl Parts {
    /// Names the folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), read: RefCell::default() }
    }

    /// Returns the bytes of a part's file, which `target` builds on.
    pub(super) fn file(&self, part: Target, file: &str, target: Target) -> Result<Vec<u8>, PretrainError> {
        let (part, target) = (part.part(), target.part());
        let folder = self.folder.join(part);
        let path = folder.join(file);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(PretrainError::MissingPart { path, folder, part, target });
            }
            Err(source) => return Err(PretrainError::File { path, source }),
        };
        self.read.borrow_mut().insert(format!("{part}/{file}"), hexadecimal(&Sha256::digest(&bytes)));
        Ok(bytes)
    }

    /// Returns the SHA-256 of everything that was read so far, by part and file.
    pub(super) fn digests(&self) -> BTreeMap<String, String> {
        self.read.borrow().clone()
    }

    /// Opens `emoji-32`, which `target` builds on.
    pub(super) fn emoji_32(&self, target: Target, device: &Device) -> Result<Pipeline, PretrainError> {
        let read = |name: &'static str| Ok((name, self.file(Target::Student, name, target)?));
        let own = PIPELINE_FILES.into_iter().map(read).collect::<Result<Vec<_>, PretrainError>>()?;
        let words = [("tokenizer/tokenizer.json", tokenizer::TOKENIZER_JSON.as_bytes())];
        let files: PipelineFiles<'_> = own.iter().map(|(name, bytes)| (*name, &**bytes)).chain(words).collect();
        Pipeline::open(&files, device).map_err(|source| crate::ZooError::Pipeline(source).into())
    }

    /// Returns a part's file as text.
    pub(super) fn text(&self, part: Target, file: &str, target: Target) -> Result<String, PretrainError> {
        String::from_utf8(self.file(part, file, target)?).map_err(|error| self.damaged(part, file, error))
    }

    fn damaged(&self, part: Target, file: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> PretrainError {
        PretrainError::File { path: self.folder.join(part.part()).join(file), source: std::io::Error::other(error) }
    }

    /// Returns the tensors of a part's file, which `target` builds on.
    pub(super) fn parameters(
        &self,
        part: Target,
        file: &str,
        target: Target,
        device: &Device,
    ) -> Result<Parameters, PretrainError> {
        let bytes = self.file(part, file, target)?;
        Parameters::read(&bytes, device).map_err(|error| self.damaged(part, file, error))
    }
}

/// Returns `fresh` with all values below a prefix from `trained`, which has them under the same names.
pub(super) fn begin_with(
    fresh: BTreeMap<String, Parameter>,
    prefix: &str,
    trained: &Parameters,
) -> Result<BTreeMap<String, Parameter>, PretrainError> {
    let begun = |(name, parameter): (String, Parameter)| {
        let Some(known) = name.strip_prefix(prefix).and_then(|name| name.strip_prefix('.')) else {
            return Ok((name, parameter));
        };
        let flat = trained.flat(known, &parameter.shape, moa_adapter::Init::Zeros)?;
        Ok((name, Parameter { flat, ..parameter }))
    };
    fresh.into_iter().map(begun).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;

    fn parameters(names: &[&str], value: f32) -> BTreeMap<String, Parameter> {
        let parameter = |name: &&str| {
            ((*name).into(), Parameter { shape: vec![1], flat: Tensor::full([1], value, &Device::flex()) })
        };
        names.iter().map(parameter).collect()
    }

    #[test]
    fn what_begins_with_a_part_takes_all_of_it_below_the_prefix_and_nothing_else() {
        let trained = Parameters::stored(parameters(&["part.a", "part.b"], 2.0), &Device::flex());
        let begun =
            begin_with(parameters(&["own.a", "own.b", "other"], 1.0), "own", &trained.at("part")).expect("fits");
        let values: Vec<f32> = begun.values().map(|parameter| parameter.flat.clone().into_scalar()).collect();
        assert_eq!(values, [1.0, 2.0, 2.0], "`other` keeps its value");
        let error = begin_with(parameters(&["own.c"], 1.0), "own", &trained.at("part")).expect_err("no such tensor");
        assert!(error.to_string().contains("part.c"), "{error}");
    }

    #[test]
    fn parts_that_are_missing_or_damaged_are_named_and_those_read_are_remembered() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let parts = Parts::new(folder.path());
        let read = || parts.parameters(Target::Captions, "model.safetensors", Target::Clip, &Device::flex());
        let missing = read().map(|_| ()).expect_err("not there").to_string();
        assert!(missing.contains("clip builds on it") && missing.contains("captions.ron --out"), "{missing}");
        fs::create_dir(folder.path().join("captions")).expect("creates");
        fs::write(folder.path().join("captions/model.safetensors"), b"torn").expect("writes");
        let damaged = read().map(|_| ()).expect_err("damaged").to_string();
        assert!(damaged.contains("captions/model.safetensors"), "{damaged}");
        assert_eq!(parts.digests().len(), 1, "{:?}", parts.digests());
    }
}
