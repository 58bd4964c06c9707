//! Deleting results: renamed first, so that what is half deleted is not taken for results; links are never followed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_core::{PointKind, RunId};

use crate::{Layout, Leases, MetricStore, StoreError};

/// How the names of folders begin that are being deleted.
const REMOVED: &str = ".moa-removed-";

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
    let beside = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let doomed = beside.join(removed_name(root));
    if doomed.exists() {
        delete(&doomed)?;
    }
    fs::rename(root, &doomed).map_err(|source| StoreError::write(root, source))?;
    drop(leases);
    delete(&doomed)
}

/// Deletes runs, soups and blends of an experiment, and forgets them in its index.
///
/// # Errors
/// [`StoreError::InUse`] and [`StoreError::Owned`] while a sweep works on the experiment or on one of them: nothing is deleted then; and what
/// the system says. After a failure in between, a second call completes it; the next sweep takes nothing that is half deleted for results.
pub fn remove_points(root: &Path, points: &[(PointKind, RunId)]) -> Result<(), StoreError> {
    let layout = Layout::new(root);
    let folders: Vec<PathBuf> = points.iter().map(|(kind, id)| layout.point_dir(*kind, id)).collect();
    let leases = take(&layout, &folders)?;
    let mut index = open_index(&layout)?;
    finish(root)?;
    for ((_, id), folder) in points.iter().zip(&folders) {
        let doomed = root.join(removed_name(folder));
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

/// Takes the lease for gathering, and that of every folder in which a process works, or seems to.
fn take(layout: &Layout, folders: &[PathBuf]) -> Result<Leases, StoreError> {
    let held = folders.iter().map(|folder| folder.join(crate::LEASE)).filter(|lease| lease.exists());
    Leases::take(&std::iter::once(layout.gather_lease_file()).chain(held).collect::<Vec<_>>())
}

/// Opens the index, if there is one.
fn open_index(layout: &Layout) -> Result<Option<MetricStore>, StoreError> {
    if layout.metrics_dir().is_dir() { MetricStore::open(layout.root()).map(Some) } else { Ok(None) }
}

/// Returns the name under which a folder is deleted.
fn removed_name(folder: &Path) -> String {
    format!("{REMOVED}{}", folder.file_name().unwrap_or_default().to_string_lossy())
}

/// Deletes what an earlier process was killed at deleting.
fn finish(root: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(root).map_err(|source| StoreError::read(root, source))?;
    let mut left = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(REMOVED));
    left.try_for_each(|entry| delete(&entry.path()))
}

fn delete(folder: &Path) -> Result<(), StoreError> {
    // It deletes links, and not what they lead to.
    fs::remove_dir_all(folder).map_err(|source| StoreError::write(folder, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_works_on_is_not_removed_and_what_was_half_removed_is() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let id = RunId("safety".into());
        let folder = layout.run_dir(&id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("log.jsonl"), "").unwrap();
        fs::create_dir_all(root.path().join(".moa-removed-older/inner")).unwrap();
        let lease = Leases::take(&[layout.lease_file(&id)]).unwrap();
        let points = [(PointKind::Trained, id.clone())];
        assert!(matches!(remove_points(root.path(), &points), Err(StoreError::Owned { .. })));
        assert!(matches!(remove_experiment(root.path()), Err(StoreError::Owned { .. })));
        assert!(folder.join("log.jsonl").is_file());
        drop(lease);
        remove_points(root.path(), &points).unwrap();
        assert!(!folder.exists() && !root.path().join(".moa-removed-older").exists());
        // Doing so again changes nothing.
        remove_points(root.path(), &points).unwrap();
        remove_experiment(root.path()).unwrap();
        assert!(!root.path().exists());
    }
}
