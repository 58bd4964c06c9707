//! The writer of an experiment's metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use moa_core::{EpochRecord, EvaluationRecord, PointKind, RunEvent, RunId, RunRecord, RunState, Warning};

use crate::codec::{decode, encode};
use crate::database::{Trees, decode_error, sled_error};
use crate::journal::{Journal, Line};
use crate::layout::check_run_id;
use crate::names::{Names, epoch_key, epoch_prefix};
use crate::{Layout, RunHistory, Snapshot, Source, StoreError, Sweep, activity};

/// How often a writer tries to open a store that is in use, and how long it waits each time: a reader that copies the
/// store holds it for a moment.
const PATIENCE: (u32, Duration) = (20, Duration::from_millis(50));

/// The one writer of the index over an experiment's logs: metrics, evaluations and runs, for reading fast.
///
/// Each write also goes to the journal that readers follow. Nothing is sure to outlive a killed process before
/// [`MetricStore::flush`]; what is lost, [`MetricStore::follow_logs`] takes from the logs again. Writes are idempotent: a sweep that goes on
/// from a checkpoint may write the same epochs again.
#[derive(Debug)]
pub struct MetricStore {
    layout: Layout,
    folder: PathBuf,
    trees: Trees,
    names: Names,
    sweep: Sweep,
    runs: BTreeMap<RunId, RunRecord>,
    journal: Journal,
}

impl MetricStore {
    /// Opens the store of the experiment in `root` for writing; makes it where there is none. Temporary files that killed
    /// processes left in the experiment's folder are deleted.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process writes, [`StoreError::Newer`], [`StoreError::Damaged`], and what the
    /// system says of a folder that cannot be written.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        let folder = layout.metrics_dir();
        std::fs::create_dir_all(&folder).map_err(|source| StoreError::write(&folder, source))?;
        let mut attempt = 0;
        let (trees, snapshot, names) = loop {
            let opened = Trees::open_with(&folder, &folder, |trees| {
                let snapshot = Snapshot::load(&trees, &folder)?;
                let names = Names::load(&trees.names, &folder)?;
                Ok((trees, snapshot, names))
            });
            match opened {
                Err(StoreError::InUse { .. }) if attempt < PATIENCE.0 => {
                    attempt += 1;
                    sleep(PATIENCE.1);
                }
                other => break other?,
            }
        };
        layout.remove_leftovers()?;
        let journal = Journal::create(&layout.live_file(), &snapshot)?;
        let runs = snapshot.runs.into_iter().map(|run| (run.id.clone(), run)).collect();
        Ok(Self { layout, folder, trees, names, sweep: snapshot.sweep, runs, journal })
    }

    /// Takes an event of a sweep: keeps what it says, and tells those who follow. Events that end something (a checkpoint,
    /// an evaluation, the sweep) flush.
    ///
    /// [`RunEvent::SweepStarted`] says how far each run has come; later epochs are forgotten.
    ///
    /// # Errors
    /// Those of the other methods. The event is not kept, or not wholly; writing it again is safe.
    pub fn record(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        match event {
            RunEvent::SweepStarted { experiment, device, rewards, runs } => {
                self.start(experiment, device, rewards, runs)?;
            }
            RunEvent::EpochFinished(epoch) => {
                self.keep_epoch(epoch)?;
                self.update_run(&epoch.run, |run| activity::epoch_finished(run, epoch.epoch))?;
            }
            RunEvent::Evaluated(evaluation) => {
                self.keep_evaluation(evaluation)?;
                self.update_run(&evaluation.id, |run| activity::evaluated(run, evaluation))?;
                self.flush()?;
            }
            RunEvent::Warned(warning) => self.keep_warning(warning)?,
            RunEvent::Checkpointed { .. } | RunEvent::Interrupted { .. } | RunEvent::SweepFinished => self.flush()?,
            RunEvent::PhaseStarted { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Judging(_)
            | RunEvent::Online(_)
            | RunEvent::Wrote { .. } => {}
        }
        self.journal.event(event)
    }

    /// Keeps a run as it stands.
    ///
    /// # Errors
    /// Refuses a run whose finished epochs or evaluation the store does not hold: write those first.
    pub fn put_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        self.keep_run(run)?;
        self.journal.append(&Line::Run(run.clone()))
    }

    /// Keeps the metrics of a run after an epoch, and replaces what was kept of that epoch.
    ///
    /// # Errors
    /// Refuses values that are infinite or not a number.
    pub fn put_epoch(&mut self, epoch: &EpochRecord) -> Result<(), StoreError> {
        self.record(&RunEvent::EpochFinished(epoch.clone()))
    }

    /// Keeps an evaluation, and replaces the one of the same name.
    ///
    /// # Errors
    /// Refuses scores that are infinite or not a number.
    pub fn put_evaluation(&mut self, evaluation: &EvaluationRecord) -> Result<(), StoreError> {
        self.record(&RunEvent::Evaluated(evaluation.clone()))
    }

    /// Forgets the epochs of a run after `epoch`, and sets the run back to it.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when the store does not hold all epochs up to `epoch`.
    pub fn truncate_epochs_after(&mut self, run: &RunId, epoch: u32) -> Result<(), StoreError> {
        self.forget_epochs_after(run, epoch)?;
        self.update_run(run, |record| {
            if record.epochs_done > epoch {
                record.epochs_done = epoch;
                record.state = if epoch == 0 { RunState::Planned } else { RunState::Training };
            }
        })?;
        self.restate()
    }

    /// Takes in what the logs say that are new or longer than they were, and forgets what has none or is not among `points`: the index is then
    /// what the logs are.
    ///
    /// - `points`: everything that the experiment asks for
    /// - `epochs`: how many are planned
    /// - `settings`: the digest of the evaluation's settings; evaluations of others do not count
    ///
    /// # Errors
    /// Those of [`RunHistory::read`], and what sled says.
    pub fn follow_logs(&mut self, points: &BTreeSet<RunId>, epochs: u32, settings: &str) -> Result<(), StoreError> {
        let logs: Vec<_> = self.layout.logs()?.into_iter().filter(|(_, id, _)| points.contains(id)).collect();
        let there: BTreeSet<&RunId> = logs.iter().map(|(_, id, _)| id).collect();
        for known in self.known()? {
            if !there.contains(&known) {
                self.forget(&known)?;
            }
        }
        for (kind, id, length) in &logs {
            let stamp = [&length.to_be_bytes()[..], &epochs.to_be_bytes(), settings.as_bytes()].concat();
            let known = self.trees.logs.get(id.as_str()).map_err(|error| self.failed(error))?;
            if known.is_some_and(|known| known.as_ref() == stamp) {
                continue;
            }
            if let Some(history) = RunHistory::read(&self.layout.log_file(*kind, id))? {
                self.take_in(id, &history, epochs, settings)?;
            }
            self.trees.logs.insert(id.as_str(), stamp).map_err(|error| self.failed(error))?;
        }
        let of_run = |run: &RunRecord| {
            let warning = |message: &String| Warning { run: Some(run.id.clone()), message: message.clone() };
            run.warnings.iter().map(warning).collect::<Vec<_>>()
        };
        let base = RunHistory::read(&self.layout.log_file(PointKind::Base, &RunId(RunId::BASE.into())))?;
        let whole =
            base.iter().flat_map(RunHistory::warned).map(|message| Warning { run: None, message: message.clone() });
        self.sweep.warnings = whole.chain(self.runs.values().flat_map(of_run)).collect();
        self.keep_sweep()
    }

    /// Replaces what is known of a run, soup or blend by what its log says.
    fn take_in(&mut self, id: &RunId, history: &RunHistory, epochs: u32, settings: &str) -> Result<(), StoreError> {
        self.forget(id)?;
        for epoch in &history.epochs {
            self.keep_epoch(epoch)?;
        }
        if let Some((_, record)) = history.evaluation.as_ref().filter(|(own, _)| own.starts_with(settings)) {
            self.keep_evaluation(record)?;
        }
        history.record(id, epochs, settings).map_or(Ok(()), |record| self.keep_run(&record))
    }

    /// Returns the names of everything in the store.
    fn known(&self) -> Result<BTreeSet<RunId>, StoreError> {
        let keys = self.trees.runs.iter().keys().chain(self.trees.evaluations.iter().keys());
        let name = |key: sled::Result<sled::IVec>| {
            let key = key.map_err(|error| self.failed(error))?;
            Ok(RunId(String::from_utf8_lossy(&key).into_owned()))
        };
        keys.map(name).collect()
    }

    fn forget(&mut self, id: &RunId) -> Result<(), StoreError> {
        self.forget_epochs_after(id, 0)?;
        let Trees { runs, evaluations, logs, .. } = &self.trees;
        for tree in [runs, evaluations, logs] {
            tree.remove(id.as_str()).map_err(|error| self.failed(error))?;
        }
        self.runs.remove(id);
        Ok(())
    }

    /// Forgets a run, soup or blend: its epochs, its evaluation and what was warned of it.
    ///
    /// # Errors
    /// What sled says; forgetting again is safe.
    pub fn remove(&mut self, id: &RunId) -> Result<(), StoreError> {
        self.forget(id)?;
        self.sweep.order.retain(|known| known != id);
        self.sweep.warnings.retain(|warning| warning.run.as_ref() != Some(id));
        self.keep_sweep()?;
        self.restate()
    }

    /// Returns the epochs of a run, in order.
    ///
    /// # Errors
    /// What sled says.
    pub fn epochs(&self, run: &RunId) -> Result<Vec<EpochRecord>, StoreError> {
        let decoded = self.trees.epochs.scan_prefix(epoch_prefix(run)).map(|entry| {
            let (key, value) = entry.map_err(|error| self.failed(error))?;
            self.names.decode(&key, &value, &self.folder)
        });
        decoded.collect()
    }

    /// Returns an evaluation, if there is one of this name.
    ///
    /// # Errors
    /// What sled says.
    pub fn evaluation(&self, id: &RunId) -> Result<Option<EvaluationRecord>, StoreError> {
        let bytes = self.trees.evaluations.get(id.as_str()).map_err(|error| self.failed(error))?;
        bytes.map(|bytes| decode(&bytes).map_err(|error| decode_error(&self.folder, error))).transpose()
    }

    /// Returns everything that the store holds.
    ///
    /// # Errors
    /// What sled says.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshot = Snapshot::load(&self.trees, &self.folder)?;
        Ok(Snapshot { source: Source::Store, ..snapshot })
    }

    /// Returns the layout of the experiment's folder.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// What the system says, e.g. of a full disk.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.trees.flush(&self.folder)
    }

    /// Brings everything to the disk and ends the journal. A store that is dropped without this is as after a kill.
    ///
    /// # Errors
    /// Those of [`MetricStore::flush`].
    pub fn close(self) -> Result<(), StoreError> {
        self.flush()?;
        self.journal.remove()
    }

    fn start(
        &mut self,
        experiment: &str,
        device: &str,
        rewards: &[String],
        runs: &[RunRecord],
    ) -> Result<(), StoreError> {
        for run in runs {
            check_run_id(&run.id)?;
            // The record first: a kill in between leaves epochs too many, which are forgotten then, and never too few.
            self.keep_run(run)?;
            self.forget_epochs_after(&run.id, run.epochs_done)?;
        }
        self.sweep = Sweep {
            experiment: experiment.to_owned(),
            device: device.to_owned(),
            rewards: rewards.to_vec(),
            order: runs.iter().map(|run| run.id.clone()).collect(),
            warnings: std::mem::take(&mut self.sweep.warnings),
        };
        self.keep_sweep()?;
        self.restate()
    }

    /// Begins a new journal, for changes that the old one cannot express.
    fn restate(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.journal = Journal::create(&self.layout.live_file(), &self.snapshot()?)?;
        Ok(())
    }

    fn keep_sweep(&mut self) -> Result<(), StoreError> {
        self.trees.meta.insert("sweep", encode(&self.sweep)).map(drop).map_err(|error| self.failed(error))
    }

    fn keep_warning(&mut self, warning: &Warning) -> Result<(), StoreError> {
        if !self.sweep.warnings.contains(warning) {
            self.sweep.warnings.push(warning.clone());
            self.keep_sweep()?;
        }
        if let Some(run) = &warning.run {
            self.update_run(run, |run| activity::warned(&mut run.warnings, &warning.message))?;
        }
        Ok(())
    }

    /// Changes a run that the store knows.
    fn update_run(&mut self, id: &RunId, change: impl FnOnce(&mut RunRecord)) -> Result<(), StoreError> {
        let Some(mut run) = self.runs.get(id).cloned() else { return Ok(()) };
        change(&mut run);
        if self.runs.get(id) == Some(&run) { Ok(()) } else { self.keep_run(&run) }
    }

    fn keep_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        check_run_id(&run.id)?;
        self.check_epochs(&run.id, run.epochs_done)?;
        if run.state == RunState::Evaluated && self.evaluation(&run.id)?.is_none() {
            let reason = format!("run `{}` was evaluated, and its evaluation is missing", run.id);
            return Err(StoreError::damaged(&self.folder, reason));
        }
        self.trees.runs.insert(run.id.as_str(), encode(run)).map_err(|error| self.failed(error))?;
        self.runs.insert(run.id.clone(), run.clone());
        Ok(())
    }

    /// Refuses a run that finished more epochs than the store holds.
    fn check_epochs(&self, run: &RunId, wanted: u32) -> Result<(), StoreError> {
        let present = |epoch| self.trees.epochs.contains_key(epoch_key(run, epoch)).map_err(|error| self.failed(error));
        // The store is written in order, so the last epoch stands for all; a scan says how many there are if it is missing.
        if wanted == 0 || present(wanted)? {
            return Ok(());
        }
        let mut found = 0;
        while found < wanted && present(found + 1)? {
            found += 1;
        }
        Err(StoreError::Behind { path: self.folder.clone(), run: run.to_string(), wanted, found })
    }

    fn forget_epochs_after(&mut self, run: &RunId, epoch: u32) -> Result<(), StoreError> {
        self.check_epochs(run, epoch)?;
        let keep = epoch_key(run, epoch);
        for entry in self.trees.epochs.scan_prefix(epoch_prefix(run)).keys() {
            let key = entry.map_err(|error| self.failed(error))?;
            if key.as_ref() > keep.as_slice() {
                self.trees.epochs.remove(key).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn keep_epoch(&mut self, epoch: &EpochRecord) -> Result<(), StoreError> {
        check_run_id(&epoch.run)?;
        let values = epoch.metrics.iter().map(|(name, value)| (name.as_str(), *value));
        check_finite(&epoch.run, Some(epoch.epoch), values.chain([("seconds", epoch.seconds)]))?;
        let bytes = self.names.encode(epoch, &self.trees.names).map_err(|error| sled_error(&self.folder, error))?;
        let key = epoch_key(&epoch.run, epoch.epoch);
        self.trees.epochs.insert(key, bytes).map(drop).map_err(|error| self.failed(error))
    }

    fn keep_evaluation(&mut self, evaluation: &EvaluationRecord) -> Result<(), StoreError> {
        check_run_id(&evaluation.id)?;
        for column in evaluation.rewards.iter().chain(&evaluation.judges) {
            let values = column.prompt_means.iter().map(|value| (column.name.as_str(), *value));
            check_finite(&evaluation.id, None, values)?;
        }
        let (id, bytes) = (evaluation.id.as_str(), encode(evaluation));
        self.trees.evaluations.insert(id, bytes).map(drop).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sled::Error) -> StoreError {
        sled_error(&self.folder, error)
    }
}

fn check_finite<'a>(
    run: &RunId,
    epoch: Option<u32>,
    mut values: impl Iterator<Item = (&'a str, f64)>,
) -> Result<(), StoreError> {
    match values.find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((name, value)) => Err(StoreError::NotFinite { run: run.to_string(), epoch, name: name.to_owned(), value }),
    }
}
