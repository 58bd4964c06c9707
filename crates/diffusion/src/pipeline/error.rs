//! Why pipelines are refused.

use std::path::{Path, PathBuf};

use moa_adapter::ParametersError;

use crate::ConfigError;
use crate::single_file::SingleFileError;

/// Why a pipeline cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A file that the layout asks for is missing.
    #[error("the pipeline has no `{0}`: fetch or write the whole folder again, as save_pretrained does")]
    MissingFile(&'static str),
    /// A folder that is no pipeline's.
    #[error(
        "there is no model_index.json: name a folder in diffusers' layout, with unet/, text_encoder/ and so on in it, as \
         save_pretrained writes it"
    )]
    NoIndex,
    /// A file cannot be read.
    #[error("`{file}` cannot be read: {problem}")]
    Unreadable {
        /// The file.
        file: &'static str,
        /// What the system says.
        problem: String,
    },
    /// A config is unreadable or asks for something unknown.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two parts of the pipeline do not belong together.
    #[error("{file}: `{field}` is {value}: {wanted}")]
    Mismatch {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What the other part asks for.
        wanted: String,
    },
    /// Weights are unreadable or do not fit their config.
    #[error("{file}: {source}")]
    Weights {
        /// The file, or the part of the pipeline.
        file: &'static str,
        /// What is wrong.
        source: ParametersError,
    },
    /// An adapter adapts a text encoder that the base does not have.
    #[error("the adapter changes `{0}`, and the base has no such text encoder: it belongs to another base model")]
    NoEncoder(String),
    /// An adapter does not fit the base.
    #[error(transparent)]
    Adapter(ParametersError),
    /// Adapters are to be added to a pipeline that was not read from files.
    #[error("the pipeline was put together in memory, so that adapters cannot be added into its weights")]
    NoFiles,
    /// Images cannot be encoded.
    #[error(
        "images of shape {dims:?} cannot be encoded: make them [rows, 3, height, width], with height and width multiples of {factor}"
    )]
    Images {
        /// Their shape.
        dims: [usize; 4],
        /// Pixels along a side for each along a side of a sample.
        factor: usize,
    },
    /// A checkpoint in one file cannot be used.
    #[error(transparent)]
    SingleFile(#[from] SingleFileError),
    /// Something is wrong with a folder, or a checkpoint in one file.
    #[error("{}: {source}", folder.display())]
    InFolder {
        /// The pipeline's folder or file.
        folder: PathBuf,
        /// What is wrong.
        source: Box<PipelineError>,
    },
}

impl PipelineError {
    /// Names the folder that the error is about.
    pub(super) fn within(self, folder: &Path) -> Self {
        Self::InFolder { folder: folder.to_owned(), source: Box::new(self) }
    }
}
