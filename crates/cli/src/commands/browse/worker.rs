//! The UI's worker: one thread hands out work, one makes figures, one compares, one previews, one measures. None waits for another.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use moa_core::EvaluationRecord;
use moa_tui::{Asked, Message, Reply, Work};

use super::bench::Opener;
use super::measure::{self, Stop};
use super::{figures, preview};
use crate::commands::compare::comparison;
use crate::error::CliError;
use crate::global::Global;
use crate::panic::quietly;

/// A preview that is wanted: the latest one alone counts.
#[derive(Default)]
pub(super) struct Wanted {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Counts requests: a later one replaces all earlier ones.
    generation: u64,
    /// The experiment, and the soup's shares.
    preview: Option<(PathBuf, Vec<f64>)>,
    closed: bool,
}

impl Wanted {
    fn put(&self, preview: Option<(PathBuf, Vec<f64>)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.generation += 1;
        state.preview = preview;
        self.changed.notify_all();
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }

    /// Waits for a preview to draw; nothing when the UI is gone.
    fn take(&self) -> Option<(u64, PathBuf, Vec<f64>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.closed {
                return None;
            }
            if let Some((root, shares)) = state.preview.take() {
                return Some((state.generation, root, shares));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns whether a preview is still the latest.
    pub(super) fn is_latest(&self, generation: u64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.generation == generation && !state.closed
    }
}

/// Starts the threads, and returns where work goes. They end when that is dropped.
pub(super) fn start(global: Global, inbox: &Sender<Message>) -> Sender<Work> {
    let (sender, work) = channel::<Work>();
    let opener = Opener::new(global);
    let wanted = Arc::new(Wanted::default());
    let stop = Stop::default();
    let (figures, figure_work) = channel::<(PathBuf, Vec<EvaluationRecord>)>();
    let (compare, compare_work) = channel::<Vec<PathBuf>>();
    let (measure, measure_work) = channel::<Work>();

    guarded(inbox, move |inbox| {
        for (root, evaluations) in figure_work {
            answer(&inbox, &root, Asked::Figures, figures::of(&root, evaluations));
        }
    });
    guarded(inbox, move |inbox| {
        for roots in compare_work {
            let result = comparison(&roots).map(Box::new).map_err(|error| error.message().to_owned());
            // A UI that is gone needs no answer.
            let _ = inbox.send(Message::Reply(Reply::Compared(roots, result)));
        }
    });
    let (previews, preview_opener) = (Arc::clone(&wanted), opener.clone());
    guarded(inbox, move |inbox| {
        while let Some((generation, root, shares)) = previews.take() {
            let still = || previews.is_latest(generation);
            let say = |reply| drop(inbox.send(Message::Reply(reply)));
            if let Err(error) = preview::draw(&preview_opener, &root, &shares, &still, &say) {
                say(failed(root, Asked::Preview, &error));
            }
        }
    });
    let stopped = stop.clone();
    guarded(inbox, move |inbox| measure_all(&measure_work, &opener, &stopped, &inbox));
    thread::spawn(move || {
        for work in work {
            let taken = match work {
                Work::Figures(root, evaluations) => figures.send((root, evaluations)).is_ok(),
                Work::Compare(roots) => compare.send(roots).is_ok(),
                Work::Preview(root, shares) => {
                    wanted.put(Some((root, shares)));
                    true
                }
                Work::CancelPreview => {
                    wanted.put(None);
                    true
                }
                Work::CancelMeasuring => {
                    stop.ask();
                    true
                }
                other => {
                    // Before it waits: a stop that follows is not lost.
                    if matches!(other, Work::Evaluate(..) | Work::Solve(..)) {
                        stop.reset();
                    }
                    measure.send(other).is_ok()
                }
            };
            if !taken {
                break;
            }
        }
        stop.ask();
        wanted.close();
    });
    sender
}

fn measure_all(work: &Receiver<Work>, opener: &Opener, stop: &Stop, inbox: &Sender<Message>) {
    for work in work {
        let say = |reply| drop(inbox.send(Message::Reply(reply)));
        match work {
            Work::Evaluate(root, shares) => {
                let result = measure::evaluate(opener, &root, &shares, stop, &say);
                answer(inbox, &root, Asked::Measurement, result);
            }
            Work::Solve(root, constraints, goal) => {
                let result = measure::solve(opener, &root, &constraints, goal, stop, &say);
                answer(inbox, &root, Asked::Measurement, result);
            }
            Work::Save(root, shares, format) => {
                answer(inbox, &root, Asked::Save, measure::save(opener, &root, &shares, format));
            }
            Work::Figures(..) | Work::Compare(_) | Work::Preview(..) | Work::CancelPreview | Work::CancelMeasuring => {}
        }
    }
}

fn answer(inbox: &Sender<Message>, root: &std::path::Path, asked: Asked, result: Result<Reply, CliError>) {
    let reply = result.unwrap_or_else(|error| failed(root.to_path_buf(), asked, &error));
    // A UI that is gone needs no answer.
    let _ = inbox.send(Message::Reply(reply));
}

fn failed(root: PathBuf, what: Asked, error: &CliError) -> Reply {
    Reply::Failed { root, what, reason: error.message().to_owned() }
}

/// Runs a thread whose panic becomes a message: the UI continues without it.
fn guarded(inbox: &Sender<Message>, body: impl FnOnce(Sender<Message>) + Send + 'static) {
    let inbox = inbox.clone();
    thread::spawn(move || {
        let own = inbox.clone();
        if let Err(reason) = quietly(AssertUnwindSafe(move || body(own))) {
            let reason = reason.lines().next().unwrap_or("no message").to_owned();
            let _ = inbox.send(Message::WorkerGone(format!("a bug stopped the worker: {reason}")));
        }
    });
}
