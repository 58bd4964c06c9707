//! Base models as the command line and experiments name them.

use moa_zoo::{BaseModel, ZooError};

use crate::error::CliError;
use crate::hub;

/// Finds a base model: the built-in one, a folder (relative paths count from the current one), or a download of the hub.
///
/// # Errors
/// Says that there is no such folder or download, with a hint.
pub(crate) fn find(name: &str) -> Result<BaseModel, CliError> {
    Ok(look_for(name)?)
}

/// Finds a base model that need not be there, as [`find`] does.
///
/// # Errors
/// [`ZooError::UnknownBase`] where no model on this machine has the name.
pub(crate) fn look_for(name: &str) -> Result<BaseModel, ZooError> {
    BaseModel::find(name, hub::cache().as_deref())
}
