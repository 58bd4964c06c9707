//! The open experiment: what is known of it, and how its screens stand.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use moa_core::RunId;

use crate::experiment::Experiment;
use crate::figures::Figures;
use crate::message::{Asked, Reply, Request, Work};
use crate::picture::Sheet;
use crate::screen::{CurvesState, FrontState, PicturesState, SoupState, SweepState};

/// Points that are compared, at most.
pub(crate) const MOST_MARKS: usize = 4;
/// While a sweep runs, intervals are made anew no more often than this: the sweep needs the time.
const FIGURES_EVERY: Duration = Duration::from_secs(20);

/// How far opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Opening,
    /// A sweep has not written anything yet.
    Waiting,
    Ready,
    Failed(String),
}

/// The images of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    Asked,
    Ready(Sheet),
    Missing(String),
}

/// The runs as they are listed: with thousands of them, too much to be worked out for every frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    /// The runs that are shown, in order, by their places in the experiment.
    pub(crate) rows: Vec<usize>,
    /// By place, what a reader must know of a run.
    pub(crate) findings: Vec<Vec<String>>,
    pub(crate) seconds_per_epoch: Option<f64>,
    /// The least and the most epochs that runs have finished.
    pub(crate) epochs_done: (u32, u32),
}

/// The open experiment.
pub(crate) struct Session {
    pub(crate) root: PathBuf,
    pub(crate) status: Status,
    pub(crate) experiment: Option<Experiment>,
    pub(crate) figures: Figures,
    /// Points that were measured here, and are in no store.
    measured: Vec<crate::figures::Point>,
    /// What the list of runs shows; made anew when something has changed.
    pub(crate) overview: Overview,
    /// Hypervolumes of the training images by epoch.
    pub(crate) volumes: Vec<(u32, f64)>,
    volumes_asked: u32,
    pub(crate) sheets: HashMap<RunId, Pictures>,
    /// The run or point under the cursor, on all screens.
    pub(crate) selected: Option<RunId>,
    pub(crate) marks: Vec<RunId>,
    pub(crate) sweep: SweepState,
    pub(crate) curves: Option<CurvesState>,
    pub(crate) front: FrontState,
    pub(crate) pictures: PicturesState,
    pub(crate) soup: SoupState,
    /// When figures were asked for, while an answer is awaited.
    figures_pending: bool,
    figures_asked: Option<SystemTime>,
    /// The evaluations have changed since figures were asked for.
    figures_stale: bool,
    /// What the worker said of figures, when it could not make them.
    pub(crate) figures_failed: Option<String>,
    /// When the current part of the sweep began, and how many evaluations there were then.
    pub(crate) phase_began: (SystemTime, usize),
    /// When news of the sweep came last.
    pub(crate) heard: SystemTime,
}

impl Session {
    pub(crate) fn new(root: PathBuf, now: SystemTime) -> Self {
        Self {
            root,
            status: Status::Opening,
            experiment: None,
            figures: Figures::default(),
            measured: Vec::new(),
            overview: Overview::default(),
            volumes: Vec::new(),
            volumes_asked: 0,
            sheets: HashMap::new(),
            selected: None,
            marks: Vec::new(),
            sweep: SweepState::default(),
            curves: None,
            front: FrontState::default(),
            pictures: PicturesState::default(),
            soup: SoupState::default(),
            figures_pending: false,
            figures_asked: None,
            figures_stale: false,
            figures_failed: None,
            phase_began: (now, 0),
            heard: now,
        }
    }

    /// Takes the experiment anew, as it was opened or replaced.
    pub(crate) fn opened(&mut self, experiment: Experiment, figures: Figures, now: SystemTime) {
        let changed = self.experiment.as_ref().is_none_or(|known| known.evaluations != experiment.evaluations);
        let phase = self.experiment.as_ref().map(|known| known.activity.phase);
        if phase != Some(experiment.activity.phase) {
            self.phase_began = (now, experiment.evaluations.len());
        }
        self.heard = now;
        self.status = Status::Ready;
        self.experiment = Some(experiment);
        self.list_runs();
        if changed {
            self.take_figures(figures);
            self.figures_stale = true;
            self.sheets.retain(|_, pictures| matches!(pictures, Pictures::Ready(_)));
        }
        if self.selected.is_none() {
            self.selected = self.row_id(0).cloned();
        }
    }

    /// Takes events of the sweep.
    pub(crate) fn events(&mut self, events: &[moa_core::RunEvent], now: SystemTime) {
        let Some(experiment) = &mut self.experiment else { return };
        self.heard = now;
        let mut evaluated = false;
        for event in events {
            if let moa_core::RunEvent::PhaseStarted { .. } = event {
                self.phase_began = (now, experiment.evaluations.len());
            }
            if let moa_core::RunEvent::Evaluated(record) = event {
                evaluated = true;
                self.sheets.remove(&record.id);
            }
            experiment.apply(event);
        }
        // Signs of life change nothing that is listed.
        if !events.iter().all(|event| matches!(event, moa_core::RunEvent::Progress { .. })) {
            self.list_runs();
        }
        let Some(experiment) = &self.experiment else { return };
        if evaluated {
            let figures = Figures::of(experiment);
            self.take_figures(figures);
            self.figures_stale = true;
        }
    }

    /// Takes figures, and keeps what only was known before.
    pub(crate) fn take_figures(&mut self, mut figures: Figures) {
        if figures.prompts.is_empty() {
            figures.prompts = std::mem::take(&mut self.figures.prompts);
        }
        self.figures = figures;
        for point in self.measured.clone() {
            self.figures.put(point);
        }
        self.soup.model_stale = true;
        self.front.check(&self.figures);
    }

    /// Takes a point that was measured here.
    pub(crate) fn measured(&mut self, point: crate::figures::Point, sheet: Sheet) {
        self.sheets.insert(point.id.clone(), Pictures::Ready(sheet));
        self.selected = Some(point.id.clone());
        self.measured.retain(|known| known.id != point.id);
        self.measured.push(point.clone());
        self.figures.put(point);
        self.soup.model_stale = true;
    }

    /// Takes the worker's figures.
    pub(crate) fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Figures(_, figures) => {
                self.figures_pending = false;
                self.figures_failed = None;
                self.take_figures((**figures).clone());
            }
            Reply::Failed { what: Asked::Figures, reason, .. } => {
                self.figures_pending = false;
                self.figures_failed = Some(reason.clone());
            }
            _ => {}
        }
    }

    /// Returns what is to be asked for in the background.
    pub(crate) fn requests(&mut self, now: SystemTime) -> Vec<Request> {
        let mut requests = Vec::new();
        let Some(experiment) = &self.experiment else { return requests };
        let rested = self.figures_asked.and_then(|asked| now.duration_since(asked).ok());
        let due = !experiment.live || rested.is_none_or(|rested| rested >= FIGURES_EVERY);
        if self.figures_stale && !self.figures_pending && due && !experiment.evaluations.is_empty() {
            (self.figures_pending, self.figures_stale, self.figures_asked) = (true, false, Some(now));
            requests.push(Request::Work(Work::Figures(self.root.clone(), experiment.evaluations.clone())));
        }
        let done = self.overview.epochs_done.0;
        if done > 0 && done != self.volumes_asked {
            self.volumes_asked = done;
            requests.push(Request::Volumes(self.root.clone(), volumes(experiment)));
        }
        if std::mem::take(&mut self.soup.model_stale) {
            let points = self.figures.points.iter().filter(|point| point.shares.is_some()).cloned().collect();
            requests.push(Request::Fit(self.root.clone(), points));
        }
        requests
    }

    /// Returns a request for the images of a point, unless they were asked for.
    pub(crate) fn want_sheet(&mut self, id: &RunId) -> Option<Request> {
        let experiment = self.experiment.as_ref()?;
        if self.sheets.contains_key(id) {
            return None;
        }
        let record = experiment.evaluations.iter().find(|record| record.id == *id)?;
        let folder = experiment.layout.point_dir(record.kind, id);
        let prompts = record.rewards.first().map_or(0, |column| column.prompt_means.len() as u32);
        let size = (prompts.min(experiment.spec.evaluation.grid_prompts), record.images_per_prompt.min(4));
        self.sheets.insert(id.clone(), Pictures::Asked);
        Some(Request::ReadSheet(self.root.clone(), id.clone(), folder.join(moa_store::PICTURES), size))
    }

    /// Lists the runs anew.
    pub(crate) fn list_runs(&mut self) {
        let Some(experiment) = &self.experiment else { return };
        let findings: Vec<Vec<String>> =
            experiment.runs.iter().map(|run| crate::screen::sweep::findings(experiment, run)).collect();
        self.overview = Overview {
            rows: self.sweep.rows(experiment, &findings),
            findings,
            seconds_per_epoch: experiment.seconds_per_epoch(),
            epochs_done: experiment.epochs_done(),
        };
    }

    /// Returns the id of the run in a row of the list.
    pub(crate) fn row_id(&self, row: usize) -> Option<&RunId> {
        let place = *self.overview.rows.get(row)?;
        Some(&self.experiment.as_ref()?.runs.get(place)?.id)
    }

    /// Returns the row of the run under the cursor.
    pub(crate) fn selected_row(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        (0..self.overview.rows.len()).find(|row| self.row_id(*row) == Some(selected))
    }

    /// Moves the cursor among the runs.
    pub(crate) fn step_runs(&mut self, action: crate::key::Action) {
        let count = self.overview.rows.len();
        let next = self.selected_row().map_or(0, |row| crate::screen::moved(row, count, action));
        self.selected = self.row_id(next).cloned();
    }

    /// Marks what is selected, or takes its mark away. Returns whether there was room.
    pub(crate) fn toggle_mark(&mut self) -> bool {
        let Some(id) = self.selected.clone() else { return true };
        if let Some(place) = self.marks.iter().position(|mark| *mark == id) {
            self.marks.remove(place);
            return true;
        }
        if self.marks.len() == MOST_MARKS {
            return false;
        }
        self.marks.push(id);
        true
    }

    /// Returns the marked points, and the selected one where there is room: what is compared.
    pub(crate) fn compared(&self) -> Vec<RunId> {
        let mut ids = self.marks.clone();
        if let Some(id) = &self.selected
            && !ids.contains(id)
            && ids.len() < MOST_MARKS
        {
            ids.push(id.clone());
        }
        ids
    }
}

/// Returns for every epoch that all runs have finished the training rewards of all runs, on the experiment's scale.
fn volumes(experiment: &Experiment) -> Vec<(u32, Vec<Vec<f64>>)> {
    let scales = experiment.spec.scales();
    let done = experiment.epochs_done().0 as usize;
    let curves: Vec<Vec<&[f64]>> = experiment
        .runs
        .iter()
        .map(|run| experiment.rewards.iter().map(|reward| experiment.reward_curve(&run.id, reward)).collect())
        .collect();
    let row = |curves: &Vec<&[f64]>, epoch: usize| -> Option<Vec<f64>> {
        let value = |(curve, scale): (&&[f64], &moa_core::experiment::Scale)| Some(scale.normalise(*curve.get(epoch)?));
        curves
            .iter()
            .zip(&scales)
            .map(value)
            .collect::<Option<Vec<f64>>>()
            .filter(|row| row.iter().all(|v| v.is_finite()))
    };
    (0..done).map(|epoch| (1 + epoch as u32, curves.iter().filter_map(|curves| row(curves, epoch)).collect())).collect()
}
