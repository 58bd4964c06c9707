//! Where a pipeline's files are: in memory or in a folder.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use moa_adapter::{Adapter, Parameters, ParametersError, weight_files};

use super::{PipelineError, PipelineFiles, changed};
use crate::ConfigError;
use crate::single_file::SingleFile;
use crate::tokenizer::Tokenizer;

/// Everything that a pipeline is read from: its index, and the folders of its parts.
pub const LAYOUT: [&str; 11] = [
    "model_index.json",
    "scheduler",
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
    "tokenizer",
    "tokenizer_2",
    "tokenizer_3",
    "transformer",
    "unet",
    "vae",
];

/// The folders of the T5 that pipelines can do without: Stable Diffusion 3's.
pub const OPTIONAL_T5: [&str; 2] = ["text_encoder_3", "tokenizer_3"];

/// A model inside a pipeline, by its folder's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) folder: &'static str,
    pub(super) config: &'static str,
    /// The weights' file name without `.safetensors`.
    stem: &'static str,
    /// The weights' path, of a pipeline in memory.
    file: &'static str,
}

macro_rules! part {
    ($folder:literal, $stem:literal) => {
        Part {
            folder: $folder,
            config: concat!($folder, "/config.json"),
            stem: $stem,
            file: concat!($folder, "/", $stem, ".safetensors"),
        }
    };
}

pub(super) const TEXT_ENCODER: Part = part!("text_encoder", "model");
pub(super) const TEXT_ENCODER_2: Part = part!("text_encoder_2", "model");
pub(super) const TEXT_ENCODER_3: Part = part!("text_encoder_3", "model");
pub(super) const TRANSFORMER: Part = part!("transformer", "diffusion_pytorch_model");
pub(super) const UNET: Part = part!("unet", "diffusion_pytorch_model");
pub(super) const VAE: Part = part!("vae", "diffusion_pytorch_model");

/// A pipeline's files.
pub(super) enum Source<'a> {
    /// By their path inside the folder.
    Memory(&'a PipelineFiles<'a>),
    /// On disk.
    Folder(&'a Path),
    /// In one checkpoint of the original layout.
    File {
        /// The checkpoint.
        file: &'a SingleFile,
        /// The folder with the tokenizer's files, where there is one.
        tokenizer: Option<&'a Path>,
    },
    /// Those of another source, with what adapters add to weights.
    Changed(&'a Source<'a>, &'a Arc<[(Adapter, f64)]>),
}

impl Source<'_> {
    /// Returns a file's bytes.
    pub(super) fn bytes(&self, name: &'static str) -> Result<Cow<'_, [u8]>, PipelineError> {
        match self {
            Self::Memory(files) => {
                let bytes = files.get(name).copied().ok_or(PipelineError::MissingFile(name))?;
                Ok(Cow::Borrowed(bytes))
            }
            Self::Folder(folder) => match fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => Err(PipelineError::MissingFile(name)),
                Err(error) => Err(PipelineError::Unreadable { file: name, problem: error.to_string() }),
            },
            Self::File { file, .. } => {
                let config = file.config(name).ok_or(PipelineError::MissingFile(name))?;
                Ok(Cow::Owned(config.into_bytes()))
            }
            Self::Changed(of, _) => of.bytes(name),
        }
    }

    /// Returns whether there is anything of a part.
    pub(super) fn has_part(&self, name: &str) -> bool {
        match self {
            Self::Memory(files) => {
                files.keys().any(|file| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
            }
            Self::Folder(folder) => folder.join(name).exists(),
            Self::File { file, .. } => file.parameters(name).is_some(),
            Self::Changed(of, _) => of.has_part(name),
        }
    }

    /// Returns CLIP's tokenizer in a folder, for texts of at most `tokens` tokens.
    pub(super) fn tokenizer(&self, name: &'static str, tokens: usize) -> Result<Tokenizer, PipelineError> {
        match self {
            Self::Memory(files) => Ok(Tokenizer::read(tokenizer_json(files, name)?, tokens)?),
            Self::Folder(folder) => Ok(Tokenizer::open(&folder.join(name), tokens)?),
            Self::File { file, tokenizer } => Ok(file.tokenizer(name, *tokenizer, tokens)?),
            Self::Changed(of, _) => of.tokenizer(name, tokens),
        }
    }

    /// Returns T5's tokenizer in a folder, for texts of `tokens` tokens.
    pub(super) fn t5_tokenizer(&self, name: &'static str, tokens: usize) -> Result<Tokenizer, PipelineError> {
        match self {
            Self::Memory(files) => Ok(Tokenizer::read_t5(tokenizer_json(files, name)?, Path::new(name), tokens)?),
            Self::Folder(folder) => Ok(Tokenizer::open_t5(&folder.join(name), tokens)?),
            Self::File { .. } => Err(PipelineError::MissingFile(name)),
            Self::Changed(of, _) => of.t5_tokenizer(name, tokens),
        }
    }

    /// Builds a model from its weights.
    pub(super) fn load<T>(
        &self,
        part: Part,
        device: &Device,
        build: impl FnOnce(&Parameters) -> Result<T, ParametersError>,
    ) -> Result<T, PipelineError> {
        let (file, parameters) = self.parameters(part, device)?;
        let built = parameters.and_then(|parameters| build(&parameters));
        built.map_err(|source| PipelineError::Weights { file, source })
    }

    /// Returns the parameters of a part, and what they are read from.
    fn parameters(
        &self,
        part: Part,
        device: &Device,
    ) -> Result<(&'static str, Result<Parameters, ParametersError>), PipelineError> {
        Ok(match self {
            Self::Memory(_) => (part.file, Parameters::read(&self.bytes(part.file)?, device)),
            Self::Folder(folder) => {
                let files = weight_files(&folder.join(part.folder), part.stem);
                (part.folder, files.and_then(|files| Parameters::open(&files, device)))
            }
            Self::File { file, .. } => {
                let parameters = file.parameters(part.folder).ok_or(PipelineError::MissingFile(part.config))?;
                (part.folder, Ok(parameters.clone()))
            }
            Self::Changed(of, adapters) => {
                let (file, parameters) = of.parameters(part, device)?;
                (file, parameters.and_then(|parameters| changed::changed(&parameters, part.folder, adapters)))
            }
        })
    }
}

/// Returns the text of a tokenizer's `tokenizer.json` among files in memory.
fn tokenizer_json<'a>(files: &PipelineFiles<'a>, name: &'static str) -> Result<&'a str, PipelineError> {
    let bytes = files.get(&*format!("{name}/tokenizer.json")).copied().ok_or(PipelineError::MissingFile(name))?;
    Ok(std::str::from_utf8(bytes).map_err(|error| ConfigError::Tokenizer(error.to_string()))?)
}
