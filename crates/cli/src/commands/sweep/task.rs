//! The state of a part of a sweep while it runs: a file that any process may read.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use moa_core::{EventSink, RunEvent};
use moa_runner::Part;
use moa_store::{Layout, StoreError, TASK_FORMAT, TaskState, TaskStatus, unix_now};

use crate::device::OpenDevice;
use crate::experiment::Experiment;
use crate::slurm;

/// How often what is new is written.
const EVERY: Duration = Duration::from_secs(2);
/// After so many times without news a sign of life is written all the same.
const SILENT: u32 = 10;

/// The status of this process's part, written until [`Task::end`].
pub(super) struct Task {
    layout: Layout,
    status: Arc<Mutex<TaskStatus>>,
    over: Sender<()>,
    writer: JoinHandle<()>,
}

impl Task {
    /// Begins to tell of a part.
    ///
    /// # Errors
    /// Names the file when it cannot be written.
    pub(super) fn begin(
        part: Part,
        experiment: &Experiment,
        device: &OpenDevice,
        out: &Path,
    ) -> Result<Self, StoreError> {
        let runs = part.take(experiment.spec.weightings());
        let job = slurm::Job::current();
        let status = TaskStatus {
            format: TASK_FORMAT,
            part: part.number as u32,
            of: part.of as u32,
            runs: runs.into_iter().map(|(id, _)| id.0).collect(),
            state: TaskState::Running,
            phase: None,
            epoch: 0,
            epochs: experiment.spec.training.epochs,
            message: None,
            node: slurm::node(),
            pid: std::process::id(),
            device: device.name.to_string(),
            job: job.as_ref().map(slurm::Job::name),
            restarts: job.map_or(0, |job| job.restarts),
            started: unix_now(),
            updated: unix_now(),
        };
        let layout = Layout::new(out);
        status.write(&layout)?;
        let status = Arc::new(Mutex::new(status));
        let (over, ended) = channel();
        let (shared, folder) = (Arc::clone(&status), layout.clone());
        let writer = std::thread::spawn(move || {
            let (mut written, mut silent) = (None, 0);
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let mut status = shared.lock().unwrap_or_else(PoisonError::into_inner);
                silent += 1;
                if written.as_ref() != Some(&*status) || silent >= SILENT {
                    (status.updated, silent) = (unix_now(), 0);
                    // What it says is no part of the results, and so no reason to stop.
                    let _ = status.write(&folder);
                    written = Some(status.clone());
                }
            }
        });
        Ok(Self { layout, status, over, writer })
    }

    /// Returns a sink that tells of events here, and hands them on.
    pub(super) fn sink<'a>(&self, inner: &'a mut dyn EventSink) -> impl FnMut(&RunEvent) + use<'a> {
        let status = Arc::clone(&self.status);
        move |event: &RunEvent| {
            let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                RunEvent::PhaseStarted { phase, .. } => status.phase = Some(*phase),
                RunEvent::EpochFinished(record) => status.epoch = record.epoch,
                _ => {}
            }
            drop(status);
            inner.emit(event);
        }
    }

    /// Tells how the part has ended, and nothing after that.
    pub(super) fn end(self, state: TaskState, message: Option<String>) {
        let Self { layout, status, over, writer } = self;
        drop(over);
        let _ = writer.join();
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        (status.state, status.message, status.updated) = (state, message, unix_now());
        let _ = status.write(&layout);
    }
}
