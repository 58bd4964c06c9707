//! The threads beside the UI's: one looks through the results folder, one follows the open experiment, one does sums and
//! reads images. None of them can hold up a key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use moa_analysis::explanation::Explanation;
use moa_analysis::{Forecast, paired};
use moa_core::{EvaluationRecord, ExperimentSpec};
use moa_pareto::{Interval, hypervolume, non_dominated};
use moa_store::{Change, Follower, ImageScores, Layout, StoreError};

use crate::experiment::Experiment;
use crate::figures::Figures;
use crate::library::Shelf;
use crate::message::{Message, News, Request};
use crate::picture::{Painter, Sheet};

/// How often the results folder is looked through.
const LIBRARY_EVERY: Duration = Duration::from_secs(2);
/// How often the open experiment is looked at.
const NEWS_EVERY: Duration = Duration::from_millis(250);
/// Fronts larger than this have no hypervolume over time: it takes too long.
const MOST_FOR_VOLUMES: usize = 120;

/// Where requests go that need no models.
pub struct Helpers {
    chores: Sender<Request>,
    follow: Sender<PathBuf>,
    stop: Arc<AtomicBool>,
}

impl Helpers {
    /// Starts the threads. They end when this is dropped.
    pub fn start(results: Option<PathBuf>, painter: Painter, inbox: &Sender<Message>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if let Some(folder) = results {
            let (inbox, stop) = (inbox.clone(), Arc::clone(&stop));
            thread::spawn(move || look_through(folder, &inbox, &stop));
        }
        let (follow, folders) = mpsc::channel();
        let (chores, requests) = mpsc::channel();
        let news = inbox.clone();
        thread::spawn(move || follow_one(&folders, &news));
        let done = inbox.clone();
        thread::spawn(move || do_chores(&requests, &painter, &done));
        Self { chores, follow, stop }
    }

    /// Hands a request on. Helpers that are gone take none; the UI then shows what it has.
    pub fn ask(&self, request: Request) {
        let _ = match request {
            Request::Follow(root) => self.follow.send(root).is_ok(),
            other => self.chores.send(other).is_ok(),
        };
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look_through(folder: PathBuf, inbox: &Sender<Message>, stop: &AtomicBool) {
    let mut shelf = Shelf::new(folder);
    let mut shown = None;
    while !stop.load(Ordering::Relaxed) {
        let entries = shelf.look();
        if shown.as_ref() != Some(&entries) {
            shown = Some(entries.clone());
            if inbox.send(Message::Library(entries)).is_err() {
                return;
            }
        }
        thread::sleep(LIBRARY_EVERY);
    }
}

/// Follows the folder that was named last.
fn follow_one(folders: &Receiver<PathBuf>, inbox: &Sender<Message>) {
    let mut root: Option<PathBuf> = None;
    let mut follower: Option<Follower> = None;
    // What was said last, so that it is not said again.
    let mut told = String::new();
    loop {
        match folders.recv_timeout(if root.is_some() { NEWS_EVERY } else { Duration::from_hours(1) }) {
            Ok(folder) => {
                (root, follower) = (Some(folder), None);
                told.clear();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(folder) = &root else { continue };
        let news = match &mut follower {
            None => Some(open(folder, &mut follower)),
            Some(known) => match known.poll() {
                Ok(Change::Nothing) => None,
                Ok(Change::Events(events)) => Some(News::Events(events)),
                Ok(Change::Replaced) => Some(opened(folder, known)),
                Err(error) => Some(News::Failed(format!("failed to {error}"))),
            },
        };
        let Some(news) = news else { continue };
        let text = match &news {
            News::Failed(reason) => reason.clone(),
            News::Waiting => "waiting".into(),
            News::Opened(..) | News::Events(_) => String::new(),
        };
        if !text.is_empty() && text == told {
            continue;
        }
        told = text;
        if inbox.send(Message::News(folder.clone(), news)).is_err() {
            return;
        }
    }
}

fn open(folder: &Path, follower: &mut Option<Follower>) -> News {
    match Follower::open(folder) {
        Ok(opened_now) => {
            let news = opened(folder, &opened_now);
            // An experiment that cannot be shown yet is opened again.
            if matches!(news, News::Opened(..)) {
                *follower = Some(opened_now);
            }
            news
        }
        Err(StoreError::Missing { .. }) => News::Waiting,
        Err(error) => News::Failed(format!("failed to {error}")),
    }
}

fn opened(folder: &Path, follower: &Follower) -> News {
    match ExperimentSpec::load_kept(&Layout::new(folder).experiment_file()) {
        Ok(spec) => {
            let experiment = Experiment::new(folder.to_path_buf(), follower.snapshot(), spec);
            let figures = Figures::of(&experiment);
            News::Opened(Box::new(experiment), Box::new(figures))
        }
        Err(error) => News::Failed(format!("failed to read the experiment of the results: {error}")),
    }
}

fn do_chores(requests: &Receiver<Request>, painter: &Painter, inbox: &Sender<Message>) {
    for request in requests {
        let answer = match request {
            Request::Fit(root, points) => fit(root, &points),
            Request::Pair(root, points) => pair(root, &points),
            Request::ReadScores(layout, kind, id) => {
                let scores = ImageScores::of_point(&layout, kind, &id).map_err(|error| format!("failed to {error}"));
                Message::Scores(layout.root().to_path_buf(), id, scores)
            }
            Request::ReadCards(layout) => {
                let cards = Explanation::read(&layout.explain_dir()).map_err(|error| format!("failed to {error}"));
                Message::Cards(layout.root().to_path_buf(), cards.map(|cards| cards.map(Box::new)))
            }
            Request::ReadSheet(root, id, path, size) => Message::Sheet(root, id, Sheet::read(&path, size)),
            Request::Volumes(root, epochs) => {
                let volumes = epochs.iter().filter_map(|(epoch, rows)| Some((*epoch, volume(rows)?)));
                Message::Volumes(root, volumes.collect())
            }
            request @ Request::Encode(..) => match encode_now(painter, request) {
                Some(message) => message,
                None => continue,
            },
            Request::Follow(_) | Request::Work(_) => continue,
        };
        if inbox.send(answer).is_err() {
            return;
        }
    }
}

/// Brings an image into the terminal's form, where a request asks for that.
pub fn encode_now(painter: &Painter, request: Request) -> Option<Message> {
    let Request::Encode(key, rgb, size) = request else { return None };
    painter.paint(&rgb, size).map(|drawn| Message::Encoded(key, Box::new(drawn)))
}

/// Fits a forecast of what soups gain, as a request asks for it.
pub fn fit(root: PathBuf, points: &[(Vec<f64>, Vec<Interval>)]) -> Message {
    let forecast = Forecast::fit(points.iter().map(|(shares, gains)| (&shares[..], gains.clone())));
    Message::Forecast(root, forecast.map(Box::new))
}

/// Works out what the second of two points has more than the first, as a request asks for it.
pub fn pair(root: PathBuf, (spec, [other, one]): &(ExperimentSpec, [EvaluationRecord; 2])) -> Message {
    let found = paired(spec, one, other).map_err(|error| error.to_string());
    Message::Paired(root, [other.id.clone(), one.id.clone()], found)
}

fn volume(rows: &[Vec<f64>]) -> Option<f64> {
    let front = non_dominated(rows).ok().filter(|front| (1..=MOST_FOR_VOLUMES).contains(&front.len()))?;
    let front: Vec<&[f64]> = front.into_iter().map(|index| &rows[index][..]).collect();
    hypervolume(&front, &vec![0.0; front[0].len()]).ok()
}
