//! What every part of a sweep needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moa_core::ExperimentSpec;
use moa_core::experiment::Prompts;

use crate::Models;

/// What to sweep, and how.
#[derive(Clone, Debug)]
pub struct SweepRequest {
    /// The experiment; it must be valid.
    pub spec: ExperimentSpec,
    /// Its prompts, held-out ones cut to `evaluation.prompts`.
    pub prompts: Prompts,
    /// The results folder of this experiment; created where there is none.
    pub out: PathBuf,
    /// The part of the runs that is this process's; nothing for all of them, with what is made of them together.
    pub part: Option<Part>,
    /// The device in use, as people call it.
    pub device_name: String,
    /// The machine's name.
    pub node: String,
    /// The cluster's job that this process is part of, where it is of one.
    pub job: Option<String>,
    /// Threads that draw and train; results do not depend on it.
    pub workers: usize,
    /// Whether images are scored while others are drawn (see [`moa_train::TrainerSetup::overlaps`]).
    pub overlaps: bool,
    /// How long trained epochs may stay unsafe: after so long the next epoch's end is a checkpoint.
    pub save_every: Duration,
    /// Returns the bytes that this process holds of the device's memory, where that is known.
    pub device_memory: fn() -> Option<u64>,
    /// Returns the most bytes of the host's memory that this process has held so far, where that is known.
    pub peak_memory: fn() -> Option<u64>,
    /// Set it to stop the sweep after the current epoch or evaluation; a soup that is measured stops at once, and is not kept.
    pub stop: Arc<AtomicBool>,
}

/// One of several parts that the runs of an experiment are dealt out to, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which, counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Part {
    /// Returns those of the runs, in their order, that belong to the part.
    pub fn take<T>(self, runs: Vec<T>) -> Vec<T> {
        let own = |(place, run): (usize, T)| (place % self.of == self.number - 1).then_some(run);
        runs.into_iter().enumerate().filter_map(own).collect()
    }
}

/// What every part of a sweep needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) request: &'a SweepRequest,
    pub(crate) models: &'a Models,
    /// The experiment as it is kept.
    pub(crate) spec: &'a ExperimentSpec,
}

impl Context<'_> {
    pub(crate) fn is_stopped(&self) -> bool {
        self.request.stop.load(Ordering::Relaxed)
    }
}
