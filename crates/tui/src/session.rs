//! The open experiment: what is known of it, and how its screens stand.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use moa_analysis::Paired;
use moa_core::{Course, RunId};
use moa_store::ImageScores;

use crate::experiment::Experiment;
use crate::figures::{Figures, Point, place};
use crate::message::{Asked, Reply, Request, Work};
use crate::picture::Sheet;

/// Pairs of points whose differences are kept, at most.
const MOST_PAIRS: usize = 200;
/// Points that are compared, at most.
pub(crate) const MOST_MARKS: usize = 4;
/// While a sweep runs, intervals are renewed no more often than this: the sweep needs the time.
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

/// The open experiment.
pub(crate) struct Session {
    pub(crate) root: PathBuf,
    pub(crate) status: Status,
    pub(crate) experiment: Option<Experiment>,
    pub(crate) figures: Figures,
    /// Points that were measured here, and are in no store.
    measured: Vec<Point>,
    pub(crate) sheets: HashMap<RunId, Pictures>,
    /// The scores of single images; nothing where none were kept, and before they are read.
    pub(crate) scores: HashMap<RunId, Option<ImageScores>>,
    /// The run or point under the cursor, on all screens.
    pub(crate) selected: Option<RunId>,
    pub(crate) marks: Vec<RunId>,
    /// What the second of two points has more than the first; nothing while that is worked out.
    pub(crate) pairs: HashMap<[RunId; 2], Option<Result<Vec<Paired>, String>>>,
    /// When figures were asked for, while an answer is awaited.
    figures_pending: bool,
    figures_asked: Option<SystemTime>,
    /// The evaluations have changed since figures were asked for.
    figures_stale: bool,
    /// What the worker said of figures, when it could not make them.
    pub(crate) figures_failed: Option<String>,
    /// How far the sweep is, since when it is followed, and how long its epochs took until then; nothing before it was read.
    course: Option<(Course, SystemTime, Duration)>,
}

impl Session {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            status: Status::Opening,
            experiment: None,
            figures: Figures::empty(),
            measured: Vec::new(),
            sheets: HashMap::new(),
            scores: HashMap::new(),
            selected: None,
            marks: Vec::new(),
            pairs: HashMap::new(),
            figures_pending: false,
            figures_asked: None,
            figures_stale: false,
            figures_failed: None,
            course: None,
        }
    }

    /// Replaces the experiment, as it was opened or replaced.
    pub(crate) fn opened(&mut self, experiment: Experiment, figures: Figures, now: SystemTime) {
        let changed = self.experiment.as_ref().is_none_or(|known| known.evaluations != experiment.evaluations);
        self.course = Some((experiment.course(), now, experiment.time_trained()));
        self.status = Status::Ready;
        self.experiment = Some(experiment);
        if changed {
            self.pairs.clear();
            self.scores.clear();
            self.take_figures(figures);
            self.figures_stale = true;
            self.sheets.retain(|_, pictures| matches!(pictures, Pictures::Ready(_)));
        }
        if self.selected.is_none() {
            self.selected = self.experiment.as_ref().and_then(|known| Some(known.runs.first()?.id.clone()));
        }
    }

    /// Takes events of the sweep. Returns whether the figures have changed.
    pub(crate) fn events(&mut self, events: &[moa_core::RunEvent]) -> bool {
        let Some(experiment) = &mut self.experiment else { return false };
        let mut evaluated = false;
        for event in events {
            if let moa_core::RunEvent::Evaluated(record) = event {
                evaluated = true;
                self.sheets.remove(&record.id);
                self.scores.remove(&record.id);
                self.pairs.clear();
            }
            if let Some((course, ..)) = &mut self.course {
                course.take(event);
            }
            experiment.apply(event);
        }
        if evaluated {
            let figures = Figures::of(experiment);
            self.take_figures(figures);
            self.figures_stale = true;
        }
        evaluated
    }

    /// Takes figures, and keeps what only was known before: prompts, and attacks, which the worker's figures have.
    pub(crate) fn take_figures(&mut self, mut figures: Figures) {
        if figures.prompts.is_empty() {
            figures.prompts = std::mem::take(&mut self.figures.prompts);
        }
        if !figures.resampled {
            figures.report.attacks = self.figures.report.attacks.take();
        }
        self.figures = figures;
        // What has joined the experiment by now needs no copy here.
        self.measured.retain(|point| self.figures.point(&point.id).is_none());
        for point in self.measured.clone() {
            self.figures.put(point);
        }
    }

    /// Takes a point that was measured here.
    pub(crate) fn measured(&mut self, point: Point, sheet: Sheet) {
        self.sheets.insert(point.id.clone(), Pictures::Ready(sheet));
        self.selected = Some(point.id.clone());
        self.measured.retain(|known| known.id != point.id);
        self.measured.push(point.clone());
        self.figures.put(point);
    }

    /// Returns whether what is said of a point is provisional: it was measured here, and is in no report yet.
    pub(crate) fn is_provisional(&self, id: &RunId) -> bool {
        self.measured.iter().any(|point| point.id == *id)
    }

    /// Returns how many points were measured here and are in no report yet: without them, its places and its hypervolume were made.
    pub(crate) fn provisional(&self) -> usize {
        self.measured.len()
    }

    /// Returns a point's place on the front, and how sure that is.
    pub(crate) fn place(&self, point: &Point) -> String {
        if self.is_provisional(&point.id) { "provisional".to_owned() } else { place(point) }
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

    /// Returns a request for the scores of a point's single images, unless they were asked for.
    fn want_scores(&mut self, id: &RunId) -> Option<Request> {
        let experiment = self.experiment.as_ref().filter(|_| !self.scores.contains_key(id))?;
        let record = experiment.evaluations.iter().find(|record| record.id == *id)?;
        let request = Request::ReadScores(experiment.layout.clone(), record.kind, id.clone());
        self.scores.insert(id.clone(), None);
        Some(request)
    }

    /// Returns requests for the scores of single images of what is compared.
    pub(crate) fn want_all_scores(&mut self) -> Vec<Request> {
        self.compared().iter().filter_map(|id| self.want_scores(id)).collect()
    }

    /// Returns the two points that are set against each other, the one that differences are counted from first: of two marks both, else the first mark
    /// and the point under the cursor.
    pub(crate) fn pair(&self) -> Option<[RunId; 2]> {
        let other_than = |id: &RunId| self.marks.iter().find(|mark| *mark != id).cloned();
        match (&self.marks[..], &self.selected) {
            ([one, other], selected) if selected.as_ref().is_none_or(|id| id != one && id != other) => {
                Some([one.clone(), other.clone()])
            }
            (_, Some(selected)) => Some([other_than(selected)?, selected.clone()]),
            _ => None,
        }
    }

    /// Returns a request for what one of two points has more than the other, unless that was asked for.
    pub(crate) fn want_pair(&mut self) -> Option<Request> {
        let ids = self.pair()?;
        let experiment = self.experiment.as_ref().filter(|_| !self.pairs.contains_key(&ids))?;
        let find = |id: &RunId| experiment.evaluations.iter().find(|record| record.id == *id).cloned();
        let points = [find(&ids[0])?, find(&ids[1])?];
        if self.pairs.len() >= MOST_PAIRS {
            self.pairs.clear();
        }
        self.pairs.insert(ids, None);
        Some(Request::Pair(self.root.clone(), Box::new((experiment.spec.clone(), points))))
    }

    /// Returns how far the sweep is, and how much time its epochs and what came after them took.
    pub(crate) fn course(&self, now: SystemTime) -> Option<(&Course, Duration)> {
        let (course, since, before) = self.course.as_ref()?;
        // A clock that is set back takes nothing away.
        Some((course, *before + now.duration_since(*since).unwrap_or(Duration::ZERO)))
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
