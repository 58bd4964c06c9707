//! Where events go: to the store, which keeps them, and to whoever listens.

use std::path::PathBuf;

use moa_core::{EvaluationRecord, EventSink, Phase, RunEvent, RunId, Warning};
use moa_store::{MetricStore, Snapshot, StoreError};

use crate::RunnerError;

/// Hands every event to the store first, so that nobody hears of what is not kept.
pub(crate) struct Recorder<'a> {
    store: MetricStore,
    sink: &'a mut dyn EventSink,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(store: MetricStore, sink: &'a mut dyn EventSink) -> Self {
        Self { store, sink }
    }

    /// Keeps an event and tells of it.
    pub(crate) fn emit(&mut self, event: &RunEvent) -> Result<(), RunnerError> {
        self.store.record(event)?;
        self.sink.emit(event);
        Ok(())
    }

    /// Tells that a part of the sweep begins.
    pub(crate) fn phase(&mut self, phase: Phase, units: usize) -> Result<(), RunnerError> {
        self.emit(&RunEvent::PhaseStarted { phase, units: units as u64 })
    }

    /// Tells of a finding.
    pub(crate) fn warn(&mut self, run: Option<&RunId>, message: String) -> Result<(), RunnerError> {
        self.emit(&RunEvent::Warned(Warning { run: run.cloned(), message }))
    }

    /// Tells of a file.
    pub(crate) fn wrote(&mut self, path: PathBuf) -> Result<(), RunnerError> {
        self.emit(&RunEvent::Wrote { path })
    }

    /// Brings everything to the disk.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// Returns everything that is known.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot()
    }

    /// Returns an evaluation, if there is one of this name.
    pub(crate) fn evaluation(&self, id: &RunId) -> Result<Option<EvaluationRecord>, StoreError> {
        self.store.evaluation(id)
    }

    /// Ends the recording in good order.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }
}
