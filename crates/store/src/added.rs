//! Soups that were added to an experiment when they were measured: found by their logs, taken into the index, removed.
//!
//! The log in a soup's own folder is the truth, and says that it was added ([`EvaluationRecord::added`]). The index has one writer: where that is
//! a sweep, or there is no index yet, the log alone is written. Readers take it in beside the index, and the index follows at its
//! next opening.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId};

use crate::{LEASE, Layout, Leases, MetricStore, RunHistory, Snapshot, StoreError, database};

/// When the index knows of a point that was added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// It does.
    Now,
    /// At its next opening: by the sweep that holds it now when that comes to its soups, or else by the next sweep, gathering or repair.
    Later,
}

/// Returns the evaluations of the soups that were added to the experiment, behind the digest of their settings, by name.
///
/// # Errors
/// Those of [`RunHistory::read`].
pub fn added(layout: &Layout) -> Result<Vec<(String, EvaluationRecord)>, StoreError> {
    added_but(layout, &BTreeSet::new())
}

/// Returns those of [`added`] that have another name than these.
fn added_but(layout: &Layout, known: &BTreeSet<&RunId>) -> Result<Vec<(String, EvaluationRecord)>, StoreError> {
    let mut found = Vec::new();
    for id in layout.soups()?.iter().filter(|id| !known.contains(id)) {
        let history = RunHistory::read(&layout.log_file(PointKind::Soup, id))?;
        let evaluation = history.and_then(|history| history.evaluation);
        found.extend(evaluation.filter(|(_, record)| record.added.is_some() && record.id == *id));
    }
    Ok(found)
}

/// Takes an added soup, whose log is written, into the index.
///
/// # Errors
/// Those of [`MetricStore::open`] but [`StoreError::InUse`].
pub fn index(root: &Path, record: &EvaluationRecord) -> Result<Indexed, StoreError> {
    change_index(root, |store| store.record(&RunEvent::Evaluated(record.clone())))
}

/// Removes a soup that was added to the experiment in `root`: its folder with adapter, images and log, and what the index knows of it. Adapters
/// that were written elsewhere stay, and so do tables and plots until they are made again.
///
/// The folder leaves its place in one step: a kill leaves the soup whole, or gone.
///
/// # Errors
/// [`StoreError::NoSuchPoint`] where no such soup was added, [`StoreError::PlannedPoint`] for what the experiment itself asks for,
/// [`StoreError::Owned`] while a process measures it, and what the system says.
pub fn remove_point(root: &Path, id: &RunId) -> Result<Indexed, StoreError> {
    let layout = Layout::new(root);
    let planned = planned(&layout)?;
    if planned.contains(id) {
        return Err(StoreError::PlannedPoint { id: id.to_string() });
    }
    let removable: Vec<RunId> = added(&layout)?.into_iter().map(|(_, record)| record.id).collect();
    if !removable.contains(id) {
        let known = removable.iter().filter(|id| !planned.contains(id)).map(RunId::to_string).collect();
        return Err(StoreError::NoSuchPoint { id: id.to_string(), path: root.to_path_buf(), known });
    }
    let folder = layout.soup_dir(id);
    let lease = Leases::take(&[folder.join(LEASE)])?;
    let aside = layout.removed_dir(id);
    let failed = |source| StoreError::write(&folder, source);
    remove_folder(&aside).map_err(failed)?;
    fs::rename(&folder, &aside).map_err(failed)?;
    // It lies in the folder that has moved.
    drop(lease);
    let indexed = change_index(root, |store| store.remove(id))?;
    remove_folder(&aside).map_err(failed)?;
    Ok(indexed)
}

/// Opens the index, changes it, and closes it.
fn change_index(
    root: &Path,
    change: impl FnOnce(&mut MetricStore) -> Result<(), StoreError>,
) -> Result<Indexed, StoreError> {
    // Parts that were not gathered have none, and one that holds this alone would hide them.
    if !database::exists(&Layout::new(root).metrics_dir()) {
        return Ok(Indexed::Later);
    }
    let mut store = match MetricStore::open(root) {
        Err(StoreError::InUse { .. }) => return Ok(Indexed::Later),
        opened => opened?,
    };
    change(&mut store)?;
    store.close()?;
    Ok(Indexed::Now)
}

impl Snapshot {
    /// Takes in the added soups that the logs know and this does not: those that were measured while a sweep held the index.
    pub(crate) fn take_added(&mut self, layout: &Layout) -> Result<(), StoreError> {
        let known = self.evaluations.iter().map(|record| &record.id).collect();
        let mut missing = added_but(layout, &known)?;
        if missing.is_empty() {
            return Ok(());
        }
        // Those of other settings than the base's do not compare, nor do those of runs that the experiment no longer has.
        let base = RunHistory::read(&layout.log_file(PointKind::Base, &RunId(RunId::BASE.into())))?;
        let Some((settings, _)) = base.and_then(|base| base.evaluation) else { return Ok(()) };
        let settings = settings.split(' ').next().unwrap_or_default();
        let runs: BTreeSet<String> = kept(layout)?.weightings().into_iter().map(|(id, _)| id.0).collect();
        let ingredients = |record: &EvaluationRecord| {
            let parts = record.added.iter().flat_map(|mixture| &mixture.ingredients);
            parts.map(|part| &part.name).all(|name| runs.contains(name))
        };
        missing.retain(|(own, record)| own.starts_with(settings) && ingredients(record));
        self.evaluations.extend(missing.into_iter().map(|(_, record)| record));
        self.sort();
        Ok(())
    }
}

/// Returns the names of everything that the experiment asks for.
fn planned(layout: &Layout) -> Result<BTreeSet<RunId>, StoreError> {
    let spec = kept(layout)?;
    let mixtures = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let runs = spec.weightings().into_iter().map(|(id, _)| id);
    Ok(runs.chain(mixtures).chain([RunId(RunId::BASE.into())]).collect())
}

fn kept(layout: &Layout) -> Result<ExperimentSpec, StoreError> {
    let path = layout.experiment_file();
    if !path.exists() {
        return Err(StoreError::Missing { path: layout.root().to_path_buf() });
    }
    ExperimentSpec::load_kept(&path).map_err(|error| StoreError::read(&path, std::io::Error::other(error.to_string())))
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
