//! Why parameters are refused.

use std::path::{Path, PathBuf};

use safetensors::Dtype;

/// Why parameters cannot be read or do not fit a model.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// The bytes are not a safetensors file.
    #[error("not a readable safetensors file: {0} (truncated or corrupt? fetch or write it again)")]
    Unreadable(#[from] safetensors::SafeTensorError),
    /// The model needs a tensor that the file lacks.
    #[error("tensor `{name}` of shape {wanted:?} is missing: do config and weights belong together?")]
    Missing {
        /// The tensor's full name.
        name: String,
        /// The shape that the model's config implies.
        wanted: Vec<usize>,
    },
    /// A tensor has another shape than the model's config implies.
    #[error(
        "tensor `{name}` has shape {found:?}, but the config implies {wanted:?}: do config and weights belong together?"
    )]
    Shape {
        /// The tensor's full name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that the model's config implies.
        wanted: Vec<usize>,
    },
    /// An adapter changes a parameter of another shape.
    #[error(
        "the adapter changes `{name}` by {own:?}, but the base's has shape {base:?}: it belongs to another base model"
    )]
    Misfit {
        /// The parameter's full name.
        name: String,
        /// The shape of the change.
        own: Vec<usize>,
        /// The base's shape.
        base: Vec<usize>,
    },
    /// An adapter changes a parameter that the base does not have.
    #[error(
        "the adapter changes `{name}` (shape {own:?}), which the base does not have: it belongs to another base model"
    )]
    NotInBase {
        /// The parameter's full name.
        name: String,
        /// The shape of the change.
        own: Vec<usize>,
    },
    /// A tensor is stored in a type that is no floating-point type moa reads.
    #[error("tensor `{name}` is stored as {found:?}: moa reads F32, F16 and BF16")]
    Type {
        /// The tensor's full name.
        name: String,
        /// The type in the file.
        found: Dtype,
    },
    /// A tensor holds a number that half precision has no room for.
    #[error("tensor `{name}` holds {value:e}, which is too large for F16 (at most 65504): give precision Bf16 or F32")]
    TooLarge {
        /// The tensor's full name.
        name: String,
        /// The number.
        value: f32,
    },
    /// A file cannot be read, or holds something else than it says.
    #[error("{problem} (truncated or corrupt? fetch or write it again)")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// A file of another format than safetensors cannot be used.
    #[error("{problem}")]
    Unusable {
        /// What is wrong, with a hint.
        problem: String,
    },
    /// Two files of one model hold the same tensor.
    #[error("tensor `{name}` is in {} and in {}: name one of them", first.display(), second.display())]
    Twice {
        /// The tensor's full name.
        name: String,
        /// The file that was opened first.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// A folder lacks the weights, or some of them.
    #[error("the folder {}: {problem}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is missing, with a hint.
        problem: String,
    },
    /// Something is wrong with a file.
    #[error("{}: {source}", file.display())]
    InFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: Box<ParametersError>,
    },
}

impl ParametersError {
    /// Names the file that the error is about.
    pub(super) fn within(self, file: &Path) -> Self {
        Self::InFile { file: file.to_owned(), source: Box::new(self) }
    }
}
