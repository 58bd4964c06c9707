//! Pipelines from checkpoints in one file of the original layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::changed::Files;
use super::open::open;
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
        let pipeline = open(&source, &compute).map_err(|source| source.within(path))?;
        Ok(Self { files: Some(Arc::new(Files::File(path.to_owned(), prediction))), ..pipeline })
    }
}

/// Returns the folder where the tokenizer of a checkpoint in one file lies.
pub fn tokenizer_beside(path: &Path) -> PathBuf {
    path.with_file_name("tokenizer")
}
