//! Adapters as the command line names them.

use std::fs;
use std::path::{Path, PathBuf};

use moa_adapter::{Adapter, LayerShape};

use crate::error::CliError;

const TENSORS: &str = "adapter.safetensors";
const CONFIG: &str = "adapter_config.json";

/// An adapter and what to call it.
#[derive(Debug)]
pub(super) struct NamedAdapter {
    pub(super) name: String,
    pub(super) adapter: Adapter,
    file: PathBuf,
}

/// Reads the adapters that paths name: a folder of one, a file, or an experiment's results for all of its runs.
///
/// # Errors
/// Says which path names no adapter, and which adapter is damaged and how.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<NamedAdapter>, CliError> {
    let files: Vec<Vec<PathBuf>> = paths.iter().map(|path| files(path)).collect::<Result<_, _>>()?;
    files.into_iter().flatten().map(NamedAdapter::read).collect()
}

fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    if path.join(TENSORS).is_file() {
        return Ok(vec![path.join(TENSORS)]);
    }
    let mut runs: Vec<PathBuf> = fs::read_dir(path.join("runs"))
        .map(|entries| {
            entries.flatten().map(|entry| entry.path().join(TENSORS)).filter(|file| file.is_file()).collect()
        })
        .unwrap_or_default();
    if runs.is_empty() {
        return Err(CliError::usage(format!("{}: there is no adapter", path.display()))
            .hint(format!("name a folder with {TENSORS} and {CONFIG}, or the results of an experiment")));
    }
    runs.sort();
    Ok(runs)
}

impl NamedAdapter {
    fn read(file: PathBuf) -> Result<Self, CliError> {
        let damaged =
            |what: &Path, reason: String| CliError::failure(format!("failed to read {}: {reason}", what.display()));
        let config = file.with_file_name(CONFIG);
        let bytes = fs::read(&file).map_err(|error| damaged(&file, error.to_string()))?;
        let text = fs::read_to_string(&config).map_err(|error| damaged(&config, error.to_string()))?;
        let adapter = Adapter::read(&bytes, &text).map_err(|error| damaged(&file, error.to_string()))?;
        let folder = file.parent().and_then(Path::file_name);
        let name = folder.map_or_else(|| "adapter".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, adapter, file })
    }

    /// Refuses an adapter of another base model.
    ///
    /// # Errors
    /// Names the first layer that does not fit.
    pub(super) fn check_fit(&self, layers: &[LayerShape], base: &str) -> Result<(), CliError> {
        for (name, layer) in &self.adapter.layers {
            let fits = |shape: &LayerShape| (shape.d_in, shape.d_out) == (layer.d_in, layer.d_out);
            let problem = match layers.iter().find(|shape| shape.name == *name) {
                Some(shape) if fits(shape) => continue,
                Some(shape) => format!(
                    "its layer `{name}` is {} × {}, the base's {} × {}",
                    layer.d_in, layer.d_out, shape.d_in, shape.d_out
                ),
                None => format!("the base has no layer `{name}`"),
            };
            let message = format!("{} does not fit the base model {base}: {problem}", self.file.display());
            return Err(CliError::failure(message).hint("name the base that it was trained on with --base"));
        }
        Ok(())
    }
}
