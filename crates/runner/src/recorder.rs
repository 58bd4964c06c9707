//! Where events go: into the logs of their runs, to the index over them, and to the caller's sink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use moa_core::{EvaluationRecord, EventSink, Phase, PointKind, RunEvent, RunId, Warning, Weighting};
use moa_store::{Entry, ImageScores, Layout, MetricStore, RunHistory, RunLog, Snapshot, StoreError, opened};

use crate::RunnerError;

/// Passes every event to logs and index first, so that the sink gets only events that are kept.
pub(crate) struct Recorder<'a> {
    layout: Layout,
    /// The digest of what evaluations depend on.
    settings: String,
    /// Nothing where this process has a part of the runs alone.
    store: Option<MetricStore>,
    sink: &'a mut dyn EventSink,
    /// The logs that are open, with what they hold.
    logs: BTreeMap<RunId, (RunLog, RunHistory)>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(
        layout: &Layout,
        settings: &str,
        store: Option<MetricStore>,
        sink: &'a mut dyn EventSink,
    ) -> Self {
        Self { layout: layout.clone(), settings: settings.to_owned(), store, sink, logs: BTreeMap::new() }
    }

    /// Goes by other settings from now on: by those that a reward has which was fitted meanwhile.
    pub(crate) fn go_by(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
    }

    /// Opens the log of something, begins it where it is new, and returns what it holds.
    pub(crate) fn open(
        &mut self,
        kind: PointKind,
        id: &RunId,
        facts: Option<&str>,
        weighting: Option<&Weighting>,
    ) -> Result<&RunHistory, RunnerError> {
        if !self.logs.contains_key(id) {
            let (mut log, history) = RunLog::open(&self.layout.log_file(kind, id))?;
            let mut history = history.unwrap_or_default();
            if history == RunHistory::default() {
                let entry = opened(facts.map(str::to_owned), weighting.cloned());
                log.append(&entry)?;
                history.take(entry);
            }
            self.logs.insert(id.clone(), (log, history));
        }
        let (_, history) = self.logs.get(id).unwrap_or_else(|| unreachable!("it was opened just now"));
        Ok(history)
    }

    /// Appends to a log that is open.
    pub(crate) fn append(&mut self, id: &RunId, entry: Entry) -> Result<(), RunnerError> {
        if let Some((log, history)) = self.logs.get_mut(id) {
            log.append(&entry)?;
            history.take(entry);
        }
        Ok(())
    }

    /// Closes a log, once what it holds is on the disk.
    pub(crate) fn shut(&mut self, id: &RunId) -> Result<(), RunnerError> {
        if let Some((mut log, _)) = self.logs.remove(id) {
            log.sync()?;
        }
        Ok(())
    }

    /// Returns the last evaluation of something, if it is one of these settings and adapters.
    pub(crate) fn evaluation(
        &self,
        kind: PointKind,
        id: &RunId,
        adapters: &str,
    ) -> Result<Option<EvaluationRecord>, RunnerError> {
        let history = RunHistory::read(&self.layout.log_file(kind, id))?;
        let evaluation = history.and_then(|history| history.evaluation);
        let wanted = self.settings_of(adapters);
        Ok(evaluation.filter(|(settings, _)| *settings == wanted).map(|(_, record)| record))
    }

    /// Keeps the scores of an evaluation's images, before the evaluation itself is kept.
    ///
    /// - `adapters`: a digest of the adapters that were evaluated
    pub(crate) fn keep_scores(
        &self,
        kind: PointKind,
        id: &RunId,
        scores: &ImageScores,
        adapters: &str,
    ) -> Result<(), RunnerError> {
        Ok(scores.write(&self.layout.point_dir(kind, id), &self.settings_of(adapters))?)
    }

    /// Returns whether the scores of an evaluation's images are kept, and as they were written.
    pub(crate) fn has_scores(&self, kind: PointKind, id: &RunId, adapters: &str) -> bool {
        let read = ImageScores::read(&self.layout.point_dir(kind, id), &self.settings_of(adapters));
        read.is_ok_and(|scores| scores.is_some())
    }

    /// Takes the last evaluation of something into the index, where that does not have it.
    pub(crate) fn take_in(&mut self, kind: PointKind, id: &RunId, adapters: &str) -> Result<(), RunnerError> {
        let Some(record) = self.evaluation(kind, id, adapters)? else { return Ok(()) };
        let known = self.store.as_ref().map_or(Ok(None), |store| store.evaluation(id))?;
        if known.as_ref() == Some(&record) { Ok(()) } else { self.tell(&RunEvent::Evaluated(record)) }
    }

    fn settings_of(&self, adapters: &str) -> String {
        format!("{} {adapters}", self.settings)
    }

    /// Keeps an evaluation and tells of it.
    ///
    /// - `adapters`: a digest of the adapters that were evaluated
    pub(crate) fn evaluated(&mut self, record: EvaluationRecord, adapters: &str) -> Result<(), RunnerError> {
        self.open(record.kind, &record.id, None, record.weighting.as_ref())?;
        let settings = self.settings_of(adapters);
        self.append(&record.id, Entry::Evaluated { settings, record: record.clone() })?;
        self.shut(&record.id)?;
        self.tell(&RunEvent::Evaluated(record))
    }

    /// Keeps an event and tells of it.
    pub(crate) fn emit(&mut self, event: &RunEvent) -> Result<(), RunnerError> {
        if let RunEvent::EpochFinished(epoch) = event {
            self.append(&epoch.run, Entry::Epoch(epoch.clone()))?;
        }
        self.tell(event)
    }

    /// Tells of an event that is said again whenever it is so, and stands in the index alone.
    pub(crate) fn tell(&mut self, event: &RunEvent) -> Result<(), RunnerError> {
        if let Some(store) = &mut self.store {
            store.record(event)?;
        }
        self.sink.emit(event);
        Ok(())
    }

    /// Tells that a part of the sweep begins.
    pub(crate) fn phase(&mut self, phase: Phase, units: usize) -> Result<(), RunnerError> {
        self.emit(&RunEvent::PhaseStarted { phase, units: units as u64 })
    }

    /// Keeps a finding about a run whose log is open, and tells of it.
    pub(crate) fn warn(&mut self, run: &RunId, message: String) -> Result<(), RunnerError> {
        if self.logs.get(run).is_some_and(|(_, history)| !history.warned().any(|known| *known == message)) {
            self.append(run, Entry::Warned { message: message.clone() })?;
        }
        self.tell(&RunEvent::Warned(Warning { run: Some(run.clone()), message }))
    }

    /// Keeps a finding about the sweep as a whole in the base's log, where all is in one process' hands, and tells of it.
    pub(crate) fn warn_all(&mut self, message: String) -> Result<(), RunnerError> {
        if self.store.is_some() {
            let base = RunId(RunId::BASE.into());
            if !self.open(PointKind::Base, &base, None, None)?.warned().any(|known| *known == message) {
                self.append(&base, Entry::Warned { message: message.clone() })?;
            }
            self.shut(&base)?;
        }
        self.tell(&RunEvent::Warned(Warning { run: None, message }))
    }

    /// Tells of a file.
    pub(crate) fn wrote(&mut self, path: PathBuf) -> Result<(), RunnerError> {
        self.emit(&RunEvent::Wrote { path })
    }

    /// Brings all logs to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), RunnerError> {
        Ok(self.logs.values_mut().try_for_each(|(log, _)| log.sync())?)
    }

    /// Returns everything that the index knows; nothing where this process has none.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.as_ref().map_or_else(|| Ok(Snapshot::default()), MetricStore::snapshot)
    }

    /// Ends the recording in good order.
    pub(crate) fn close(mut self) -> Result<(), RunnerError> {
        self.sync()?;
        Ok(self.store.map_or(Ok(()), MetricStore::close)?)
    }
}
