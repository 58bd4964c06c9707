//! The runs of a sweep, during it and afterwards, and their curves.

mod curves;
mod progress;
mod table;
mod warnings;

use moa_core::RunId;
use moa_core::metric;
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::experiment::Experiment;
use crate::key::{Row, c, k};
use crate::message::{Message, Request};
use crate::session::Session;
use crate::shared::{self, Note, Overlay, Shared};
use crate::widget::{columns, rows};
use curves::Curves;

/// The name of this screen.
pub(crate) const NAME: &str = "Sweep";

/// What runs are ordered by: as in the experiment, by a reward, or by warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Experiment,
    Reward(usize),
    Warnings,
}

/// How the list of runs stands, and what it shows: with thousands of runs, too much to be worked out for every frame.
#[derive(Default)]
pub(crate) struct Sweep {
    order: Order,
    filter: String,
    /// The runs that are shown, in order, by their places in the experiment.
    rows: Vec<usize>,
    /// The run that was under the cursor last.
    last: Option<RunId>,
    /// By place, what a reader must know of a run.
    findings: Vec<Vec<String>>,
    seconds_per_epoch: Option<f64>,
    /// The least and the most epochs that runs have finished.
    epochs_done: (u32, u32),
    /// Hypervolumes of the training images by epoch.
    volumes: Vec<(u32, f64)>,
    volumes_asked: u32,
    curves: Option<Curves>,
    clicks: Clicks<usize>,
}

const KEYS: Keys<Sweep> = &[
    Row::new(&[k(K::Up), c('k')], |own, shared| own.step(Step::Up, shared), "previous run", ""),
    Row::new(&[k(K::Down), c('j')], |own, shared| own.step(Step::Down, shared), "next run", ""),
    Row::new(&[k(K::PageUp)], |own, shared| own.step(Step::PageUp, shared), "a page up", ""),
    Row::new(&[k(K::PageDown)], |own, shared| own.step(Step::PageDown, shared), "a page down", ""),
    Row::new(&[k(K::Home), c('g')], |own, shared| own.step(Step::First, shared), "first run", ""),
    Row::new(&[k(K::End), c('G')], |own, shared| own.step(Step::Last, shared), "last run", ""),
    Row::new(&[k(K::Enter), c('c')], |own, _| own.open_curves(), "curves of this run and of marked ones", "curves"),
    Row::new(&[c(' ')], |_, shared| shared.mark(), "mark the run, to compare", "mark"),
    Row::new(&[c('M')], |_, shared| shared.unmark(), "clear all marks", ""),
    Row::new(&[c('o')], Sweep::next_order, "order by the next column", "order"),
    Row::new(&[c('/')], Sweep::ask_filter, "filter runs by name", "filter"),
    Row::new(&[c('p')], |_, shared| shared.go = Some(super::IMAGES), "images of this run and of marked ones", "images"),
];

impl Sweep {
    fn open_curves(&mut self) {
        self.curves = Some(Curves::default());
    }

    /// Moves the cursor among the runs.
    fn step(&mut self, step: Step, shared: &mut Shared) {
        let Some(session) = shared.ready() else { return };
        let row = self.row(session);
        let next = row.map_or(0, |row| step.from(row, self.rows.len()));
        self.select(next, session);
    }

    fn select(&mut self, row: usize, session: &mut Session) {
        let Some(id) = self.id(row, session).cloned() else { return };
        self.last = Some(id.clone());
        session.selected = Some(id);
    }

    /// Returns the id of the run in a row of the list.
    fn id<'a>(&self, row: usize, session: &'a Session) -> Option<&'a RunId> {
        Some(&session.experiment.as_ref()?.runs.get(*self.rows.get(row)?)?.id)
    }

    /// Returns the row of the run under the cursor: the selected one, or where a soup is selected the last one that was.
    fn row(&self, session: &Session) -> Option<usize> {
        self.row_of(session, session.selected.as_ref()).or_else(|| self.row_of(session, self.last.as_ref()))
    }

    fn row_of(&self, session: &Session, id: Option<&RunId>) -> Option<usize> {
        let id = id?;
        (0..self.rows.len()).find(|row| self.id(*row, session) == Some(id))
    }

    fn next_order(&mut self, shared: &mut Shared) {
        let Some(session) = shared.ready() else { return };
        let rewards = session.experiment.as_ref().map_or(0, |experiment| experiment.rewards.len());
        self.order = match self.order {
            Order::Experiment if rewards > 0 => Order::Reward(0),
            Order::Reward(place) if place + 1 < rewards => Order::Reward(place + 1),
            Order::Experiment | Order::Reward(_) => Order::Warnings,
            Order::Warnings => Order::Experiment,
        };
        self.list(session);
    }

    fn ask_filter(&mut self, shared: &mut Shared) {
        shared.overlay = Some(Overlay::Line(shared::Line {
            title: "Filter",
            hint: "part of a name; ⏎ keeps, esc clears".into(),
            text: self.filter.clone(),
            error: None,
        }));
    }

    fn filter(&mut self, text: &str, shared: &mut Shared) {
        text.clone_into(&mut self.filter);
        if let Some(session) = shared.ready() {
            self.list(session);
        }
    }

    /// Updates the list of runs.
    fn list(&mut self, session: &Session) {
        let Some(experiment) = &session.experiment else { return };
        self.findings = experiment.runs.iter().map(|run| warnings::findings(experiment, run)).collect();
        self.rows = self.order(experiment);
        self.seconds_per_epoch = experiment.seconds_per_epoch();
        self.epochs_done = experiment.epochs_done();
    }

    /// Returns the runs that are shown, in order, by their places.
    fn order(&self, experiment: &Experiment) -> Vec<usize> {
        let filter = self.filter.to_lowercase();
        let runs = &experiment.runs;
        let fits = |place: &usize| filter.is_empty() || runs[*place].id.as_str().to_lowercase().contains(&filter);
        let mut rows: Vec<usize> = (0..runs.len()).filter(fits).collect();
        match self.order {
            Order::Experiment => {}
            Order::Reward(reward) => {
                let metric = experiment.rewards.get(reward).map(|reward| experiment.progress_metric(reward));
                let last = |place: usize| experiment.latest(&runs[place].id, metric.as_ref()?);
                let value: Vec<f64> = (0..runs.len()).map(|place| last(place).unwrap_or(f64::NEG_INFINITY)).collect();
                rows.sort_by(|a, b| value[*b].total_cmp(&value[*a]));
            }
            Order::Warnings => rows.sort_by_key(|place| std::cmp::Reverse(self.findings[*place].len())),
        }
        rows
    }
}

impl Screen for Sweep {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "show the runs of the sweep"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::EXPERIMENTS)
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS), Group::new("Curves of runs", curves::KEYS)]
    }

    fn mode(&self) -> usize {
        usize::from(self.curves.is_some())
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        let keys = if self.curves.is_some() { curves::KEYS } else { KEYS };
        (keys[row].act)(self, shared);
    }

    fn back(&mut self, shared: &mut Shared) -> bool {
        if self.curves.take().is_some() {
            return true;
        }
        let filtered = !self.filter.is_empty();
        self.filter("", shared);
        filtered
    }

    fn again(&mut self, _: &mut Shared) {
        self.curves = None;
    }

    fn click(&mut self, click: Click, shared: &mut Shared) {
        let (Click::Down(_), Some((held, _)), Some(session)) = (click, self.clicks.take(click), shared.ready()) else {
            return;
        };
        let again = self.row(session) == Some(held.on);
        self.select(held.on, session);
        if again {
            self.open_curves();
        }
    }

    fn hear(&mut self, message: &Message, shared: &mut Shared) {
        if let Message::Volumes(root, volumes) = message
            && shared.session.as_ref().is_some_and(|session| session.root == *root)
        {
            self.volumes.clone_from(volumes);
        }
    }

    fn note(&mut self, note: &Note, shared: &mut Shared) {
        match (note, &shared.session) {
            (Note::Opening, _) => *self = Self::default(),
            (Note::Runs, Some(session)) => self.list(session),
            _ => {}
        }
    }

    fn ask(&mut self, _: bool, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        let Some(experiment) = &session.experiment else { return };
        // Where another screen has put the cursor on a run, that is the last one here, too.
        if let Some(id) = session.selected.as_ref().filter(|id| experiment.runs.iter().any(|run| run.id == **id))
            && self.last.as_ref() != Some(id)
        {
            self.last = Some(id.clone());
        }
        if self.epochs_done.0 > 0 && self.epochs_done.0 != self.volumes_asked {
            self.volumes_asked = self.epochs_done.0;
            let request = Request::Volumes(session.root.clone(), volumes(experiment, self.epochs_done.0));
            shared.ask(request);
        }
    }

    fn typed(&mut self, text: &str, shared: &mut Shared) {
        self.filter(text, shared);
    }

    fn given_up(&mut self, shared: &mut Shared) {
        self.filter("", shared);
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let Some(session) = &shared.session else { return };
        let Some(experiment) = &session.experiment else { return };
        if let Some(curves) = &self.curves {
            return curves.view(shared, session, experiment, frame, area);
        }
        // Warnings are not cut where the list of runs has rows to spare.
        let low: u16 = if area.height >= 28 { 11 } else { 7 };
        let spare = area.height.saturating_sub(2 + self.rows.len().max(3) as u16 + 3);
        let needed = warnings::height(self, session, experiment, usize::from(area.width - area.width * 46 / 100 - 2));
        let low = low.max(needed.min(spare).min(area.height * 2 / 3));
        let [top, middle, bottom] = rows(area, [Constraint::Length(2), Constraint::Fill(1), Constraint::Length(low)]);
        progress::view(self, shared, session, experiment, frame, top);
        table::view(self, shared, session, experiment, frame, middle);
        let [left, right] = columns(bottom, [Constraint::Percentage(46), Constraint::Fill(1)]);
        progress::volume(self, shared.theme, frame, left);
        warnings::view(self, shared.theme, session, experiment, frame, right);
    }
}

/// Returns for every epoch that all runs have finished the training rewards of all runs, on the experiment's scale.
fn volumes(experiment: &Experiment, done: u32) -> Vec<(u32, Vec<Vec<f64>>)> {
    let scales = experiment.spec.scales();
    let means: Vec<String> = experiment.rewards.iter().map(|reward| metric::reward_mean(reward)).collect();
    let curves = |run: &moa_core::RunRecord| -> Vec<&[f64]> {
        means.iter().map(|metric| experiment.curve(&run.id, metric)).collect()
    };
    let curves: Vec<Vec<&[f64]>> = experiment.runs.iter().map(curves).collect();
    let row = |curves: &Vec<&[f64]>, epoch: usize| -> Option<Vec<f64>> {
        let values = curves.iter().zip(&scales).map(|(curve, scale)| Some(scale.normalise(*curve.get(epoch)?)));
        values.collect::<Option<Vec<f64>>>().filter(|row| row.iter().all(|value| value.is_finite()))
    };
    let rows = |epoch: usize| curves.iter().filter_map(|curves| row(curves, epoch)).collect();
    (0..done as usize).map(|epoch| (1 + epoch as u32, rows(epoch))).collect()
}
