//! The loop: take what has come, ask for what is needed, draw.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use ratatui::Terminal;
use ratatui::backend::Backend;

use crate::app::App;
use crate::follow::Helpers;
use crate::message::{Message, Request, Work};
use crate::update::update;
use crate::view::view;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(500);
/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// Messages that are taken before a frame, at most: keys must show.
const MOST_AT_ONCE: usize = 256;

/// Runs the UI until it is left. `clock` tells the time.
///
/// # Errors
/// What the backend says of a terminal that is gone.
pub fn run<B: Backend>(
    terminal: &mut Terminal<B>,
    app: &mut App,
    inbox: &Receiver<Message>,
    helpers: &Helpers,
    worker: &Sender<Work>,
    clock: impl Fn() -> SystemTime,
) -> Result<(), B::Error> {
    while !app.is_done() {
        // Ages and times left move on, so that every round has something to draw.
        update(app, Message::Tick(clock()));
        dispatch(app, helpers, worker);
        terminal.draw(|frame| view(app, frame))?;
        let due = Instant::now() + FRAME;
        app.picture_requests().into_iter().for_each(|request| helpers.ask(request));
        match inbox.recv_timeout(TICK) {
            Ok(message) => update(app, message),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        // What comes within a frame is drawn in one.
        for _ in 0..MOST_AT_ONCE {
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(message) => update(app, message),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

fn dispatch(app: &mut App, helpers: &Helpers, worker: &Sender<Work>) {
    for request in app.requests() {
        match request {
            Request::Work(work) => {
                if worker.send(work).is_err() && app.shared.worker_gone.is_none() {
                    update(app, Message::WorkerGone("its thread has ended".into()));
                }
            }
            other => helpers.ask(other),
        }
    }
}
