//! Adapters as the command line names them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::{Adapter, LayerShape, base_named_by, provenance_of};
use moa_core::Provenance;
use moa_core::provenance::{ForeignFile, Made};

use crate::error::CliError;
use crate::output::note;
use crate::results;

/// What adapters' files are called, moa's own first.
pub(crate) const TENSORS: [&str; 4] =
    ["adapter.safetensors", "adapter_model.safetensors", "pytorch_lora_weights.safetensors", "lora.safetensors"];
/// What stands beside files with peft's names.
pub(crate) const CONFIG: &str = "adapter_config.json";

/// An adapter and what to call it.
#[derive(Debug)]
pub(crate) struct NamedAdapter {
    pub(crate) name: String,
    pub(crate) adapter: Adapter,
    /// The base model that the files name, if they name one.
    pub(crate) base: Option<String>,
    /// Where the file says that it comes from, if it does.
    pub(crate) provenance: Option<Provenance>,
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

/// Returns the adapters' files that a path names.
///
/// # Errors
/// Says that a path names no adapter.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    // An experiment file, or its name, means the runs of its results.
    let is_adapter = path.is_file() && path.extension().is_none_or(|ending| ending != "ron");
    let path = &if is_adapter { path.to_path_buf() } else { results::find(path)? };
    if path.is_file() {
        return Ok(vec![path.clone()]);
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
        // The adapter is good whatever its header says of it.
        let provenance = provenance_of(&bytes).unwrap_or_else(|error| {
            note(&format!("warning: {}: failed to {error}; where it comes from is left out", file.display()));
            None
        });
        Ok(Self { name, adapter, base, provenance, file })
    }

    /// Returns the SHA-256 of the factors, which is the same in every format.
    ///
    /// # Errors
    /// Says which adapter cannot be laid out as a file.
    pub(crate) fn sha256(&self) -> Result<String, CliError> {
        let failed = |error| CliError::failure(format!("failed to hash {}: {error}", self.file.display()));
        self.adapter.sha256().map_err(failed)
    }

    /// Returns where the adapter comes from: what its file says, else that another program made it.
    ///
    /// # Errors
    /// As [`NamedAdapter::sha256`].
    pub(crate) fn origin(&self, base: &str) -> Result<Provenance, CliError> {
        if let Some(provenance) = &self.provenance {
            return Ok(provenance.clone());
        }
        let file = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Provenance::now(base, None, Made::Elsewhere(ForeignFile { file, sha256: self.sha256()? })))
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
