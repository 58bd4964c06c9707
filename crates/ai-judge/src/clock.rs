//! How long something may take, and whether it is still wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How soon a stop is noticed.
pub(crate) const SLICE: Duration = Duration::from_millis(25);

/// The time of a question.
#[derive(Clone)]
pub(crate) struct Clock {
    deadline: Instant,
    stop: Arc<AtomicBool>,
}

impl Clock {
    pub(crate) fn new(time: Duration, stop: Arc<AtomicBool>) -> Self {
        Self { deadline: Instant::now() + time, stop }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits, unless a stop is asked for; returns whether the wait is over.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.is_stopped() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(SLICE));
        }
    }
}
