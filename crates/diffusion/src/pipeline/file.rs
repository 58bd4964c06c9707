//! Pipelines from checkpoints in one file of the original layout.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_adapter::LayerShape;

use super::open::{layers, open};
use super::source::Source;
use super::{Pipeline, PipelineError};
use crate::Compute;
use crate::schedule::Prediction;
use crate::single_file::SingleFile;

impl Pipeline {
    /// Opens a checkpoint in one file (see [`SingleFile`]). Such files hold no tokenizer: CLIP's files are looked for in the
    /// folder [`tokenizer`](tokenizer_beside) beside it.
    ///
    /// - `prediction`: what the model predicts, which files of Stable Diffusion 2 do not tell
    ///
    /// # Errors
    /// Names the file, and what is unknown, missing or must be said.
    pub fn open_file(
        path: &Path,
        prediction: Option<Prediction>,
        compute: impl Into<Compute>,
    ) -> Result<Self, PipelineError> {
        let compute = compute.into();
        let file = SingleFile::open(path, prediction, &compute.device)?;
        let tokenizer = tokenizer_beside(path);
        let source = Source::File { file: &file, tokenizer: tokenizer.is_dir().then_some(&*tokenizer) };
        open(&source, &compute).map_err(|source| source.within(path))
    }
}

/// Returns the folder where the tokenizer of a checkpoint in one file lies.
pub fn tokenizer_beside(path: &Path) -> PathBuf {
    path.with_file_name("tokenizer")
}

/// Returns the layers of a checkpoint's denoiser that can be adapted, from the file's header.
///
/// # Errors
/// Names the file, and what is unknown or missing.
pub fn adaptable_in_file(path: &Path) -> Result<Vec<LayerShape>, PipelineError> {
    // What the model predicts changes no layer.
    let file = SingleFile::open(path, Some(Prediction::Epsilon), &Device::flex())?;
    Ok(file.parameters("unet").map(layers).unwrap_or_default())
}
