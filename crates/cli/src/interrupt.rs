//! Ctrl-C (and SIGTERM, SIGHUP): the first one asks to stop at the next safe moment, the second one ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;

/// Whether a stop was requested.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Returns whether a stop was requested.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop, as an interrupt does: one that follows ends the process.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns the flag itself, which is set when a stop is requested.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Catches interrupts from now on; `first` tells the user what happens, and runs on a thread of its own.
///
/// The second interrupt ends the process at once with exit code 130. That is safe at any moment: all files are written
/// under temporary names and renamed.
///
/// # Errors
/// Says why the system does not let us catch interrupts.
pub(crate) fn catch(first: impl Fn() + Send + 'static) -> Result<Stop, CliError> {
    let stop = Stop::default();
    let flag = Arc::clone(&stop.0);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            crate::terminal::restore();
            moa_reward::external::kill_programs();
            std::process::exit(130);
        }
        first();
    };
    ctrlc::set_handler(handler).map_err(|error| CliError::failure(format!("failed to catch Ctrl-C: {error}")))?;
    Ok(stop)
}
