//! The model card beside an adapter that is written: what its provenance and its measurement say, taken together.

use std::fs;
use std::path::Path;

use moa_analysis::card::{Card, MARK, Worth, card};
use moa_core::{ExperimentSpec, RunId};
use moa_store::{Layout, Snapshot, write_atomically};

use crate::error::CliError;
use crate::output::warn;

/// The card's name, as the Hugging Face hub looks for it.
const README: &str = "README.md";

/// Returns what an experiment measured of one of its runs or soups, by the folder or the file of the adapter; nothing where it is no
/// experiment's, or not evaluated.
pub(crate) fn worth_of(adapter: &Path) -> Option<Worth> {
    let folder = if adapter.is_file() { adapter.parent()? } else { adapter };
    let results = folder.parent()?.parent()?;
    let spec = ExperimentSpec::load_kept(&Layout::new(results).experiment_file()).ok()?;
    let id = RunId(folder.file_name()?.to_string_lossy().into_owned());
    // A card without figures is better than no adapter.
    let snapshot = Snapshot::read(results).ok()?;
    let record = snapshot.evaluations.iter().find(|record| record.id == id)?;
    Worth::of(&spec, &snapshot.evaluations, record).ok()
}

/// Writes the card into an adapter's folder. A `README.md` that moa did not write stays as it is, and that is said.
///
/// # Errors
/// Names the file that cannot be written.
pub(crate) fn write(folder: &Path, of: &Card) -> Result<(), CliError> {
    let path = folder.join(README);
    if fs::read_to_string(&path).is_ok_and(|text| !text.contains(MARK)) {
        warn(&format!("{} is not a model card of moa: it stays as it is", path.display()));
        return Ok(());
    }
    Ok(write_atomically(&path, card(of).as_bytes())?)
}
