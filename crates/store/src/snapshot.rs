//! What readers get: everything that is known of an experiment at one moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use moa_core::{
    EpochRecord, EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId, RunRecord, RunState, Warning,
};
use serde::{Deserialize, Serialize};

use crate::codec::decode;
use crate::database::{self, Trees, decode_error, sled_error};
use crate::names::Names;
use crate::{Activity, Layout, RunHistory, StoreError, activity, journal};

/// How often a reader looks again while a writer is between its store and its journal, and how long it waits each time.
const PATIENCE: (u32, Duration) = (40, Duration::from_millis(50));

/// Where a snapshot was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The store; it was not being written.
    #[default]
    Store,
    /// The journal of a process that is writing.
    Live,
}

/// What is known of the sweep as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The experiment's name.
    pub experiment: String,
    /// The device of the last sweep, by name.
    pub device: String,
    /// The rewards, in the experiment's order.
    pub rewards: Vec<String>,
    /// The runs, in the experiment's order.
    pub order: Vec<RunId>,
    /// Findings that a reader of the results must know, those of single runs included.
    pub warnings: Vec<Warning>,
}

/// Everything that is known of an experiment at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The sweep as a whole.
    pub sweep: Sweep,
    /// The runs, in the experiment's order.
    pub runs: Vec<RunRecord>,
    /// The epochs of each run, in order.
    pub epochs: BTreeMap<RunId, Vec<EpochRecord>>,
    /// The evaluations: the base, then trained adapters in the experiment's order, then soups and blends by name.
    pub evaluations: Vec<EvaluationRecord>,
    /// What the sweep is doing; says nothing unless `source` is [`Source::Live`].
    pub activity: Activity,
    /// Where this was read.
    pub source: Source,
}

impl Snapshot {
    /// Reads the experiment in `root`, whether or not a sweep is writing it. Needs no right to write, and keeps no lock.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where no sweep has begun, [`StoreError::Newer`], [`StoreError::Damaged`], and what the
    /// system says of files that cannot be read.
    pub fn read(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        let folder = layout.metrics_dir();
        if !database::exists(&folder) && !layout.logs()?.is_empty() {
            return Self::of_logs(&layout);
        }
        for _ in 0..PATIENCE.0 {
            let found = if let Some(copy) = database::copy(&folder)? {
                Some(Trees::open_with(copy.path(), &folder, |trees| Self::load(&trees, &folder))?)
            } else {
                journal::read(&layout.live_file())?.map(|(snapshot, _)| snapshot)
            };
            if let Some(mut snapshot) = found {
                snapshot.take_added(&layout)?;
                return Ok(snapshot);
            }
            sleep(PATIENCE.1);
        }
        Err(StoreError::InUse { path: folder })
    }

    /// Reads what the logs say of an experiment whose runs are trained in parts, and which are not gathered yet.
    pub(crate) fn of_logs(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.experiment_file();
        let spec = ExperimentSpec::load_kept(&path)
            .map_err(|error| StoreError::read(&path, std::io::Error::other(error.to_string())))?;
        let runs = spec.weightings();
        let mut snapshot = Self {
            sweep: Sweep {
                experiment: spec.name.clone().unwrap_or_default(),
                rewards: spec.reward_names(),
                order: runs.iter().map(|(id, _)| id.clone()).collect(),
                ..Sweep::default()
            },
            ..Self::default()
        };
        let epochs = spec.training.epochs;
        for (id, weighting) in runs {
            let history = RunHistory::read(&layout.log_file(PointKind::Trained, &id))?.unwrap_or_default();
            let known = history.record(&id, epochs, "");
            snapshot.runs.push(known.unwrap_or_else(|| RunRecord::planned(id.clone(), weighting, epochs)));
            let warning = |message: &String| Warning { run: Some(id.clone()), message: message.clone() };
            snapshot.sweep.warnings.extend(history.warned().map(warning));
            if let Some(origin) = history.origins.last() {
                snapshot.sweep.device.clone_from(&origin.device);
            }
            snapshot.evaluations.extend(history.evaluation.map(|(_, record)| record));
            if !history.epochs.is_empty() {
                snapshot.epochs.insert(id, history.epochs);
            }
        }
        let base = RunHistory::read(&layout.log_file(PointKind::Base, &RunId(RunId::BASE.into())))?;
        snapshot.evaluations.extend(base.and_then(|base| base.evaluation).map(|(_, record)| record));
        snapshot.take_added(layout)?;
        snapshot.sort();
        Ok(snapshot)
    }

    /// Returns the run of this name.
    pub fn run(&self, id: &RunId) -> Option<&RunRecord> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// Returns the epochs of a run, in order.
    pub fn epochs_of(&self, run: &RunId) -> &[EpochRecord] {
        self.epochs.get(run).map_or(&[], Vec::as_slice)
    }

    /// Returns one metric of a run as (epoch, value), in order; epochs without it are left out.
    pub fn curve<'a>(&'a self, run: &RunId, metric: &'a str) -> impl Iterator<Item = (u32, f64)> + 'a {
        self.epochs_of(run).iter().filter_map(move |epoch| Some((epoch.epoch, *epoch.metrics.get(metric)?)))
    }

    /// Takes one event, as a sweep that runs emits it.
    pub fn apply(&mut self, event: &RunEvent) {
        self.fold(event);
        if matches!(event, RunEvent::SweepStarted { .. } | RunEvent::Evaluated(_)) {
            self.sort();
        }
    }

    /// Takes one event, and leaves runs and evaluations out of their order.
    pub(crate) fn fold(&mut self, event: &RunEvent) {
        self.activity.apply(event);
        match event {
            RunEvent::SweepStarted { experiment, device, rewards, runs } => {
                let order = runs.iter().map(|run| run.id.clone()).collect();
                let warnings = std::mem::take(&mut self.sweep.warnings);
                self.sweep = Sweep {
                    experiment: experiment.clone(),
                    device: device.clone(),
                    rewards: rewards.clone(),
                    order,
                    warnings,
                };
                for run in runs {
                    if let Some(epochs) = self.epochs.get_mut(&run.id) {
                        epochs.retain(|epoch| epoch.epoch <= run.epochs_done);
                    }
                    self.put_run(run.clone());
                }
            }
            RunEvent::EpochFinished(epoch) => {
                self.put_epoch(epoch.clone());
                if let Some(run) = self.run_mut(&epoch.run) {
                    activity::epoch_finished(run, epoch.epoch);
                }
            }
            RunEvent::Evaluated(evaluation) => {
                if let Some(run) = self.run_mut(&evaluation.id) {
                    activity::evaluated(run, evaluation);
                }
                match self.evaluations.iter_mut().find(|known| known.id == evaluation.id) {
                    Some(known) => *known = evaluation.clone(),
                    None => self.evaluations.push(evaluation.clone()),
                }
            }
            RunEvent::Warned(warning) => {
                if let Some(run) = warning.run.as_ref().and_then(|id| self.run_mut(id)) {
                    activity::warned(&mut run.warnings, &warning.message);
                }
                if !self.sweep.warnings.contains(warning) {
                    self.sweep.warnings.push(warning.clone());
                }
            }
            _ => {}
        }
    }

    /// Replaces what is known of a run, or adds it.
    pub(crate) fn put_run(&mut self, run: RunRecord) {
        match self.run_mut(&run.id) {
            Some(known) => *known = run,
            None => self.runs.push(run),
        }
    }

    fn run_mut(&mut self, id: &RunId) -> Option<&mut RunRecord> {
        self.runs.iter_mut().find(|run| run.id == *id)
    }

    fn put_epoch(&mut self, epoch: EpochRecord) {
        if !self.epochs.contains_key(&epoch.run) {
            self.epochs.insert(epoch.run.clone(), Vec::new());
        }
        let Some(epochs) = self.epochs.get_mut(&epoch.run) else { return };
        match epochs.binary_search_by_key(&epoch.epoch, |known| known.epoch) {
            Ok(place) => epochs[place] = epoch,
            Err(place) => epochs.insert(place, epoch),
        }
    }

    /// Brings runs and evaluations into their order.
    pub(crate) fn sort(&mut self) {
        let order = &self.sweep.order;
        let place: BTreeMap<&RunId, usize> = order.iter().enumerate().map(|(index, id)| (id, index)).collect();
        let place = |id: &RunId| place.get(id).copied().unwrap_or(usize::MAX);
        self.runs.sort_by(|a, b| (place(&a.id), &a.id).cmp(&(place(&b.id), &b.id)));
        self.evaluations.sort_by(|a, b| (a.kind, place(&a.id), &a.id).cmp(&(b.kind, place(&b.id), &b.id)));
    }

    /// Returns all that a database holds. Its path is shown in errors.
    pub(crate) fn load(trees: &Trees, shown: &Path) -> Result<Self, StoreError> {
        let failed = |error| sled_error(shown, error);
        let unreadable = |error| decode_error(shown, error);
        let names = Names::load(&trees.names, shown)?;
        let mut snapshot = Self::default();
        if let Some(bytes) = trees.meta.get("sweep").map_err(failed)? {
            snapshot.sweep = decode(&bytes).map_err(unreadable)?;
        }
        for entry in &trees.runs {
            snapshot.runs.push(decode(&entry.map_err(failed)?.1).map_err(unreadable)?);
        }
        for entry in &trees.evaluations {
            snapshot.evaluations.push(decode(&entry.map_err(failed)?.1).map_err(unreadable)?);
        }
        for entry in &trees.epochs {
            let (key, value) = entry.map_err(failed)?;
            let epoch = names.decode(&key, &value, shown)?;
            match snapshot.epochs.get_mut(&epoch.run) {
                Some(epochs) => epochs.push(epoch),
                None => drop(snapshot.epochs.insert(epoch.run.clone(), vec![epoch])),
            }
        }
        snapshot.check_complete(shown)?;
        snapshot.sort();
        Ok(snapshot)
    }

    /// Refuses a database that lost records which its runs speak of.
    fn check_complete(&self, shown: &Path) -> Result<(), StoreError> {
        let lost = |what: String| Err(StoreError::damaged(shown, what));
        for run in &self.runs {
            let found =
                self.epochs_of(&run.id).iter().filter(|epoch| (1..=run.epochs_done).contains(&epoch.epoch)).count();
            if found < run.epochs_done as usize {
                return lost(format!("run `{}` finished {} epochs, and {found} are there", run.id, run.epochs_done));
            }
            if run.state == RunState::Evaluated && !self.evaluations.iter().any(|known| known.id == run.id) {
                return lost(format!("the evaluation of run `{}` is missing", run.id));
            }
        }
        Ok(())
    }
}
