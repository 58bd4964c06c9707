//! Weight files of other formats than safetensors, which another crate reads.

use std::path::Path;

use super::ParametersError;

/// A weight file in another format than safetensors, open.
pub trait TensorFile: Send + Sync {
    /// Returns the file's path, for messages.
    fn path(&self) -> &Path;

    /// Returns the names of all tensors, in alphabetical order.
    fn names(&self) -> Vec<&str>;

    /// Returns a tensor's shape; nothing where the file has none of that name.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// Reads a tensor's values, row-major.
    ///
    /// # Errors
    /// Says what is wrong with the file, with a hint.
    fn read(&self, name: &str) -> Result<Vec<f32>, String>;
}

/// Reads a tensor of the given shape.
pub(super) fn read(file: &dyn TensorFile, name: &str, shape: &[usize]) -> Result<Vec<f32>, ParametersError> {
    let within = |error: ParametersError| error.within(file.path());
    match file.shape(name) {
        None => Err(within(ParametersError::Missing { name: name.to_owned(), wanted: shape.to_vec() })),
        Some(found) if found != shape => {
            let (found, wanted) = (found.to_vec(), shape.to_vec());
            Err(within(ParametersError::Shape { name: name.to_owned(), found, wanted }))
        }
        Some(_) => file.read(name).map_err(|problem| within(ParametersError::Unusable { problem })),
    }
}
