//! Runs from elsewhere: other folders with parts of the same experiment, or an experiment that shares some of its runs.

use std::fs;
use std::path::{Path, PathBuf};

use moa_core::experiment::Fingerprint;
use moa_core::{EventSink, PointKind, RunId};
use moa_store::{Layout, Leases, RunHistory, StoreError};

use crate::adapters::hash_in;
use crate::folder::{Folder, as_run};
use crate::sweep::{SweepOutcome, regather};
use crate::{Models, RunnerError, SweepRequest, preferences};

/// How the names of folders begin while they are being copied.
const HALF_COPIED: &str = ".moa-copy-";

/// What is done with runs of the same name that were trained otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// They are refused.
    Refused,
    /// They are left where they are.
    Left,
}

/// What came of bringing runs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// The runs that were copied.
    pub taken: Vec<RunId>,
    /// The runs that are trained otherwise there, and the first setting that differs.
    pub left: Vec<(RunId, String)>,
}

/// Copies runs of a request's experiment from other results folders, where they are further on there. Doing so again changes nothing.
///
/// # Errors
/// Refuses folders that hold none of its runs, runs that were trained otherwise where these are refused, and two trained runs of one name
/// that are not the same; whatever cannot be read or written.
pub fn bring(
    request: &SweepRequest,
    models: &Models,
    from: &[PathBuf],
    strangers: Strangers,
) -> Result<Brought, RunnerError> {
    let spec = &as_run(&request.spec, &request.prompts, &request.out);
    let mut inputs = models.sha256.clone();
    inputs.extend(preferences::read(spec, models)?.map(|read| ("preferences".to_owned(), read.sha256)));
    let folder = Folder::open(request, spec, &inputs)?;
    let mut brought = Brought::default();
    let mut runs = folder.runs.clone();
    for part in from {
        let there = Layout::new(part);
        let mut found = false;
        for run in &mut runs {
            let Some(history) = RunHistory::read(&there.log_file(PointKind::Trained, &run.id))? else { continue };
            found = true;
            let facts = Fingerprint::read(history.facts.as_deref().unwrap_or_default());
            if let Some(fact) = facts.difference(&Fingerprint::read(&run.facts)) {
                if strangers == Strangers::Left {
                    brought.left.push((run.id.clone(), fact.field));
                    continue;
                }
                let (folder, run) = (part.clone(), run.id.to_string());
                return Err(RunnerError::OtherExperiment { folder, run, fact: Box::new(fact) });
            }
            if spec.training.epochs < history.epochs_done() {
                let (run, done) = (run.id.to_string(), history.epochs_done());
                return Err(RunnerError::FewerEpochs { folder: part.clone(), run, done, epochs: spec.training.epochs });
            }
            check_same(&folder.layout, &there, &run.id)?;
            let further =
                |history: &RunHistory| (history.trained.is_some(), history.epochs_done(), history.evaluation.is_some());
            if run.history == RunHistory::default() || further(&history) > further(&run.history) {
                take(&folder.layout, &there, &run.id)?;
                run.history = history;
                brought.taken.push(run.id.clone());
            }
        }
        if !found {
            return Err(RunnerError::NoRuns { folder: part.clone() });
        }
    }
    folder.keep(request, spec, &inputs)?;
    Ok(brought)
}

/// Rebuilds the index of a results folder from its runs' own folders, and reports and draws. What was evaluated without
/// keeping the scores of single images is evaluated again.
///
/// # Errors
/// See [`gather`](crate::gather).
pub fn repair(request: &SweepRequest, models: &Models, sink: &mut dyn EventSink) -> Result<SweepOutcome, RunnerError> {
    let layout = Layout::new(&request.out);
    if layout.logs()?.is_empty() {
        return Err(RunnerError::NoRuns { folder: request.out.clone() });
    }
    let _lease = Leases::take(&[layout.gather_lease_file()])?;
    for path in [layout.metrics_dir(), layout.live_file()] {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RunnerError::Write { path, reason: error.to_string() });
            }
            _ => {}
        }
    }
    regather(request, models, sink)
}

/// Refuses two trained adapters of one run that differ.
fn check_same(here: &Layout, there: &Layout, run: &RunId) -> Result<(), RunnerError> {
    if !(here.adapter_file(run).exists() && there.adapter_file(run).exists()) {
        return Ok(());
    }
    // Whatever the files say of where they come from.
    let [own, other] = [here, there].map(|layout| hash_in(&layout.run_dir(run)));
    match (own, other) {
        (Ok(own), Ok(other)) if own != other => Err(RunnerError::TwoResults {
            run: run.to_string(),
            first: here.adapter_file(run),
            second: there.adapter_file(run),
        }),
        _ => Ok(()),
    }
}

/// Copies a run's folder in place of what is there.
fn take(here: &Layout, there: &Layout, run: &RunId) -> Result<(), RunnerError> {
    let _leases = Leases::take(&[there.lease_file(run), here.lease_file(run)])?;
    let aside = here.runs_dir().join(format!("{HALF_COPIED}{run}"));
    let failed =
        |path: &Path, error: std::io::Error| RunnerError::from(StoreError::Write { path: path.into(), source: error });
    let _ = fs::remove_dir_all(&aside);
    fs::create_dir_all(&aside).map_err(|error| failed(&aside, error))?;
    let from = there.run_dir(run);
    for entry in fs::read_dir(&from).map_err(|error| failed(&from, error))? {
        let entry = entry.map_err(|error| failed(&from, error))?;
        let (source, target) = (entry.path(), aside.join(entry.file_name()));
        if source == there.lease_file(run) || !source.is_file() {
            continue;
        }
        fs::copy(&source, &target)
            .and_then(|_| fs::File::open(&target)?.sync_all())
            .map_err(|error| failed(&target, error))?;
    }
    let own = here.run_dir(run);
    // What is there is no further than what comes: losing it to a kill in between loses nothing.
    fs::remove_dir_all(&own).or_else(ignore_missing).map_err(|error| failed(&own, error))?;
    fs::rename(&aside, &own).map_err(|error| failed(&own, error))
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
