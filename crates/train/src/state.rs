//! Rows of numbers of the host in state files: kept in f32, so that what is restored is the same bits.

use burn::tensor::Device;
use moa_device::{from_host, to_host};
use moa_optimiser::{StateError, StateReader, StateWriter};

/// Adds a list to a file.
pub(crate) fn save_list(file: &mut StateWriter, part: &str, list: &[f32]) {
    file.add(part, &from_host(list.to_vec(), [list.len()], &Device::flex()));
}

/// Takes a list of the same length from a file.
///
/// # Errors
/// Refuses a part that is missing or of another shape.
pub(crate) fn load_list(file: &StateReader<'_>, part: &str, list: &mut Vec<f32>) -> Result<(), StateError> {
    let found = file.tensor::<1>(part, [list.len()], &Device::flex())?;
    *list = to_host(found.ok_or_else(|| missing(part))?);
    Ok(())
}

/// Adds rows of one length to a file.
pub(crate) fn save_rows(file: &mut StateWriter, part: &str, rows: &[Vec<f32>]) {
    file.add(part, &from_host(rows.concat(), dims(rows), &Device::flex()));
}

/// Takes as many rows of the same length from a file.
///
/// # Errors
/// Refuses a part that is missing or of another shape.
pub(crate) fn load_rows(file: &StateReader<'_>, part: &str, rows: &mut Vec<Vec<f32>>) -> Result<(), StateError> {
    let dims = dims(rows);
    let found = file.tensor::<2>(part, dims, &Device::flex())?;
    let values = to_host(found.ok_or_else(|| missing(part))?);
    *rows = values.chunks(dims[1].max(1)).map(<[f32]>::to_vec).collect();
    Ok(())
}

fn dims(rows: &[Vec<f32>]) -> [usize; 2] {
    [rows.len(), rows.first().map_or(0, Vec::len)]
}

fn missing(part: &str) -> StateError {
    StateError::Missing { name: part.to_owned() }
}
