//! What a sweep shows while it runs: redrawn lines on a terminal, lines one after the other elsewhere.

mod live;
mod log;
mod plain;

use moa_core::experiment::Plan;
use moa_core::{EventSink, Judging, Warning};

use crate::notes::is_new;
use crate::output::{self, note};
pub(crate) use log::EventLog;

/// Where a sweep shows how far it is; always on standard error.
pub(crate) enum Display {
    /// Nothing but errors.
    Quiet,
    /// One line for each event.
    Plain,
    /// Lines that are redrawn.
    Live(indicatif::MultiProgress),
}

impl Display {
    /// Chooses a display: live ones need a terminal.
    pub(crate) fn choose(quiet: bool, plain: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if plain || !output::is_live_terminal() {
            Self::Plain
        } else {
            Self::Live(indicatif::MultiProgress::new())
        }
    }

    /// Returns the sink that shows a sweep of this plan.
    pub(crate) fn sink(&self, plan: &Plan) -> Box<dyn EventSink> {
        match self {
            Self::Quiet => Box::new(|_: &moa_core::RunEvent| {}),
            Self::Plain => Box::new(plain::Plain::new(plan)),
            Self::Live(screen) => Box::new(live::Live::new(plan, screen.clone())),
        }
    }

    /// Returns a function that says a line above whatever is being redrawn.
    pub(crate) fn speaker(&self) -> impl Fn(&str) + Send + use<> {
        let screen = match self {
            Self::Live(screen) => Some(screen.clone()),
            Self::Quiet | Self::Plain => None,
        };
        move |line| match &screen {
            // A bar that is gone cannot be drawn over.
            Some(screen) if screen.println(line).is_ok() => {}
            _ => note(line),
        }
    }
}

/// Returns how far judgements are as a line.
fn judging_line(judging: &Judging) -> String {
    let Judging { after_epoch, answered, wanted, .. } = judging;
    match judging.place() {
        Some(place) => format!("{answered} of {wanted} pairs judged after epoch {after_epoch}; {place}"),
        None => format!("after epoch {after_epoch} the reward is fitted to {answered} judgements"),
    }
}

/// Returns a finding as a line; nothing of one that was printed before.
fn warning_line(warning: &Warning) -> Option<String> {
    let message = match &warning.run {
        Some(run) => format!("{run}: {}", warning.message),
        None => warning.message.clone(),
    };
    is_new(&message).then(|| format!("warning: {message}"))
}
