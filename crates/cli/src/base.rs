//! Base models as the command line and experiments name them.

use moa_zoo::{BaseModel, ZooError};

use crate::error::CliError;
use crate::hub;

/// Finds a base model: the built-in one, a folder (relative paths count from the current one), or a download of the hub.
///
/// # Errors
/// Says that there is no such folder or download, and the way out.
pub(crate) fn find(name: &str) -> Result<BaseModel, CliError> {
    Ok(look_for(name)?)
}

/// Finds a base model that need not be there, as [`find`] does.
///
/// # Errors
/// [`ZooError::UnknownBase`] where the name is no model's on this machine.
pub(crate) fn look_for(name: &str) -> Result<BaseModel, ZooError> {
    let cache = hub::cache_folder(|variable| std::env::var_os(variable));
    BaseModel::find(name, cache.as_deref())
}
