//! What a screen is: a component that owns its state, its keys, what they do, what it hears, and how it is drawn.
//!
//! Adding one touches its own file, and the list in `screen`: line of screens, number key, help, hints and palette
//! follow.

use std::path::PathBuf;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::click::Click;
use crate::key::{Binding, Row};
use crate::message::Message;
use crate::shared::{Note, Shared};

/// The key table of a screen `S`: a row's function takes the screen and what all screens share.
pub(crate) type Keys<S> = &'static [Row<fn(&mut S, &mut Shared)>];

/// Keys that hold together, with their name in help.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<&'static Binding>,
}

impl Group {
    /// Returns the rows of a key table under a name.
    pub(crate) fn new<F>(name: &'static str, keys: &'static [Row<F>]) -> Self {
        Self { name, rows: keys.iter().map(|row| &row.binding).collect() }
    }
}

/// A screen.
pub(crate) trait Screen {
    /// Returns its name in the line of screens. Screens go to each other by it.
    fn name(&self) -> &'static str;

    /// Returns what help and palette say of going there.
    fn says(&self) -> &'static str;

    /// Returns the name of the screen that one goes back to where it was reached from no other; nothing for the first.
    fn under(&self) -> Option<&'static str> {
        None
    }

    /// Returns whether it shows something without an open experiment.
    fn is_free(&self) -> bool {
        false
    }

    /// Returns its keys; one group for each of its modes.
    fn groups(&self) -> Vec<Group>;

    /// Returns which group holds now.
    fn mode(&self) -> usize {
        0
    }

    /// Does what a row of the group that holds now says.
    fn act(&mut self, row: usize, shared: &mut Shared);

    /// Goes back inside the screen. Returns whether there was anything to go back from.
    fn back(&mut self, _shared: &mut Shared) -> bool {
        false
    }

    /// Hears that its number was pressed while it is shown.
    fn again(&mut self, _shared: &mut Shared) {}

    /// Returns whether its keys do something now: they are hinted then.
    fn is_active(&self) -> bool {
        true
    }

    /// Takes what the mouse does on it.
    fn click(&mut self, _click: Click, _shared: &mut Shared) {}

    /// Hears a message, before it changes what is shared.
    fn hear(&mut self, _message: &Message, _shared: &mut Shared) {}

    /// Hears what has changed, or what another screen wants of it.
    fn note(&mut self, _note: &Note, _shared: &mut Shared) {}

    /// Asks for what it needs. Called after every message; `shown` says whether it is on the screen.
    fn ask(&mut self, _shown: bool, _shared: &mut Shared) {}

    /// Follows a line that is being typed for it.
    fn typed(&mut self, _text: &str, _shared: &mut Shared) {}

    /// Takes a line that was typed for it.
    ///
    /// # Errors
    /// Says what is wrong with the line, which then stays open.
    fn entered(&mut self, _text: &str, _shared: &mut Shared) -> Result<(), String> {
        Ok(())
    }

    /// Forgets about a line that was given up.
    fn given_up(&mut self, _shared: &mut Shared) {}

    /// Takes the entry that was chosen from its menu.
    fn chosen(&mut self, _entry: usize, _shared: &mut Shared) {}

    /// Returns the experiment under its cursor, for a screen that needs one.
    fn offers(&self) -> Option<PathBuf> {
        None
    }

    /// Draws it.
    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect);
}

/// Where a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Step {
    /// Returns where a cursor goes among `count` rows.
    pub(crate) fn from(self, cursor: usize, count: usize) -> usize {
        let last = count.saturating_sub(1);
        match self {
            Self::Up => cursor.saturating_sub(1),
            Self::Down => cursor + 1,
            Self::PageUp => cursor.saturating_sub(10),
            Self::PageDown => cursor + 10,
            Self::First => 0,
            Self::Last => last,
        }
        .min(last)
    }
}
