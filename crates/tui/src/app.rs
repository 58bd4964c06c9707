//! The state of the UI.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::SystemTime;

use ratatui::layout::Rect;

use crate::key::{Action, Scope, Screen};
use crate::library::Entry;
use crate::message::Request;
use crate::picture::Gallery;
use crate::session::Session;
use crate::theme::Theme;
use crate::widget::{Axis, Plot};

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    Help {
        scroll: usize,
    },
    Palette {
        query: String,
        cursor: usize,
    },
    Prompt {
        kind: PromptKind,
        text: String,
        error: Option<String>,
    },
    SaveAs {
        cursor: usize,
    },
    /// Leaving stops something: really?
    Leave,
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    FilterExperiments,
    FilterRuns,
    Wish,
}

/// How a line of news is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
}

/// Something on the screen that takes clicks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hit {
    Do(Action),
    Experiment(usize),
    Run(usize),
    Point(usize),
    Scatter(Plot),
    Parallel(usize, Axis),
    Slider(usize),
    Triangle,
    Entry(usize),
}

/// A drag that is going on: where it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drag {
    pub(crate) hit: Hit,
    pub(crate) area: Rect,
    pub(crate) from: (u16, u16),
}

/// The terminal UI.
pub struct App {
    pub(crate) screen: Screen,
    pub(crate) theme: Theme,
    pub(crate) now: SystemTime,
    /// Whether there is a results folder to look through.
    pub(crate) results: Option<PathBuf>,
    /// What was found in it; nothing before the first look.
    pub(crate) library: Option<Vec<Entry>>,
    pub(crate) library_cursor: usize,
    pub(crate) library_filter: String,
    pub(crate) session: Option<Session>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) news: Option<(String, Tone)>,
    /// A measurement that is going on.
    pub(crate) measuring: Option<(String, f64)>,
    /// Why there is no worker.
    pub(crate) worker_gone: Option<String>,
    /// Whether this process runs a sweep, which leaving stops.
    pub(crate) sweeping: bool,
    pub(crate) gallery: Gallery,
    pub(crate) hits: RefCell<Vec<(Rect, Hit)>>,
    pub(crate) drag: Option<Drag>,
    outbox: Vec<Request>,
    pub(crate) done: bool,
}

impl App {
    /// Returns the UI on a results folder, before anything was looked at.
    pub fn new(theme: Theme, now: SystemTime, results: Option<PathBuf>) -> Self {
        Self {
            screen: Screen::Experiments,
            theme,
            now,
            results,
            library: None,
            library_cursor: 0,
            library_filter: String::new(),
            session: None,
            overlay: None,
            news: None,
            measuring: None,
            worker_gone: None,
            sweeping: false,
            gallery: Gallery::default(),
            hits: RefCell::default(),
            drag: None,
            outbox: Vec::new(),
            done: false,
        }
    }

    /// Opens the experiment in a folder, on its sweep.
    pub fn open(&mut self, root: PathBuf) {
        self.ask(Request::Follow(root.clone()));
        self.session = Some(Session::new(root, self.now));
        self.measuring = None;
        self.screen = Screen::Sweep;
    }

    /// Says that this process runs a sweep: leaving stops it, and asks first.
    pub fn sweeps(&mut self) {
        self.sweeping = true;
    }

    /// Returns whether the UI is to be left.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Returns what was asked for since the last call.
    pub fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.outbox)
    }

    /// Returns requests for images that drawing missed.
    pub fn picture_requests(&mut self) -> Vec<Request> {
        self.gallery.requests()
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.outbox.push(request);
    }

    pub(crate) fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.news = Some((text.into(), tone));
    }

    /// Returns where keys are looked up.
    pub(crate) fn scope(&self) -> Scope {
        match self.screen {
            Screen::Experiments => Scope::Experiments,
            Screen::Sweep if self.session.as_ref().is_some_and(|session| session.curves.is_some()) => Scope::Curves,
            Screen::Sweep => Scope::Sweep,
            Screen::Front => Scope::Front,
            Screen::Pictures => Scope::Pictures,
            Screen::Soup => Scope::Soup,
        }
    }

    /// Remembers that an area takes clicks.
    pub(crate) fn clickable(&self, area: Rect, hit: Hit) {
        self.hits.borrow_mut().push((area, hit));
    }

    /// Returns the experiments that the filter leaves, with their places among all.
    pub(crate) fn shown_experiments(&self) -> Vec<&Entry> {
        let filter = self.library_filter.to_lowercase();
        let fits = |entry: &&Entry| {
            filter.is_empty()
                || entry.name.to_lowercase().contains(&filter)
                || entry.rewards.iter().any(|reward| reward.contains(&filter))
        };
        self.library.iter().flatten().filter(fits).collect()
    }
}
