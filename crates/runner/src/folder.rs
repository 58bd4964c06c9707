//! The results folder: created for one experiment, and refused to any other.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use moa_core::ExperimentSpec;
use moa_core::experiment::{PromptSource, Prompts, PromptsSpec};
use moa_store::{Layout, MetricStore, StoreError, write_atomically};

use crate::difference::first_difference;
use crate::receipt::{Receipt, sha256};
use crate::{RunnerError, SweepRequest};

/// A results folder that is open for writing.
pub(crate) struct Folder {
    pub(crate) layout: Layout,
    pub(crate) store: MetricStore,
    /// What a reader of the results must know of how they came about.
    pub(crate) findings: Vec<String>,
}

/// Returns the experiment as it is kept: with its name, and the prompts themselves in place of where they came from.
pub(crate) fn as_run(spec: &ExperimentSpec, prompts: &Prompts, folder: &Path) -> ExperimentSpec {
    let mut spec = spec.clone();
    spec.prompts = PromptsSpec {
        train: PromptSource::List(prompts.train.clone()),
        held_out: PromptSource::List(prompts.held_out.clone()),
    };
    let folder = || folder.file_name().map_or_else(|| "experiment".into(), |name| name.to_string_lossy().into_owned());
    spec.name.get_or_insert_with(folder);
    spec
}

impl Folder {
    /// Opens the folder of an experiment `as_run`, or creates it.
    ///
    /// # Errors
    /// Refuses the folder of another experiment, of other models, or in use, and whatever cannot be written.
    pub(crate) fn open(
        request: &SweepRequest,
        as_run: &ExperimentSpec,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Self, RunnerError> {
        let layout = Layout::new(&request.out);
        let receipt = receipt(request, as_run, inputs);
        // Before the store is touched, so that nothing appears in the folder of another experiment; and again behind
        // the store's lock, as another process may have been quicker.
        check(&layout, as_run, &receipt)?;
        let store = MetricStore::open(layout.root())?;
        let known = check(&layout, as_run, &receipt)?;
        if !known && !store.snapshot()?.epochs.is_empty() {
            return Err(RunnerError::Unlabelled { folder: request.out.clone(), missing: "experiment.ron" });
        }
        let findings = keep(&layout, as_run, receipt, known)?;
        Ok(Self { layout, store, findings })
    }
}

/// Returns what an experiment is made with.
fn receipt(request: &SweepRequest, as_run: &ExperimentSpec, inputs: &BTreeMap<String, String>) -> Receipt {
    let mut hashes = inputs.clone();
    hashes.insert("experiment".into(), sha256(as_run.to_ron()));
    hashes.insert("prompts.train".into(), sha256(request.prompts.train.join("\n")));
    hashes.insert("prompts.held_out".into(), sha256(request.prompts.held_out.join("\n")));
    let name = as_run.name.as_deref().unwrap_or_default();
    Receipt::new(name, as_run.seed, &request.device_name, hashes)
}

/// Compares an experiment with what the folder holds, and returns whether it holds one.
fn check(layout: &Layout, as_run: &ExperimentSpec, receipt: &Receipt) -> Result<bool, RunnerError> {
    let folder = layout.root().to_path_buf();
    let Some(kept) = kept_experiment(layout)? else { return Ok(false) };
    if let Some(difference) = first_difference(&kept, as_run) {
        let (field, there, here) = (difference.field, difference.there, difference.here);
        return Err(RunnerError::OtherExperiment { folder, field, there, here });
    }
    let Some(kept) = Receipt::read(&layout.receipt_file())? else {
        return Err(RunnerError::Unlabelled { folder, missing: "receipt.json" });
    };
    for (what, there) in kept.sha256.iter().filter(|(what, _)| *what != "experiment") {
        match receipt.sha256.get(what) {
            Some(here) if here == there => {}
            here => {
                let (what, there) = (what.clone(), there.clone());
                let here = here.cloned().unwrap_or_else(|| "none".into());
                return Err(RunnerError::OtherInput { folder, what, there, here });
            }
        }
    }
    Ok(true)
}

/// Returns the experiment of earlier results.
///
/// # Errors
/// Fails when the file is there and cannot be read.
fn kept_experiment(layout: &Layout) -> Result<Option<ExperimentSpec>, RunnerError> {
    let path = layout.experiment_file();
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunnerError::Read { path, reason: error.to_string() }),
        Ok(_) => ExperimentSpec::load_kept(&path).map(Some).map_err(|source| RunnerError::KeptExperiment { source }),
    }
}

/// Writes receipt and experiment where they are new, and returns what is different since the folder was begun.
fn keep(
    layout: &Layout,
    as_run: &ExperimentSpec,
    mut receipt: Receipt,
    known: bool,
) -> Result<Vec<String>, RunnerError> {
    let mut findings = Vec::new();
    if known && let Some(kept) = Receipt::read(&layout.receipt_file())? {
        let mut compare = |what: &str, there: &str, here: &str| {
            if there != here {
                findings.push(format!(
                    "begun with {what} {there} and continued with {here}: figures may differ in their last digits from \
                     those of one {what} alone"
                ));
            }
        };
        compare("moa", &kept.moa, &receipt.moa);
        compare("device", &kept.device, &receipt.device);
        (receipt.moa, receipt.device) = (kept.moa, kept.device);
    }
    write_new(&layout.receipt_file(), &receipt.to_json())?;
    // Last: with it the folder belongs to this experiment.
    write_new(&layout.experiment_file(), as_run.to_ron().as_bytes())?;
    Ok(findings)
}

/// Writes a file unless it holds these bytes already.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}
