//! What is in a results folder, as event files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use moa_core::{ExperimentSpec, PointKind, RunId, Weighting};
use moa_store::{Layout, RunHistory, Snapshot, write_atomically};

use crate::event::{Event, beginning};
use crate::scribe::Scribe;
use crate::{PREFIX, TensorBoardError};

/// The rest of the names of files that an export writes; another export into the same folder replaces them.
const EXPORTED: &str = "0000000000.moa-export";

/// Writes event files of everything that is known of an experiment, finished or running, and returns their number.
///
/// - `layout`: the results folder; images are read there
/// - `held_out`: the prompts of the evaluation
/// - `folder`: where the files go, those of each point into a folder of its name
///
/// # Errors
/// [`TensorBoardError::OfSweep`] for a folder that a sweep writes event files into; and see [`TensorBoardError`]. Files that were
/// written before stay.
pub fn export(
    snapshot: &Snapshot,
    spec: &ExperimentSpec,
    held_out: &[String],
    layout: &Layout,
    folder: &Path,
) -> Result<usize, TensorBoardError> {
    let mut scribe = Scribe::new(spec, held_out, layout);
    snapshot.evaluations.iter().for_each(|record| scribe.know_base(record));
    let points = points(snapshot);
    for folder in points.iter().map(|(id, ..)| folder.join(id.as_str())).chain([folder.to_path_buf()]) {
        if event_files(&folder)?.iter().any(|file| !file.ends_with(EXPORTED)) {
            return Err(TensorBoardError::OfSweep { folder });
        }
    }
    let mut written = 0;
    let mut write = |folder: PathBuf, bytes: &[u8]| {
        written += 1;
        write_atomically(&folder.join(format!("{PREFIX}{EXPORTED}")), bytes)
    };
    for (id, kind, weighting) in points {
        write(folder.join(id.as_str()), &story(&scribe, snapshot, layout, id, kind, weighting)?)?;
    }
    write(folder.to_path_buf(), &[beginning(0.0, 0), scribe.experiment(0.0).record()].concat())?;
    Ok(written)
}

/// Returns the points that something is known of: the base, runs that have begun, and what was evaluated.
pub(crate) fn points(snapshot: &Snapshot) -> Vec<(&RunId, PointKind, Option<&Weighting>)> {
    let begun = snapshot.runs.iter().filter(|run| run.epochs_done > 0);
    let mut points: Vec<_> = begun.map(|run| (&run.id, PointKind::Trained, Some(&run.weighting))).collect();
    for record in &snapshot.evaluations {
        if !points.iter().any(|(id, ..)| **id == record.id) {
            points.push((&record.id, record.kind, record.weighting.as_ref()));
        }
    }
    points
}

/// Returns a file that holds all that is known of a point.
pub(crate) fn story(
    scribe: &Scribe,
    snapshot: &Snapshot,
    layout: &Layout,
    id: &RunId,
    kind: PointKind,
    weighting: Option<&Weighting>,
) -> Result<Vec<u8>, TensorBoardError> {
    let epochs = snapshot.epochs_of(id);
    let evaluation = snapshot.evaluations.iter().find(|record| record.id == *id);
    let (began, changed) = times(layout, kind, id)?;
    let start = began.unwrap_or(changed - epochs.iter().map(|epoch| epoch.seconds).sum::<f64>());
    let mut time = start;
    let mut events: Vec<Event> = vec![scribe.session(id, kind, weighting, time)];
    for epoch in epochs {
        time += epoch.seconds;
        events.push(Scribe::epoch(epoch, time));
    }
    if let Some(record) = evaluation {
        events.extend(scribe.evaluation(record, step(snapshot, id, kind), time.max(changed))?);
    }
    let records = events.iter().map(Event::record);
    Ok(std::iter::once(beginning(start, 0)).chain(records).collect::<Vec<_>>().concat())
}

/// Returns the epoch that an evaluation stands for: the last one of a run, before the first one of the base, and of a mixture the last one of
/// the runs that it is made of.
fn step(snapshot: &Snapshot, id: &RunId, kind: PointKind) -> u32 {
    match kind {
        PointKind::Base | PointKind::Given => 0,
        PointKind::Trained => snapshot.run(id).map_or(0, |run| run.epochs_done),
        PointKind::Soup | PointKind::Blend => snapshot.runs.iter().map(|run| run.epochs_done).max().unwrap_or(0),
    }
}

/// Returns when work on a point began, where that is known, and when its log changed last, in seconds since 1970.
fn times(layout: &Layout, kind: PointKind, id: &RunId) -> Result<(Option<f64>, f64), TensorBoardError> {
    let log = layout.log_file(kind, id);
    let history = RunHistory::read(&log)?;
    let began = history.and_then(|history| history.origins.first().map(|origin| origin.when as f64));
    let changed = fs::metadata(&log).and_then(|metadata| metadata.modified()).ok();
    let changed = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    Ok((began, changed.map_or(0.0, |changed| changed.as_secs_f64())))
}

/// Returns the names of the event files in a folder; none where there is no such folder.
///
/// # Errors
/// What the system says of a folder that it cannot list.
pub(crate) fn event_files(folder: &Path) -> Result<Vec<String>, TensorBoardError> {
    let failed = |source| TensorBoardError::Write { path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
}
