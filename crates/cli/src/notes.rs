//! What is said beside results, on standard error.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::paint;
use crate::wrap::wrapped;

/// Whether `-q` and `-v` were given.
static QUIET: AtomicBool = AtomicBool::new(false);
static VERBOSE: AtomicBool = AtomicBool::new(false);
/// The warnings that were printed.
static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Sets how much is said from now on.
pub(crate) fn set_voice(quiet: bool, verbose: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// Writes a line to standard error, wrapped between words on a terminal.
pub(crate) fn note(line: &str) {
    let width = io::stderr().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    let line = wrapped(line, width.map(|(columns, _)| columns.into()));
    let mut stderr = io::stderr().lock();
    // If that fails, there is no place left to say so.
    let _ = writeln!(stderr, "{}", paint::label(&line, paint::on_error()));
}

/// Writes a line that `--quiet` leaves out.
pub(crate) fn say(line: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        note(line);
    }
}

/// Writes a line that is there with `--verbose` alone.
pub(crate) fn detail(line: impl FnOnce() -> String) {
    if VERBOSE.load(Ordering::Relaxed) {
        note(&line());
    }
}

/// Writes a warning that `--quiet` leaves out; one that was printed before is not printed again.
pub(crate) fn warn(message: &str) {
    if is_new(message) {
        say(&format!("warning: {message}"));
    }
}

/// Returns whether a warning was not printed before, and keeps that it is now.
pub(crate) fn is_new(message: &str) -> bool {
    WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned())
}
