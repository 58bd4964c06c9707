//! The terminal.

use std::sync::mpsc::channel;
use std::time::SystemTime;

use moa_feedback::PoolFolder;
use moa_rating::Desk;
use moa_tui::Painter;
use moa_tui::rate::{App, Helpers, Message, run};

use super::{Arguments, shown};
use crate::error::CliError;
use crate::interrupt;
use crate::output::warn;
use crate::terminal::{self, Screen, listen};

/// What to do without a terminal.
const PLAINLY: &str = "`moa rate` without --terminal shows a page for a browser";

/// Refuses to go on without a terminal, before anything is drawn.
pub(super) fn check() -> Result<(), CliError> {
    terminal::check(PLAINLY)
}

/// Asks in the terminal until the rater leaves.
pub(super) fn attend(arguments: &Arguments, folder: &PoolFolder, desk: &Desk) -> Result<(), CliError> {
    let mut screen = Screen::take(arguments.look, PLAINLY)?;
    let (sender, inbox) = channel();
    let stopped = sender.clone();
    interrupt::catch(move || drop(stopped.send(Message::Stop)))?;
    let painter = Painter::new(screen.picker.clone(), screen.theme);
    let title = format!("moa rate {}", shown(folder.path()));
    let who = arguments.who.clone().ok_or_else(login);
    let mut app = App::new(screen.theme, &painter, SystemTime::now(), title, desk.options().clone(), who);
    let helpers = Helpers::start(desk, painter, &sender);
    listen(std::mem::take(&mut screen.typed), sender, Message::Input, Message::Stop);
    let ended = run(&mut screen.terminal, &mut app, &inbox, &helpers, SystemTime::now);
    drop(screen);
    helpers.finish();
    for place in app.broken() {
        warn(&format!("{} could not be shown", desk.pool().images()[place].file.display()));
    }
    ended.map_err(|error| CliError::failure(format!("failed to draw on the terminal: {error}")))
}

/// Returns the user's name, as the environment says it; empty where it does not.
fn login() -> String {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}
