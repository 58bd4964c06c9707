//! Adapters as the command line names them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::{Adapter, LayerShape, base_named_by};

use crate::error::CliError;
use crate::results;

/// What adapters' files are called, moa's own first.
const TENSORS: [&str; 4] =
    ["adapter.safetensors", "adapter_model.safetensors", "pytorch_lora_weights.safetensors", "lora.safetensors"];
const CONFIG: &str = "adapter_config.json";

/// An adapter and what to call it.
#[derive(Debug)]
pub(crate) struct NamedAdapter {
    pub(crate) name: String,
    pub(crate) adapter: Adapter,
    /// The base model that the files name, if they name one.
    pub(crate) base: Option<String>,
    file: PathBuf,
}

/// Reads the adapters that paths name: a folder of one, a file, or an experiment's results for all of its runs.
///
/// # Errors
/// Says which path names no adapter, and which adapter is damaged and how.
pub(crate) fn read(paths: &[PathBuf], layers: &[LayerShape]) -> Result<Vec<NamedAdapter>, CliError> {
    let files: Vec<Vec<PathBuf>> = paths.iter().map(|path| files(path)).collect::<Result<_, _>>()?;
    files.into_iter().flatten().map(|file| NamedAdapter::read(file, layers)).collect()
}

/// Reads the one adapter that a path names: a folder of one, or a file.
///
/// # Errors
/// As [`read`], and when the path names several.
pub(crate) fn read_one(path: &Path, layers: &[LayerShape]) -> Result<NamedAdapter, CliError> {
    let files = files(path)?;
    let [file] = &files[..] else {
        let message = format!("{}: there are {} adapters", path.display(), files.len());
        return Err(CliError::usage(message).hint(format!("name one of them: {}", files[0].display())));
    };
    NamedAdapter::read(file.clone(), layers)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    // An experiment file, or its name, means the runs of its results.
    let is_adapter = path.is_file() && path.extension().is_none_or(|ending| ending != "ron");
    let path = &if is_adapter { path.to_path_buf() } else { results::find(path)? };
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let inside = |folder: &Path| TENSORS.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    if let Some(file) = inside(path) {
        return Ok(vec![file]);
    }
    let entries = fs::read_dir(path.join("runs")).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries.filter_map(|entry| inside(&entry.path())).collect();
    if runs.is_empty() {
        return Err(CliError::usage(format!("{}: there is no adapter", path.display()))
            .hint(format!("name a folder with {} and {CONFIG}, or the results of an experiment", TENSORS[0])));
    }
    runs.sort();
    Ok(runs)
}

impl NamedAdapter {
    fn read(file: PathBuf, layers: &[LayerShape]) -> Result<Self, CliError> {
        let damaged =
            |what: &Path, reason: String| CliError::failure(format!("failed to read {}: {reason}", what.display()));
        let config = file.with_file_name(CONFIG);
        let bytes = fs::read(&file).map_err(|error| damaged(&file, error.to_string()))?;
        let text = match fs::read_to_string(&config) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(damaged(&config, error.to_string())),
        };
        let (adapter, _) =
            Adapter::read_any(&bytes, text.as_deref(), layers).map_err(|error| damaged(&file, error.to_string()))?;
        let folder = file.parent().and_then(Path::file_name);
        let name = folder.map_or_else(|| "adapter".into(), |name| name.to_string_lossy().into_owned());
        let base = base_named_by(&bytes, text.as_deref());
        Ok(Self { name, adapter, base, file })
    }

    /// Returns the file that holds the factors.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Refuses an adapter of another base model.
    ///
    /// # Errors
    /// Names the first layer that does not fit.
    pub(crate) fn check_fit(&self, layers: &[LayerShape], base: &str) -> Result<(), CliError> {
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
