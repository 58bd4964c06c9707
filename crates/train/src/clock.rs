//! Where an epoch's time goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;

/// Where the time of an epoch went, and what was done in it. No part of the results: it differs between repetitions.
///
/// Where scoring goes on beside the next rollout, its time and that of decoding are those of its own thread, and all parts together
/// take less time than their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// Denoising images.
    pub rollout: Duration,
    /// Turning samples into images.
    pub decoding: Duration,
    /// Scoring images, with the gradient of scores where the method takes it.
    pub scoring: Duration,
    /// Forward and backward passes, and the steps of the optimiser.
    pub update: Duration,
    /// Everything, from the first prompt to the last step.
    pub whole: Duration,
    /// Images drawn, of all runs.
    pub pictures: u64,
    /// Rows that passed forward and backward, of all runs and steps.
    pub rows_trained: u64,
}

/// A part of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Rollout,
    Decoding,
    Scoring,
    Update,
}

/// Takes the time of an epoch's parts.
pub(crate) struct Clock {
    began: Instant,
    device: Device,
    parts: [AtomicU64; 4],
}

impl Clock {
    /// Returns a clock that begins now; parts end when the device has done what it was asked for.
    pub(crate) fn new(device: &Device) -> Self {
        Self { began: Instant::now(), device: device.clone(), parts: Default::default() }
    }

    /// Does a part's work, and takes its time.
    pub(crate) fn time<T>(&self, part: Part, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        // A device that cannot be waited for says so at the next copy to the host.
        let _ = self.device.sync();
        self.parts[part as usize].fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    /// Returns where the time went so far.
    pub(crate) fn timings(&self, pictures: usize, rows_trained: usize) -> Timings {
        let part = |part: Part| Duration::from_nanos(self.parts[part as usize].load(Ordering::Relaxed));
        Timings {
            rollout: part(Part::Rollout),
            decoding: part(Part::Decoding),
            scoring: part(Part::Scoring),
            update: part(Part::Update),
            whole: self.began.elapsed(),
            pictures: pictures as u64,
            rows_trained: rows_trained as u64,
        }
    }
}
