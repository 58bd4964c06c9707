//! The state of the UI: the screens, and what they share. The key table is made of theirs here.

use std::path::PathBuf;
use std::time::SystemTime;

use ratatui::crossterm::event::{KeyCode as K, KeyEvent};

use crate::click::Clicks;
use crate::component::{Group, Screen};
use crate::key::{Binding, Key, Row, c, ctrl, k, shift};
use crate::message::Request;
use crate::screen;
use crate::shared::{Note, Overlay, Shared, Tone};
use crate::theme::Theme;

/// Something that a key, a click or the palette asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Go to the screen in this place.
    Go(usize),
    /// A row of the keys that hold everywhere.
    Everywhere(usize),
    /// A row of the screen's own keys.
    Own(usize),
}

/// Something around the screens, or over them, that takes clicks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    Do(Command),
    Entry(usize),
}

/// The terminal UI.
pub struct App {
    pub(crate) screens: Vec<Box<dyn Screen>>,
    /// The place of the one that is shown.
    pub(crate) place: usize,
    /// The places that it was reached by, each once: where one goes back to.
    way: Vec<usize>,
    pub(crate) shared: Shared,
    pub(crate) clicks: Clicks<Hit>,
}

/// The keys of screens, in their order.
const NUMBERS: [[Key; 1]; 9] =
    [[c('1')], [c('2')], [c('3')], [c('4')], [c('5')], [c('6')], [c('7')], [c('8')], [c('9')]];

/// The keys that hold everywhere, besides those of the screens.
const EVERYWHERE: &[Row<fn(&mut App)>] = &[
    Row::new(&[k(K::Tab)], |app| app.turn(1), "go to the next screen", ""),
    Row::new(&[shift(K::BackTab)], |app| app.turn(app.screens.len() - 1), "go to the previous screen", ""),
    Row::new(&[c('?'), k(K::F(1))], |app| app.lay(Overlay::Help { scroll: 0 }), "show all keys", "help"),
    Row::new(&[c(':'), ctrl('p')], App::palette, "search actions, and run one", "actions"),
    Row::new(&[k(K::Esc)], App::back, "go back, or close what is open", ""),
    Row::new(&[c('T')], |app| app.shared.theme = app.shared.theme.turned(), "toggle dark and light", ""),
    Row::new(&[c('q'), ctrl('c')], App::quit, "quit", "quit"),
];

impl App {
    /// Returns the UI on a results folder, before anything was looked at.
    pub fn new(theme: Theme, now: SystemTime, results: Option<PathBuf>) -> Self {
        let shared = Shared::new(theme, now, results);
        Self { screens: screen::all(), place: 0, way: Vec::new(), shared, clicks: Clicks::default() }
    }

    /// Opens the experiment in a folder, on its sweep.
    pub fn open(&mut self, root: PathBuf) {
        self.shared.open(root);
        self.shared.go = Some(screen::SWEEP);
        self.settle();
    }

    /// Compares experiments: their fronts over each other.
    pub fn compare(&mut self, roots: Vec<PathBuf>) {
        self.shared.notes.push(Note::Compare(roots));
        self.shared.go = Some(screen::COMPARE);
        self.settle();
    }

    /// Says that this process runs a sweep: leaving stops it, and asks first.
    pub fn sweeps(&mut self) {
        self.shared.sweeping = true;
    }

    /// Returns whether the UI is to be left.
    pub fn is_done(&self) -> bool {
        self.shared.done
    }

    /// Returns what was asked for since the last call.
    pub fn requests(&mut self) -> Vec<Request> {
        self.shared.requests()
    }

    /// Returns requests for images that drawing missed.
    pub fn picture_requests(&mut self) -> Vec<Request> {
        let missed = self.shared.gallery.missed().into_iter();
        missed.map(|(key, picture, size)| Request::Encode(key, picture, size)).collect()
    }

    /// Returns the screen that is shown, with what all screens share.
    pub(crate) fn current(&mut self) -> (&mut dyn Screen, &mut Shared) {
        (&mut *self.screens[self.place], &mut self.shared)
    }

    /// Returns the screen that is shown.
    pub(crate) fn shown(&self) -> &dyn Screen {
        &*self.screens[self.place]
    }

    /// Tells screens what has changed, until nothing more changes, and goes where they want to go.
    pub(crate) fn settle(&mut self) {
        while let Some(note) = (!self.shared.notes.is_empty()).then(|| self.shared.notes.remove(0)) {
            for screen in &mut self.screens {
                screen.note(&note, &mut self.shared);
            }
        }
        if let Some(name) = self.shared.go.take()
            && let Some(place) = self.screens.iter().position(|screen| screen.name() == name)
        {
            self.show(place);
        }
    }

    /// Shows a screen, and keeps where it was reached from: going to a screen that was passed goes back to it.
    fn show(&mut self, place: usize) {
        if place == self.place {
            return;
        }
        self.way.push(self.place);
        if let Some(passed) = self.way.iter().position(|other| *other == place) {
            self.way.truncate(passed);
        }
        self.place = place;
    }

    /// Does what was asked for.
    pub(crate) fn act(&mut self, command: Command) {
        match command {
            Command::Go(place) => self.go(place),
            Command::Everywhere(row) => (EVERYWHERE[row].act)(self),
            Command::Own(row) => {
                let (screen, shared) = self.current();
                if screen.is_free() || shared.ready().is_some() {
                    screen.act(row, shared);
                }
            }
        }
        self.settle();
    }

    fn go(&mut self, place: usize) {
        if !self.screens[place].is_free() && self.shared.session.is_none() {
            // The one under the cursor is meant.
            let Some(root) = self.screens.iter().find_map(|screen| screen.offers()) else {
                return self.shared.say("open an experiment first", Tone::Plain);
            };
            self.shared.open(root);
        }
        if place == self.place {
            let (screen, shared) = self.current();
            return screen.again(shared);
        }
        self.show(place);
    }

    fn turn(&mut self, by: usize) {
        self.go((self.place + by) % self.screens.len());
    }

    fn lay(&mut self, overlay: Overlay) {
        self.shared.overlay = Some(overlay);
    }

    fn palette(&mut self) {
        self.lay(Overlay::Palette { query: String::new(), cursor: 0 });
    }

    fn back(&mut self) {
        let (screen, shared) = self.current();
        if screen.back(shared) {
            return;
        }
        let under = screen.under();
        let under = self.screens.iter().position(|screen| Some(screen.name()) == under);
        // Without a results folder there is no list to go back to.
        let place = self.way.pop().or(under).filter(|place| *place > 0 || self.shared.results.is_some());
        self.place = place.unwrap_or(self.place);
    }

    fn quit(&mut self) {
        let stops = self.shared.sweeping || self.shared.measuring.is_some();
        self.shared.done = !stops || self.shared.overlay == Some(Overlay::Leave);
        self.shared.overlay = stops.then_some(Overlay::Leave);
    }

    /// Returns what a key does.
    pub(crate) fn find(&self, event: KeyEvent) -> Option<Command> {
        let key = Key::from(event);
        let groups = self.shown().groups();
        let own = groups.get(self.shown().mode()).and_then(|group| row_of(group.rows.iter().copied(), key));
        let number = || NUMBERS[..self.screens.len()].iter().position(|number| number[0] == key);
        let everywhere = || row_of(EVERYWHERE.iter().map(|row| &row.binding), key);
        own.map(Command::Own).or_else(|| number().map(Command::Go)).or_else(|| everywhere().map(Command::Everywhere))
    }

    /// Returns what can be done now: the screen's own first, then what can be done everywhere.
    pub(crate) fn commands(&self) -> Vec<(Command, Binding)> {
        let mut groups = self.shown().groups();
        let own = if groups.is_empty() { Vec::new() } else { groups.swap_remove(self.shown().mode()).rows };
        let own = own.into_iter().enumerate().map(|(row, binding)| (Command::Own(row), binding.clone()));
        let screens = self.screen_rows().into_iter().enumerate().map(|(place, row)| (Command::Go(place), row));
        let rest = EVERYWHERE.iter().enumerate().map(|(row, own)| (Command::Everywhere(row), own.binding.clone()));
        own.chain(screens).chain(rest).collect()
    }

    /// Returns the whole key table: the keys of the screen that is shown first, then those that hold everywhere, then the others.
    pub(crate) fn table(&self) -> Vec<(&'static str, Vec<Binding>)> {
        let owned = |group: Group| (group.name, group.rows.into_iter().cloned().collect::<Vec<_>>());
        let mut table: Vec<_> = self.screens.iter().flat_map(|screen| screen.groups()).map(owned).collect();
        let before: usize = self.screens[..self.place].iter().map(|screen| screen.groups().len()).sum();
        let here = table.remove(before + self.shown().mode());
        let mut everywhere = self.screen_rows();
        everywhere.extend(EVERYWHERE.iter().map(|row| row.binding.clone()));
        [here, ("Everywhere", everywhere)].into_iter().chain(table).collect()
    }

    fn screen_rows(&self) -> Vec<Binding> {
        let says = self.screens.iter().map(|screen| screen.says());
        NUMBERS.iter().zip(says).map(|(keys, says)| Binding { keys, says, hint: "" }).collect()
    }
}

fn row_of<'a>(mut rows: impl Iterator<Item = &'a Binding>, key: Key) -> Option<usize> {
    rows.position(|row| row.keys.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;

    fn app() -> App {
        App::new(Theme::default(), SystemTime::UNIX_EPOCH, Some("results".into()))
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        let app = app();
        for (name, rows) in app.table() {
            for (index, row) in rows.iter().enumerate() {
                for other in &rows[..index] {
                    let clash = row.keys.iter().any(|key| other.keys.contains(key));
                    assert!(!clash, "{name}: {} and {}", row.says, other.says);
                }
            }
        }
    }

    #[test]
    fn screens_have_names_of_their_own_and_every_screen_leads_back_to_the_first() {
        let app = app();
        for (place, screen) in app.screens.iter().enumerate() {
            assert!(!app.screens[..place].iter().any(|other| other.name() == screen.name()), "{}", screen.name());
            let mut at = screen.name();
            for _ in 0..app.screens.len() {
                let here = app.screens.iter().find(|screen| screen.name() == at).expect("a screen that is there");
                at = here.under().unwrap_or(at);
            }
            assert_eq!(at, app.screens[0].name());
        }
    }

    #[test]
    fn tab_goes_round_all_screens_both_ways() {
        let mut app = app();
        app.open("results/one".into());
        let count = app.screens.len();
        app.place = 0;
        let forward: Vec<usize> = (0..count)
            .map(|_| {
                app.turn(1);
                app.place
            })
            .collect();
        assert_eq!(forward, (1..count).chain([0]).collect::<Vec<_>>());
        app.turn(count - 1);
        assert_eq!(app.place, count - 1, "from the first to the last");
    }
}
