//! The adapters in the folders of runs and soups.

use std::path::Path;

use moa_adapter::contents::Contents;
use moa_adapter::{Adapter, AdapterFileError, Merge, provenance_of, sha256_of_file};
use moa_core::experiment::BaseName;
use moa_core::provenance::{Ingredient, Made, Mixture, TrainedRun};
use moa_core::{ExperimentSpec, Provenance, RunId, Weighting};
use moa_diffusion::Pipeline;
use moa_store::{ADAPTER, ADAPTER_CONFIG, Layout, write_atomically_with, write_where_other};

use crate::RunnerError;
use crate::recorder::Recorder;

/// Writes an adapter with its configuration into the folder of a run or soup; an adapter that is there already stays as it is, whatever its
/// file says of where it comes from.
pub(crate) fn keep_adapter(
    adapter: &Adapter,
    provenance: &Provenance,
    id: &RunId,
    folder: &Path,
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let failed = |source| RunnerError::Adapter { run: id.to_string(), source };
    let path = folder.join(ADAPTER);
    let there = std::fs::read(&path).ok().and_then(|bytes| sha256_of_file(&bytes).ok());
    let files = adapter.outgoing(adapter.own_format(), &provenance.base, Some(provenance)).map_err(failed)?;
    let config = folder.join(ADAPTER_CONFIG);
    match &files.config {
        Some(text) => write_where_other(&config, text.as_bytes())?,
        // Another adapter's, which was a soup of other shares.
        None if config.exists() => {
            let gone = std::fs::remove_file(&config);
            gone.map_err(|error| RunnerError::Read { path: config, reason: error.to_string() })?;
        }
        None => {}
    }
    if there != Some(adapter.sha256().map_err(failed)?) {
        write_atomically_with(&path, |out| files.write(out))?;
        recorder.wrote(path)?;
    }
    Ok(())
}

/// Reads the adapter in the folder of a run or soup.
pub(crate) fn read_adapter(folder: &Path) -> Result<Adapter, RunnerError> {
    Ok(read_with_bytes(folder)?.0)
}

fn read_with_bytes(folder: &Path) -> Result<(Adapter, Vec<u8>), RunnerError> {
    let failed = |path: &Path, reason: String| RunnerError::Read { path: path.into(), reason };
    let (file, config) = (folder.join(ADAPTER), folder.join(ADAPTER_CONFIG));
    let bytes = std::fs::read(&file).map_err(|error| failed(&file, error.to_string()))?;
    let text = match std::fs::read_to_string(&config) {
        Ok(text) => Some(text),
        // Other formats than peft's, in which given adapters may be, have none; a file of peft's is refused without it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&config, error.to_string())),
    };
    let contents = Contents::read(&bytes, text.as_deref());
    let adapter = contents.and_then(|contents| contents.adapter()).map_err(|error| failed(&file, error.to_string()))?;
    Ok((adapter, bytes))
}

/// Returns the hash of the factors in an adapter's file.
pub(crate) fn hash_in(folder: &Path) -> Result<String, RunnerError> {
    let path = folder.join(ADAPTER);
    let failed = |reason: String| RunnerError::Read { path: path.clone(), reason };
    let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
    sha256_of_file(&bytes).map_err(|error| failed(error.to_string()))
}

/// An adapter of an experiment, to be merged.
pub(crate) struct Part {
    pub(crate) run: RunId,
    pub(crate) adapter: Adapter,
    /// The hash of its factors.
    pub(crate) sha256: String,
    /// Where its file says that it comes from.
    pub(crate) provenance: Option<Provenance>,
}

impl Part {
    /// Reads the adapter of a run, or one that was given, as it is on its base.
    pub(crate) fn read(run: &RunId, layout: &Layout, base: &Pipeline) -> Result<Self, RunnerError> {
        let folder = layout.ingredient_dir(run);
        let (mut adapter, bytes) = read_with_bytes(&folder)?;
        let failed =
            |error: AdapterFileError| RunnerError::Read { path: folder.join(ADAPTER), reason: error.to_string() };
        let provenance = provenance_of(&bytes).map_err(failed)?;
        // Of a foreign file what it does, whatever its layout; as `moa show` has it.
        let sha256 = if provenance.is_some() { sha256_of_file(&bytes) } else { adapter.sha256() };
        let sha256 = sha256.map_err(failed)?;
        if !adapter.is_plain() {
            let unfit = |error| RunnerError::adapting(run.as_str(), error);
            adapter = base.settled(&adapter).map_err(unfit)?;
        }
        Ok(Self { run: run.clone(), adapter, sha256, provenance })
    }
}

/// Merges adapters by shares, and says of what.
///
/// - `soup`: its name
pub(crate) fn merge(soup: &RunId, parts: &[(&Part, f64)], merge: &Merge) -> Result<(Adapter, Mixture), RunnerError> {
    let adapters: Vec<(&Adapter, f64)> = parts.iter().map(|(part, share)| (&part.adapter, *share)).collect();
    let merged = merge.apply(&adapters).map_err(|source| RunnerError::Soup { soup: soup.to_string(), source })?;
    let ingredient = |(part, share): &(&Part, f64)| Ingredient {
        name: part.run.to_string(),
        share: *share,
        sha256: part.sha256.clone(),
        provenance: part.provenance.as_ref().map(Provenance::digest),
        blocks: Vec::new(),
    };
    let ingredients = parts.iter().filter(|(_, share)| *share != 0.0).map(ingredient).collect();
    Ok((merged, Mixture { merge: merge.settings(), ingredients }))
}

/// Merges the adapters of an experiment's runs.
pub(crate) fn merged(
    soup: &RunId,
    shares: &[(RunId, f64)],
    how: &Merge,
    layout: &Layout,
    base: &Pipeline,
) -> Result<(Adapter, Mixture), RunnerError> {
    let parts: Vec<Part> = shares.iter().map(|(run, _)| Part::read(run, layout, base)).collect::<Result<_, _>>()?;
    let parts: Vec<(&Part, f64)> = parts.iter().zip(shares).map(|(part, (_, share))| (part, *share)).collect();
    merge(soup, &parts, how)
}

/// Returns the provenance of what is made in an experiment.
pub(crate) fn made(spec: &ExperimentSpec, made: Made) -> Provenance {
    Provenance::now(BaseName::of(&spec.base).for_others(), spec.name.clone(), made)
}

/// Returns the provenance of a run's adapter after so many epochs.
///
/// - `facts`: what its training depends on
pub(crate) fn made_by_training(
    spec: &ExperimentSpec,
    run: &RunId,
    weighting: &Weighting,
    epochs: u32,
    facts: &str,
) -> Provenance {
    let trained = TrainedRun {
        run: run.clone(),
        weighting: spec.reward_names().into_iter().zip(weighting.shares().iter().copied()).collect(),
        method: spec.training.method.name().into(),
        epochs,
        facts: facts.to_owned(),
    };
    made(spec, Made::Trained(trained))
}
