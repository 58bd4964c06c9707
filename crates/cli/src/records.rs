//! What a sweep writes for other tools while it runs, if it is asked to: TensorBoard's event files, and a log of JSON lines.

use std::path::{Path, PathBuf};

use moa_core::{EventSink, RunEvent};
use moa_store::{Layout, Snapshot, StoreError};
use moa_tensorboard::TensorBoard;

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::output::warn;
use crate::progress::EventLog;
use crate::slurm;

/// What is written for other tools.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "For other tools (docs/exports.md)")]
pub(crate) struct Records {
    /// Write TensorBoard's event files while it runs [default DIR: tensorboard in the results]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, conflicts_with = "slurm")]
    #[expect(clippy::option_option, reason = "the option without a folder means the default one")]
    tensorboard: Option<Option<PathBuf>>,

    /// Append a JSON object per event to this file: time, metrics, progress, time left
    #[arg(long, value_name = "FILE", conflicts_with = "slurm")]
    log: Option<PathBuf>,
}

/// What is being written.
#[derive(Default)]
pub(crate) struct Recording {
    board: Option<TensorBoard>,
    log: Option<EventLog>,
}

impl Records {
    /// Begins to write of a sweep into `out`.
    ///
    /// - `part`: tells the processes of one sweep apart
    ///
    /// # Errors
    /// Says which file or folder cannot be written.
    pub(crate) fn begin(&self, experiment: &Experiment, out: &Path, part: &str) -> Result<Recording, CliError> {
        let log =
            self.log.as_deref().map(|path| EventLog::open(path, experiment.name(), &experiment.plan)).transpose()?;
        let Some(folder) = &self.tensorboard else { return Ok(Recording { board: None, log }) };
        let folder = folder.clone().unwrap_or_else(|| out.join("tensorboard"));
        let known = match Snapshot::read(out) {
            Err(StoreError::Missing { .. }) => Snapshot::default(),
            known => known?,
        };
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        let node: String = slurm::node().chars().map(plain).collect();
        let origin = format!("{node}.{}{part}", std::process::id());
        let held_out = &experiment.prompts.held_out;
        let board = TensorBoard::begin(&folder, &experiment.spec, held_out, &Layout::new(out), &known, &origin)?;
        Ok(Recording { board: Some(board), log })
    }

    /// Returns the options as arguments of another process of the same sweep.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let board = self.tensorboard.as_ref().map(|folder| match folder {
            Some(folder) => format!("--tensorboard={}", folder.display()),
            None => "--tensorboard".into(),
        });
        board.into_iter().chain(self.log.as_ref().map(|log| format!("--log={}", log.display()))).collect()
    }

    /// Returns the options with a folder of its own for each of several experiments.
    pub(crate) fn of_several(&self, experiment: &str) -> Self {
        let own = |folder: &PathBuf| folder.join(experiment);
        Self { tensorboard: self.tensorboard.as_ref().map(|folder| folder.as_ref().map(own)), log: self.log.clone() }
    }
}

impl Recording {
    /// Returns a sink that writes events here and hands them on.
    pub(crate) fn sink<'a>(&'a mut self, inner: &'a mut dyn EventSink) -> impl FnMut(&RunEvent) + use<'a> {
        move |event: &RunEvent| {
            if let Some(board) = &mut self.board {
                board.emit(event);
            }
            if let Some(log) = &mut self.log {
                log.emit(event);
            }
            inner.emit(event);
        }
    }

    /// Ends what is written, and says what could not be: no reason for a sweep to fail.
    ///
    /// - `error`: why the sweep failed, if it did
    pub(crate) fn end(self, error: Option<&CliError>) {
        let Self { board, log } = self;
        if let Some(Err(error)) = board.map(TensorBoard::finish) {
            warn(&format!("TensorBoard's files are not complete: failed to {error}"));
        }
        if let Some(mut log) = log {
            if let Some(error) = error {
                log.failed(error.message());
            }
            if let Err(error) = log.finish() {
                warn(error.message());
            }
        }
    }
}
