//! Deleting results: renamed first, so that what is half deleted is not taken for results; links are never followed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_core::{PointKind, RunId};

use crate::{Layout, Leases, MetricStore, StoreError};

/// How the names of folders end that are being deleted.
const DOOMED: &str = ".moa-removed";

/// Deletes the whole results folder of an experiment.
///
/// # Errors
/// [`StoreError::InUse`] and [`StoreError::Owned`] while a sweep works on it, and what the system says; before the folder is renamed,
/// nothing is deleted.
pub fn remove_experiment(root: &Path) -> Result<(), StoreError> {
    let layout = Layout::new(root);
    let points: Vec<PathBuf> = layout.logs()?.iter().map(|(kind, id, _)| layout.point_dir(*kind, id)).collect();
    let leases = take(&layout, &points)?;
    // Opening the index tells whether a sweep writes it; of one that is damaged none does.
    match open_index(&layout) {
        Ok(Some(index)) => index.close()?,
        Ok(None) | Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Malformed { .. }) => {}
        Err(error) => return Err(error),
    }
    let doomed = doomed(root);
    fs::rename(root, &doomed).map_err(|source| StoreError::write(root, source))?;
    drop(leases);
    delete(&doomed)
}

/// Deletes runs, soups and blends of an experiment, and forgets them in its index.
///
/// # Errors
/// [`StoreError::InUse`] and [`StoreError::Owned`] while a sweep works on the experiment or on one of them: nothing is deleted then; and what
/// the system says. After a failure in between, doing so again goes on; the next sweep takes nothing that is half deleted for results.
pub fn remove_points(root: &Path, points: &[(PointKind, RunId)]) -> Result<(), StoreError> {
    let layout = Layout::new(root);
    let folders: Vec<PathBuf> = points.iter().map(|(kind, id)| layout.point_dir(*kind, id)).collect();
    let leases = take(&layout, &folders)?;
    let mut index = open_index(&layout)?;
    for ((_, id), folder) in points.iter().zip(&folders) {
        let doomed = doomed(folder);
        match fs::rename(folder, &doomed) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(StoreError::write(folder, source)),
        }
        if let Some(index) = &mut index {
            index.remove(id)?;
        }
        delete(&doomed)?;
    }
    drop(leases);
    index.map_or(Ok(()), MetricStore::close)
}

/// Takes the lease of whoever gathers, and of every folder that somebody works on, or seems to.
fn take(layout: &Layout, folders: &[PathBuf]) -> Result<Leases, StoreError> {
    let held = folders.iter().map(|folder| folder.join(crate::LEASE)).filter(|lease| lease.exists());
    Leases::take(&std::iter::once(layout.gather_lease_file()).chain(held).collect::<Vec<_>>())
}

/// Opens the index, if there is one.
fn open_index(layout: &Layout) -> Result<Option<MetricStore>, StoreError> {
    if layout.metrics_dir().is_dir() { MetricStore::open(layout.root()).map(Some) } else { Ok(None) }
}

/// Returns the name under which a folder is deleted; names that begin with a dot are never taken for results.
fn doomed(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}-{}{DOOMED}", std::process::id()))
}

fn delete(folder: &Path) -> Result<(), StoreError> {
    // It deletes links, and not what they lead to.
    fs::remove_dir_all(folder).map_err(|source| StoreError::write(folder, source))
}
