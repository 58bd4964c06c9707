//! What a phase goes on from: the results of the phase before.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use moa_core::experiment::{PromptSource, Prompts};
use moa_core::{ExperimentSpec, RunId};
use moa_store::Layout;
use moa_train::{Continued, Last};

use crate::adapters::{hash_in, read_adapter};
use crate::{RunnerError, checkpoint};

/// So many characters of a hash tell adapters apart.
const SHORT: usize = 16;

/// The results that an experiment goes on from.
pub(crate) struct Before {
    layout: Layout,
    spec: ExperimentSpec,
    /// By place of the weighting.
    runs: Vec<RunId>,
}

impl Before {
    /// Reads what the experiment with results in `root` goes on from; nothing where it goes on from the base.
    ///
    /// # Errors
    /// Says which file is missing or unreadable.
    pub(crate) fn of(spec: &ExperimentSpec, root: &Path) -> Result<Option<Self>, RunnerError> {
        let Some(from) = &spec.continual.from else { return Ok(None) };
        let layout = Layout::new(beside(root, from));
        let file = layout.experiment_file();
        if !file.is_file() {
            return Err(RunnerError::PhaseBefore {
                folder: layout.root().to_path_buf(),
                what: "experiment.ron".into(),
            });
        }
        let spec = ExperimentSpec::load_kept(&file).map_err(|source| RunnerError::KeptExperiment { source })?;
        let runs = spec.weightings().into_iter().map(|(id, _)| id).collect();
        Ok(Some(Self { layout, spec, runs }))
    }

    /// Returns a short digest of the adapter that the `place`-th weighting goes on from.
    ///
    /// # Errors
    /// Says which adapter is missing or unreadable.
    pub(crate) fn start(&self, place: usize) -> Result<String, RunnerError> {
        let run = self.run(place)?;
        if !self.layout.adapter_file(run).exists() {
            return Err(self.missing(&format!("the adapter of `{run}`")));
        }
        Ok(hash_in(&self.layout.run_dir(run))?[..SHORT].to_owned())
    }

    /// Returns the training prompts of all phases before, without those that are the experiment's own.
    ///
    /// # Errors
    /// As [`Before::of`].
    pub(crate) fn replayed(&self, own: &Prompts) -> Result<Vec<String>, RunnerError> {
        let mut seen: HashSet<String> = own.train.iter().chain(&own.held_out).cloned().collect();
        let mut all = Vec::new();
        for spec in self.chain()?.iter().map(|before| &before.spec).chain([&self.spec]) {
            if let PromptSource::List(prompts) = &spec.prompts.train {
                all.extend(prompts.iter().filter(|prompt| seen.insert((*prompt).clone())).cloned());
            }
        }
        Ok(all)
    }

    /// Returns what the runs of an experiment go on from.
    ///
    /// # Errors
    /// Says which adapter or checkpoint is missing or unreadable.
    pub(crate) fn continued(&self, spec: &ExperimentSpec, replayed: usize) -> Result<Continued, RunnerError> {
        let chain = if spec.continual.importance > 0.0 { self.chain()? } else { Vec::new() };
        let mut last = BTreeMap::new();
        for (place, (run, _)) in spec.weightings().into_iter().enumerate() {
            let adapter = read_adapter(&self.layout.run_dir(self.run(place)?))?;
            let mut states = Vec::new();
            if spec.continual.importance > 0.0 {
                for before in chain.iter().chain([self]) {
                    let own = before.run(place)?;
                    let state = checkpoint::read(&before.layout.checkpoint_file(own))?;
                    states.push(state.ok_or_else(|| before.missing(&format!("the checkpoint of `{own}`")))?);
                }
            }
            last.insert(run, Last { adapter, states });
        }
        Ok(Continued { replayed, last })
    }

    /// Returns the phases before this one, the first one first.
    fn chain(&self) -> Result<Vec<Self>, RunnerError> {
        let mut chain = Vec::new();
        let mut before = Self::of(&self.spec, self.layout.root())?;
        while let Some(one) = before {
            before = Self::of(&one.spec, one.layout.root())?;
            chain.insert(0, one);
            if chain.len() > MOST {
                return Err(self.missing("an end of what it goes on from"));
            }
        }
        Ok(chain)
    }

    fn run(&self, place: usize) -> Result<&RunId, RunnerError> {
        self.runs.get(place).ok_or_else(|| self.missing(&format!("a weighting number {}", place + 1)))
    }

    fn missing(&self, what: &str) -> RunnerError {
        RunnerError::PhaseBefore { folder: self.layout.root().to_path_buf(), what: what.to_owned() }
    }
}

/// More phases than any experiment has: results that go on from each other are no experiment's.
const MOST: usize = 64;

/// Returns the folder that a relative path means which counts from a folder that may not be there yet.
fn beside(root: &Path, from: &str) -> PathBuf {
    let (mut root, mut from) = (root.to_path_buf(), Path::new(from));
    while let Ok(rest) = from.strip_prefix("..") {
        root.pop();
        from = rest;
    }
    root.join(from)
}
