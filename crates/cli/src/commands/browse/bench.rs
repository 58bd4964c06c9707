//! What the worker's threads share: models and prompts of the open experiment.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use moa_core::RunId;
use moa_runner::{Models, SweepRequest};

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;

/// An experiment that soups can be made of.
pub(super) struct Ready {
    pub(super) experiment: Experiment,
    pub(super) models: Models,
    pub(super) corners: Vec<RunId>,
    pub(super) request: SweepRequest,
}

/// The experiment in a folder.
type Opened = (PathBuf, Arc<Ready>);

/// Opens models once for all threads; the last experiment's are kept.
#[derive(Clone)]
pub(super) struct Opener {
    global: Global,
    last: Arc<Mutex<Option<Opened>>>,
}

impl Opener {
    pub(super) fn new(global: Global) -> Self {
        Self { global, last: Arc::default() }
    }

    /// Returns the experiment in a folder with its models.
    ///
    /// # Errors
    /// Says what cannot be opened.
    pub(super) fn open(&self, root: &Path) -> Result<Arc<Ready>, CliError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((folder, ready)) = &*last
            && folder == root
        {
            return Ok(Arc::clone(ready));
        }
        let experiment = Experiment::load_kept(root)?;
        let device = experiment.device_as_it_is(self.global)?;
        let models = experiment.models(&device)?;
        let (corners, _) = moa_analysis::shares_by_name(&experiment.spec, &[]);
        let request = experiment.request(&device, root, Arc::default());
        let ready = Arc::new(Ready { experiment, models, corners, request });
        *last = Some((root.to_path_buf(), Arc::clone(&ready)));
        Ok(ready)
    }
}
