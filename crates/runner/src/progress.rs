//! Long work on a thread of its own, while this one passes its signs of life on.

use std::sync::mpsc;

use moa_core::{Phase, RunEvent};

use crate::RunnerError;
use crate::recorder::Recorder;

/// Does `work`, which tells the share that it has finished, and records that as progress of a phase.
///
/// # Errors
/// Fails when progress cannot be recorded, once `work` has ended.
pub(crate) fn with_progress<T: Send>(
    recorder: &mut Recorder<'_>,
    phase: Phase,
    work: impl FnOnce(&(dyn Fn(f64) + Sync)) -> T + Send,
) -> Result<T, RunnerError> {
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            work(&|fraction: f64| {
                // The receiver is gone only when recording failed, which is reported below.
                let _ = sender.send(fraction);
            })
        });
        let recorded = receiver
            .iter()
            .try_for_each(|fraction| recorder.emit(&RunEvent::Progress { phase, fraction: fraction.clamp(0.0, 1.0) }));
        match worker.join() {
            Ok(result) => recorded.map(|()| result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
