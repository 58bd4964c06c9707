//! The loop of the rating UI.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use ratatui::Terminal;
use ratatui::backend::Backend;

use super::app::App;
use super::helpers::Helpers;
use super::message::Message;
use super::update::update;
use super::view::view;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(500);
/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// Messages that are taken before a frame, at most.
const MOST_AT_ONCE: usize = 256;

/// Runs the UI until it is left. `clock` tells the time. Answers that were not acknowledged are written by [`Helpers::finish`].
///
/// # Errors
/// What the backend says of a terminal that is gone.
pub fn run<B: Backend>(
    terminal: &mut Terminal<B>,
    app: &mut App,
    inbox: &Receiver<Message>,
    helpers: &Helpers,
    clock: impl Fn() -> SystemTime,
) -> Result<(), B::Error> {
    let take = |app: &mut App, message: Message| {
        update(app, Message::Tick(clock()));
        update(app, message);
        pass(app, helpers);
    };
    while !app.is_done() {
        pass(app, helpers);
        terminal.draw(|frame| view(app, frame))?;
        let due = Instant::now() + FRAME;
        pass(app, helpers);
        match inbox.recv_timeout(TICK) {
            Ok(message) => take(app, message),
            Err(RecvTimeoutError::Timeout) => {
                update(app, Message::Tick(clock()));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        // What comes within a frame is drawn in one.
        for _ in 0..MOST_AT_ONCE {
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(message) => take(app, message),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Passes on what the UI asks for.
fn pass(app: &mut App, helpers: &Helpers) {
    for request in app.requests() {
        if let Some(message) = helpers.ask(request) {
            update(app, message);
        }
    }
}
