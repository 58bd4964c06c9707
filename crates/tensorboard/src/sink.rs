//! A sink that writes event files while a sweep runs.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use moa_core::{EpochRecord, EvaluationRecord, EventSink, ExperimentSpec, PointKind, RunEvent, RunId, Weighting};
use moa_store::{Layout, Snapshot};

use crate::event::{Event, beginning, void_from};
use crate::export::{event_files, points, story};
use crate::scribe::Scribe;
use crate::{PREFIX, TensorBoardError};

/// Writes every epoch and evaluation of a sweep into event files, those of each point into a folder of its name.
///
/// Each process writes files of its own. They begin with the epoch that they go on with: what an earlier process said of it, before it
/// was killed, TensorBoard then takes back. Nothing that the sweep does depends on the files: after the first that cannot be written no more are, and
/// [`TensorBoard::finish`] says why.
pub struct TensorBoard {
    folder: PathBuf,
    /// Names this process in its files' names.
    origin: String,
    scribe: Scribe,
    epochs: u32,
    /// The runs' weightings, and the epochs that they have finished.
    runs: BTreeMap<RunId, (Weighting, u32)>,
    /// The files of this process, each with the last epoch that is in it.
    files: BTreeMap<RunId, (PathBuf, u32)>,
    failed: Option<TensorBoardError>,
}

impl TensorBoard {
    /// Begins to write into a folder: first what is known of points that have no event files there.
    ///
    /// - `held_out`: the prompts of the evaluation
    /// - `layout`: the results folder of the sweep
    /// - `known`: what earlier sweeps have left there
    /// - `origin`: names this process among all that write into the folder, in letters that a file's name may have
    ///
    /// # Errors
    /// See [`TensorBoardError`].
    pub fn begin(
        folder: &Path,
        spec: &ExperimentSpec,
        held_out: &[String],
        layout: &Layout,
        known: &Snapshot,
        origin: &str,
    ) -> Result<Self, TensorBoardError> {
        let mut board = Self {
            folder: folder.to_path_buf(),
            origin: origin.to_owned(),
            scribe: Scribe::new(spec, held_out, layout),
            epochs: spec.training.epochs,
            runs: BTreeMap::new(),
            files: BTreeMap::new(),
            failed: None,
        };
        known.evaluations.iter().for_each(|record| board.scribe.know_base(record));
        if event_files(folder)?.is_empty() {
            let time = now();
            let bytes = [beginning(time, 0), board.scribe.experiment(time).record()].concat();
            append(&folder.join(board.name(time)), &bytes)?;
        }
        for (id, kind, weighting) in points(known) {
            let own = folder.join(id.as_str());
            if event_files(&own)?.is_empty() {
                let path = own.join(board.name(now()));
                append(&path, &story(&board.scribe, known, layout, id, kind, weighting)?)?;
                let last = known.epochs_of(id).last().map_or(0, |epoch| epoch.epoch);
                board.files.insert(id.clone(), (path, last));
            }
        }
        Ok(board)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// Why not everything was written.
    pub fn finish(self) -> Result<(), TensorBoardError> {
        self.failed.map_or(Ok(()), Err)
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), TensorBoardError> {
        let time = now();
        if let Some((_, done)) = self.runs.get_mut(&record.run) {
            *done = record.epoch;
        }
        let weighting = self.runs.get(&record.run).map(|(weighting, _)| weighting.clone());
        let event = Scribe::epoch(record, time);
        self.write(&record.run, PointKind::Trained, weighting.as_ref(), record.epoch, &[event])
    }

    fn evaluated(&mut self, record: &EvaluationRecord) -> Result<(), TensorBoardError> {
        self.scribe.know_base(record);
        let step = match record.kind {
            PointKind::Base | PointKind::Given => 0,
            PointKind::Trained => self.runs.get(&record.id).map_or(self.epochs, |(_, done)| *done),
            PointKind::Soup | PointKind::Blend => self.epochs,
        };
        let events = self.scribe.evaluation(record, step, now())?;
        // What was said of the last epoch stands.
        self.write(&record.id, record.kind, record.weighting.as_ref(), step + 1, &events)
    }

    /// Adds events to a point's file; begins it where this process has not.
    ///
    /// - `step`: what was said of this epoch and later ones is void
    fn write(
        &mut self,
        id: &RunId,
        kind: PointKind,
        weighting: Option<&Weighting>,
        step: u32,
        events: &[Event],
    ) -> Result<(), TensorBoardError> {
        let mut bytes = Vec::new();
        let time = now();
        let path = if let Some((path, last)) = self.files.get_mut(id) {
            if *last >= step {
                // It goes on from a checkpoint before what is known.
                bytes.extend(void_from(time, step));
            }
            *last = step;
            path.clone()
        } else {
            let folder = self.folder.join(id.as_str());
            bytes.extend(beginning(time, step));
            if event_files(&folder)?.is_empty() {
                bytes.extend(self.scribe.session(id, kind, weighting, time).record());
            }
            let path = folder.join(self.name(time));
            self.files.insert(id.clone(), (path.clone(), step));
            path
        };
        bytes.extend(events.iter().flat_map(Event::record));
        append(&path, &bytes)
    }

    /// Returns the name of a file that is begun now: by the time first, as TensorBoard reads files in that order.
    fn name(&self, time: f64) -> String {
        format!("{PREFIX}{:010}.{}.moa", time as u64, self.origin)
    }
}

impl EventSink for TensorBoard {
    fn emit(&mut self, event: &RunEvent) {
        if self.failed.is_some() {
            return;
        }
        let written = match event {
            RunEvent::SweepStarted { runs, .. } => {
                let known = runs.iter().map(|run| (run.id.clone(), (run.weighting.clone(), run.epochs_done)));
                self.runs.extend(known);
                Ok(())
            }
            RunEvent::EpochFinished(record) => self.epoch(record),
            RunEvent::Evaluated(record) => self.evaluated(record),
            _ => Ok(()),
        };
        self.failed = written.err();
    }
}

/// Appends to a file, which is there afterwards, with its folder.
fn append(path: &Path, bytes: &[u8]) -> Result<(), TensorBoardError> {
    let failed = |source| TensorBoardError::Write { path: path.to_path_buf(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
