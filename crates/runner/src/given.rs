//! Adapters that are given: read, checked against the base, and kept with the results, so that these stay whole without the files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::Adapter;
use moa_adapter::contents::Contents;
use moa_core::{ExperimentSpec, PointKind, RunId};
use moa_diffusion::BaseParameters;
use moa_store::{ADAPTER, ADAPTER_CONFIG, Layout, write_where_other};

use crate::RunnerError;
use crate::evaluation::{Model, Point};
use crate::recorder::Recorder;

/// What adapters' files are called in folders, moa's own first.
const TENSORS: [&str; 4] =
    [ADAPTER, "adapter_model.safetensors", "pytorch_lora_weights.safetensors", "lora.safetensors"];

/// An adapter that is given.
struct Given {
    bytes: Vec<u8>,
    config: Option<Vec<u8>>,
}

impl Given {
    /// Reads a file, or the adapter in a folder.
    fn read(path: &Path) -> Result<(Self, Adapter), RunnerError> {
        let failed = |path: &Path, reason: String| RunnerError::Read { path: path.into(), reason };
        let file =
            file_of(path).ok_or_else(|| failed(path, "there is no adapter: name a LoRA's file or folder".into()))?;
        let bytes = fs::read(&file).map_err(|error| failed(&file, error.to_string()))?;
        let beside = file.with_file_name(ADAPTER_CONFIG);
        let config = match fs::read(&beside) {
            Ok(config) => Some(config),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&beside, error.to_string())),
        };
        let text = config.as_deref().map(std::str::from_utf8).transpose();
        let text = text.map_err(|error| failed(&beside, error.to_string()))?;
        let adapter = Contents::read(&bytes, text).and_then(|contents| contents.adapter());
        let adapter = adapter.map_err(|error| failed(&file, error.to_string()))?;
        Ok((Self { bytes, config }, adapter))
    }
}

/// Returns the file of an adapter that a path names.
fn file_of(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    TENSORS.iter().map(|name| path.join(name)).find(|file| file.is_file())
}

/// Refuses an experiment that names an adapter of which there is neither the file nor the copy that its results keep.
///
/// - `results`: its results folder, which need not be there
///
/// # Errors
/// Names the path.
pub fn check_given(spec: &ExperimentSpec, results: &Path) -> Result<(), RunnerError> {
    let layout = Layout::new(results);
    let is_there = |(id, path): &(RunId, &Path)| {
        file_of(path).is_some() || (!path.exists() && layout.given_dir(id).join(ADAPTER).is_file())
    };
    match spec.given().iter().find(|given| !is_there(given)) {
        None => Ok(()),
        Some((_, path)) => Err(RunnerError::Read {
            path: (*path).to_owned(),
            reason: "there is no adapter: `adapters` names a LoRA's file or folder".into(),
        }),
    }
}

/// Refuses adapters that cannot be read, or belong to another base.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub(crate) fn check(spec: &ExperimentSpec, base: &BaseParameters) -> Result<(), RunnerError> {
    // Of results that were moved only the copies may be left.
    for (_, path) in spec.given().into_iter().filter(|(_, path)| path.exists()) {
        let (_, adapter) = Given::read(path)?;
        base.check(&adapter).map_err(|error| RunnerError::Read {
            path: path.into(),
            reason: format!("it does not fit the base model {}: {error}", spec.base),
        })?;
    }
    Ok(())
}

/// Keeps the adapters that are given with the results, and returns them to be evaluated. Where a file is gone, the copy that was kept does.
///
/// # Errors
/// Names the file that cannot be read or written.
pub(crate) fn points(
    spec: &ExperimentSpec,
    layout: &Layout,
    recorder: &mut Recorder<'_>,
) -> Result<Vec<Point>, RunnerError> {
    let point = |(id, path): (RunId, &Path)| {
        let folder = layout.given_dir(&id);
        let is_kept = !path.exists() && folder.join(ADAPTER).is_file();
        let (given, _) = Given::read(if is_kept { &folder } else { path })?;
        // The configuration first: with another's a file would be another adapter.
        let config = folder.join(ADAPTER_CONFIG);
        match &given.config {
            Some(bytes) => write_where_other(&config, bytes)?,
            None => match fs::remove_file(&config) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(RunnerError::Read { path: config, reason: error.to_string() });
                }
                _ => {}
            },
        }
        let file = folder.join(ADAPTER);
        if !fs::read(&file).is_ok_and(|found| found == given.bytes) {
            write_where_other(&file, &given.bytes)?;
            recorder.wrote(file)?;
        }
        Ok(Point { id, kind: PointKind::Given, weighting: None, model: Model::Stored, folder, added: None })
    };
    spec.given().into_iter().map(point).collect()
}
