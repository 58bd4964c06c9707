//! SIGUSR1, by which Slurm says that a job's time is nearly up (`--signal=B:USR1@120`): the sweep stops after its epoch, saves,
//! and has its own job started again.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use moa_store::Layout;

use crate::error::CliError;
use crate::interrupt::Stop;
use crate::output::note;
use crate::slurm::{Job, node};
use crate::terminal::say_afterwards;

/// Whether notice was given, and whom it stops.
#[derive(Clone, Default)]
pub(crate) struct Notice(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    given: bool,
    stop: Option<Stop>,
}

impl Notice {
    /// Takes notice from now on; before, the signal ends the process. To be called before anything that takes time.
    ///
    /// # Errors
    /// Says why the system does not let us catch the signal.
    pub(crate) fn expect() -> Result<Self, CliError> {
        let notice = Self::default();
        notice.listen().map_err(|error| CliError::failure(format!("failed to catch SIGUSR1: {error}")))?;
        Ok(notice)
    }

    #[cfg(unix)]
    fn listen(&self) -> std::io::Result<()> {
        let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGUSR1])?;
        let notice = self.clone();
        std::thread::Builder::new().name("notice".into()).spawn(move || {
            for _ in signals.forever() {
                notice.give();
            }
        })?;
        Ok(())
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "elsewhere there is a signal to catch")]
    fn listen(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Gives notice. Another one changes nothing: Slurm may send the signal several times.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no signal that would"))]
    fn give(&self) {
        let mut inner = self.lock();
        if !inner.given {
            inner.given = true;
            say_afterwards("SIGUSR1: stopping after this epoch".into());
        }
        if let Some(stop) = &inner.stop {
            stop.ask();
        }
    }

    /// Has notice ask `stop`, also one that was given before.
    pub(crate) fn stops(&self, stop: &Stop) {
        let mut inner = self.lock();
        inner.stop = Some(stop.clone());
        if inner.given {
            stop.ask();
        }
    }

    /// Has Slurm start this process's job again, if notice was given and there is a job; to be called when everything is saved.
    ///
    /// # Errors
    /// Says why Slurm refuses.
    pub(crate) fn requeue(&self, results: &Path) -> Result<(), CliError> {
        let given = self.lock().given;
        let Some(job) = Job::current().filter(|_| given) else { return Ok(()) };
        let (job_name, node) = (job.name(), node());
        note(&format!(
            "saved; job {job_name} goes back to the queue from {node}, and resumes when Slurm starts it again"
        ));
        job.requeue(&Layout::new(results))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_stops_whoever_comes_before_or_after_it() {
        let (early, late) = (Notice::default(), Notice::default());
        let (one, other) = (Stop::default(), Stop::default());
        early.stops(&one);
        assert!(!one.is_asked());
        early.give();
        early.give();
        late.give();
        late.stops(&other);
        assert!(one.is_asked() && other.is_asked());
    }
}
