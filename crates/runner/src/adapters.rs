//! The adapters in the folders of runs and soups.

use std::path::Path;

use moa_adapter::Adapter;
use moa_core::RunId;
use moa_core::experiment::SoupRecipe;
use moa_store::{ADAPTER, ADAPTER_CONFIG, Layout, write_atomically};

use crate::RunnerError;
use crate::folder::write_new;
use crate::recorder::Recorder;

/// Writes an adapter with its configuration into the folder of a run or soup; files that are there already stay.
pub(crate) fn keep_adapter(
    adapter: &Adapter,
    id: &RunId,
    folder: &Path,
    base: &str,
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let bytes = adapter.to_safetensors().map_err(|source| RunnerError::Adapter { run: id.to_string(), source })?;
    let path = folder.join(ADAPTER);
    let known = std::fs::read(&path).is_ok_and(|found| found == bytes);
    write_new(&folder.join(ADAPTER_CONFIG), adapter.to_config(base).as_bytes())?;
    if !known {
        write_atomically(&path, &bytes)?;
        recorder.wrote(path)?;
    }
    Ok(())
}

/// Reads the adapter in the folder of a run or soup.
pub(crate) fn read_adapter(folder: &Path) -> Result<Adapter, RunnerError> {
    let failed = |path: &Path, reason: String| RunnerError::Read { path: path.into(), reason };
    let (file, config) = (folder.join(ADAPTER), folder.join(ADAPTER_CONFIG));
    let bytes = std::fs::read(&file).map_err(|error| failed(&file, error.to_string()))?;
    let text = std::fs::read_to_string(&config).map_err(|error| failed(&config, error.to_string()))?;
    Adapter::read(&bytes, &text).map_err(|error| failed(&file, error.to_string()))
}

/// Merges adapters as a recipe says.
pub(crate) fn merged(recipe: &SoupRecipe, layout: &Layout) -> Result<Adapter, RunnerError> {
    let read = |(run, share): &(RunId, f64)| Ok((read_adapter(&layout.run_dir(run))?, *share));
    let parts: Vec<(Adapter, f64)> = recipe.shares.iter().map(read).collect::<Result<_, RunnerError>>()?;
    let parts: Vec<(&Adapter, f64)> = parts.iter().map(|(adapter, share)| (adapter, *share)).collect();
    Adapter::mean(&parts).map_err(|source| RunnerError::Soup { soup: recipe.id.to_string(), source })
}
