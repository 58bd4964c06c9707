//! The experiments in a results folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use moa_analysis::{Scales, mean_volume};
use moa_core::{EvaluationRecord, ExperimentSpec, RunState};
use moa_store::{Layout, Snapshot, Source, StoreError};

/// A sweep that runs is looked at no more often than this.
const LIVE_EVERY: Duration = Duration::from_secs(3);

/// How far an experiment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A sweep is writing it.
    Running,
    /// Everything is evaluated.
    Complete,
    /// A sweep stopped before its end.
    Stopped,
    /// It cannot be read, for this reason.
    Broken(String),
}

/// One experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its folder.
    pub root: PathBuf,
    /// The folder's name.
    pub name: String,
    /// How far it has come.
    pub state: State,
    /// Weightings evaluated, and how many there are.
    pub weightings: (usize, usize),
    /// The rewards.
    pub rewards: Vec<String>,
    /// The hypervolume of what is evaluated.
    pub hypervolume: Option<f64>,
    /// When it was last written.
    pub modified: SystemTime,
}

/// Looks through a results folder again and again, and reads only what has changed.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    known: HashMap<PathBuf, (SystemTime, Instant, Entry)>,
}

impl Shelf {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, known: HashMap::new() }
    }

    /// Returns the experiments, the latest first.
    pub(crate) fn look(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for root in folders_in(&self.folder).into_iter().flat_map(with_phases) {
            let layout = Layout::new(&root);
            let files = [layout.metrics_dir().join("db"), layout.live_file(), layout.experiment_file()];
            let times = files.iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
            let Some(modified) = times.max() else { continue };
            if let Some((stamp, read, entry)) = self.known.get(&root) {
                let fresh = *stamp == modified && entry.state != State::Running;
                if fresh || (entry.state == State::Running && read.elapsed() < LIVE_EVERY) {
                    entries.push(entry.clone());
                    continue;
                }
            }
            let mut entry = entry(&root, modified);
            if let Some(phased) = root.strip_prefix(&self.folder).ok().filter(|path| path.components().count() > 1) {
                // `my/phases/1-norms` is called `my/1-norms`.
                let whole = phased
                    .components()
                    .next()
                    .map_or(String::new(), |first| first.as_os_str().to_string_lossy().into());
                entry.name = format!("{whole}/{}", entry.name);
            }
            self.known.insert(root, (modified, Instant::now(), entry.clone()));
            entries.push(entry);
        }
        entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.name.cmp(&b.name)));
        entries
    }
}

/// Returns what lies in a folder.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path()).collect()
}

/// Returns the folder, or, of an experiment in phases, those of the phases: they have the results.
fn with_phases(folder: PathBuf) -> Vec<PathBuf> {
    let phases = Layout::new(&folder).phases_dir();
    if phases.is_dir() { folders_in(&phases) } else { vec![folder] }
}

fn entry(root: &Path, modified: SystemTime) -> Entry {
    let mut entry = Entry {
        root: root.to_path_buf(),
        name: root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        state: State::Stopped,
        weightings: (0, 0),
        rewards: Vec::new(),
        hypervolume: None,
        modified,
    };
    match (Snapshot::read(root), ExperimentSpec::load_kept(&Layout::new(root).experiment_file())) {
        (Ok(snapshot), spec) => {
            let evaluated = snapshot.runs.iter().filter(|run| run.state == RunState::Evaluated).count();
            entry.weightings = (evaluated, snapshot.runs.len());
            entry.rewards.clone_from(&snapshot.sweep.rewards);
            let complete = evaluated > 0 && evaluated == snapshot.runs.len();
            entry.state = match (snapshot.source, spec) {
                (Source::Live, _) => State::Running,
                (_, Err(error)) => State::Broken(error.to_string()),
                (_, Ok(spec)) => {
                    entry.hypervolume = volume(root, &snapshot, &spec);
                    let expected = 1 + snapshot.runs.len() + spec.soups().len() + spec.blends().len();
                    let whole = complete && snapshot.evaluations.len() >= expected;
                    if whole { State::Complete } else { State::Stopped }
                }
            };
        }
        (Err(StoreError::Missing { .. }), _) => entry.state = State::Broken("no sweep has written metrics yet".into()),
        (Err(error), _) => entry.state = State::Broken(format!("failed to {error}")),
    }
    entry
}

fn volume(root: &Path, snapshot: &Snapshot, spec: &ExperimentSpec) -> Option<f64> {
    // A scale that cannot be read leaves no number rather than one on another scale.
    let scales = Scales::read(&Layout::new(root), spec, &snapshot.evaluations).ok()?;
    let means: Vec<Vec<f64>> = snapshot.evaluations.iter().map(EvaluationRecord::reward_means).collect();
    mean_volume(&means, &scales)
}
