//! What all screens share: the open experiment, what is going on, what lies over the screen, what was asked for.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::message::Request;
use crate::picture::Gallery;
use crate::session::Session;
use crate::theme::Theme;

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// All keys.
    Help { scroll: usize },
    /// What can be done, searched by typing.
    Palette { query: String, cursor: usize },
    /// A line that is typed for the screen.
    Line(Line),
    /// Entries that the screen lets one choose from.
    Menu(Menu),
    /// Leaving stops something: really?
    Leave,
}

/// A line of text that is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) title: &'static str,
    pub(crate) hint: String,
    pub(crate) text: String,
    pub(crate) error: Option<String>,
}

/// Entries with what is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Menu {
    pub(crate) title: &'static str,
    pub(crate) aside: &'static str,
    pub(crate) entries: Vec<(&'static str, &'static str)>,
    pub(crate) cursor: usize,
}

/// How a line of news is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
}

/// What screens are told besides messages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    /// Another experiment is opened: what was known of the last one is void.
    Opening,
    /// Runs or their metrics have changed.
    Runs,
    /// The figures have changed.
    Figures,
    /// The sliders are to stand at these shares.
    Mix(Vec<f64>),
    /// These experiments are to be compared.
    Compare(Vec<PathBuf>),
}

/// A measurement that is going on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measuring {
    pub(crate) label: String,
    /// The share of this mixture that is finished, 0 to 1.
    pub(crate) fraction: f64,
    /// Whether it is a search, which goes on after a mixture.
    pub(crate) searches: bool,
    /// Whether it was asked to stop.
    pub(crate) stopping: bool,
}

impl Measuring {
    pub(crate) fn new(label: &str, searches: bool) -> Self {
        Self { label: label.to_owned(), fraction: 0.0, searches, stopping: false }
    }
}

/// What all screens share.
pub(crate) struct Shared {
    pub(crate) theme: Theme,
    pub(crate) now: SystemTime,
    /// The results folder to look through, if there is one.
    pub(crate) results: Option<PathBuf>,
    pub(crate) session: Option<Session>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) news: Option<(String, Tone)>,
    pub(crate) measuring: Option<Measuring>,
    /// Why there is no worker.
    pub(crate) worker_gone: Option<String>,
    /// Whether this process runs a sweep, which leaving stops.
    pub(crate) sweeping: bool,
    pub(crate) gallery: Gallery,
    pub(crate) done: bool,
    /// The screen that is to be shown.
    pub(crate) go: Option<&'static str>,
    pub(crate) notes: Vec<Note>,
    outbox: Vec<Request>,
}

impl Shared {
    pub(crate) fn new(theme: Theme, now: SystemTime, results: Option<PathBuf>) -> Self {
        Self {
            theme,
            now,
            results,
            session: None,
            overlay: None,
            news: None,
            measuring: None,
            worker_gone: None,
            sweeping: false,
            gallery: Gallery::default(),
            done: false,
            go: None,
            notes: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Opens the experiment in a folder.
    pub(crate) fn open(&mut self, root: PathBuf) {
        self.ask(Request::Follow(root.clone()));
        self.session = Some(Session::new(root));
        self.measuring = None;
        self.notes.push(Note::Opening);
    }

    /// Returns the open experiment, if it is there: not before it was read.
    pub(crate) fn ready(&mut self) -> Option<&mut Session> {
        self.session.as_mut().filter(|session| session.experiment.is_some())
    }

    /// Sends a request to a thread or to the worker.
    pub(crate) fn ask(&mut self, request: Request) {
        self.outbox.push(request);
    }

    /// Returns what was asked for since the last call.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.outbox)
    }

    /// Says something below the screen, until the next key.
    pub(crate) fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.news = Some((text.into(), tone));
    }

    /// Asks for the images of the base, and of what is compared.
    pub(crate) fn want_sheets(&mut self) {
        let Some(session) = &mut self.session else { return };
        let mut wanted = session.compared();
        wanted.extend(session.figures.base().map(|base| base.id.clone()));
        let requests: Vec<Request> = wanted.iter().filter_map(|id| session.want_sheet(id)).collect();
        self.outbox.extend(requests);
    }

    /// Asks for the scores of single images of what is compared.
    pub(crate) fn want_scores(&mut self) {
        let requests = self.session.as_mut().map_or_else(Vec::new, Session::want_all_scores);
        self.outbox.extend(requests);
    }

    /// Asks what one of two points has more than the other.
    pub(crate) fn want_pair(&mut self) {
        if let Some(request) = self.session.as_mut().and_then(Session::want_pair) {
            self.ask(request);
        }
    }

    /// Marks what is selected, or takes its mark away; says so where there is no room.
    pub(crate) fn mark(&mut self) {
        if self.session.as_mut().is_some_and(|session| !session.toggle_mark()) {
            self.say("four points are marked already: M clears all marks", Tone::Plain);
        }
    }

    /// Clears all marks.
    pub(crate) fn unmark(&mut self) {
        if let Some(session) = &mut self.session {
            session.marks.clear();
        }
    }
}
