//! The sweep: folder → base → training → adapters, soups and blends → drawings.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moa_analysis::{FrontReport, Scales};
use moa_core::experiment::{BaseName, Prompts};
use moa_core::{EventSink, ExperimentSpec, Phase, PointKind, RunEvent, RunId, RunRecord, RunState, Weighting};
use moa_store::{Layout, Snapshot};

use crate::evaluation::{Evaluator, Model, Point};
use crate::folder::{Folder, as_run};
use crate::recorder::Recorder;
use crate::sheet::Sheet;
use crate::soups::mixtures;
use crate::training::{Training, keep_adapter};
use crate::{Models, RunnerError, drawing, preferences};

/// What to sweep, and how.
#[derive(Clone, Debug)]
pub struct SweepRequest {
    /// The experiment; it must be valid.
    pub spec: ExperimentSpec,
    /// Its prompts, held-out ones cut to `evaluation.prompts`.
    pub prompts: Prompts,
    /// The results folder of this experiment; created where there is none.
    pub out: PathBuf,
    /// The device in use, as people call it.
    pub device_name: String,
    /// Threads that draw and train; results do not depend on it.
    pub workers: usize,
    /// Whether pictures are scored while others are drawn (see [`moa_train::TrainerSetup::overlaps`]).
    pub overlaps: bool,
    /// Returns the bytes that this process holds of the device's memory, where that is known.
    pub device_memory: fn() -> Option<u64>,
    /// Returns the most bytes of the host's memory that this process has held so far, where that is known.
    pub peak_memory: fn() -> Option<u64>,
    /// Set it to stop the sweep after the current epoch or evaluation.
    pub stop: Arc<AtomicBool>,
}

/// How a sweep ended.
#[derive(Clone, Debug)]
pub enum SweepOutcome {
    /// Everything is done.
    Finished(Box<FrontReport>),
    /// It was stopped; the same request goes on after this epoch.
    Interrupted {
        /// The last epoch that is safe.
        epoch: u32,
    },
}

/// What every part of a sweep needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) request: &'a SweepRequest,
    pub(crate) models: &'a Models,
    /// The experiment as it is kept.
    pub(crate) spec: &'a ExperimentSpec,
}

impl Context<'_> {
    fn is_stopped(&self) -> bool {
        self.request.stop.load(Ordering::Relaxed)
    }
}

/// Runs an experiment, or goes on with it where an earlier sweep in the same folder stopped, was stopped or was killed;
/// adapters and metrics are bit for bit those of a sweep that never stopped.
///
/// # Errors
/// See [`RunnerError`]; what was finished before stays, and the same request goes on from there.
pub fn sweep(request: &SweepRequest, models: &Models, sink: &mut dyn EventSink) -> Result<SweepOutcome, RunnerError> {
    let spec = &as_run(&request.spec, &request.prompts, &request.out);
    let context = Context { request, models, spec };
    let runs = spec.weightings();
    // What cannot be trained on is said before the folder is begun.
    let preferences = preferences::read(spec, models)?;
    let mut sha256 = models.sha256.clone();
    sha256.extend(preferences.iter().map(|read| ("preferences".to_owned(), read.sha256.clone())));
    let Folder { layout, store, findings } = Folder::open(request, spec, &sha256)?;
    let mut training = Training::open(&context, &runs, preferences.as_ref().map(|read| &read.stored), &layout)?;

    let before = store.snapshot()?;
    // Evaluations of adapters that are still to be trained belong to a training that is gone.
    let adapters_known = training.is_complete();
    let mut recorder = Recorder::new(store, sink);
    recorder.emit(&started(&context, &runs, &training, &before))?;
    for finding in findings {
        recorder.warn(None, finding)?;
    }

    for note in preferences.iter().flat_map(|read| &read.notes) {
        recorder.warn(None, note.clone())?;
    }
    if spec.training.method.differentiates() && !training.is_complete() {
        for reward in models.scorer.slow_gradients() {
            recorder.warn(None, slow_gradient(reward))?;
        }
    }

    let evaluator = Evaluator::new(context);
    let base = [base(&layout)];
    let Some(base_sheet) = evaluate_all(&context, &evaluator, &base, None, Phase::Base, true, &mut recorder)? else {
        return interrupted(recorder, training.epochs_done());
    };

    if !training.is_complete() {
        recorder.phase(Phase::Training, spec.training.epochs as usize)?;
    }
    while !training.is_complete() {
        if context.is_stopped() {
            return interrupted(recorder, training.epochs_done());
        }
        training.epoch(&mut recorder)?;
    }

    let epoch = training.epochs_done();
    let points = points(&context, &runs, &training, &layout)?;
    drop(training);
    let base_name = BaseName::of(&spec.base).for_others();
    for point in &points {
        if let Some(adapter) = point.adapter() {
            keep_adapter(adapter, &point.id, &point.folder, &base_name, &mut recorder)?;
        }
    }
    let (phase, known) = (Phase::Evaluation, adapters_known);
    let Some(sheets) = evaluate_all(&context, &evaluator, &points, base_sheet.first(), phase, known, &mut recorder)?
    else {
        return interrupted(recorder, epoch);
    };
    if context.is_stopped() {
        return interrupted(recorder, epoch);
    }

    let scales = Scales::keep(&layout, spec, &recorder.snapshot()?.evaluations, !adapters_known)?;
    let report = FrontReport::of(&recorder.snapshot()?, spec, scales)?;
    warn(&report, &mut recorder)?;
    let snapshot = recorder.snapshot()?;
    let all: Vec<(&Point, &Sheet)> = base.iter().chain(&points).zip(base_sheet.iter().chain(&sheets)).collect();
    drawing::draw_all(&context, &layout, &snapshot, &report, &all, &mut recorder)?;
    recorder.emit(&RunEvent::SweepFinished)?;
    recorder.close()?;
    Ok(SweepOutcome::Finished(Box::new(report)))
}

/// Says that a reward's gradient takes longer than others'.
fn slow_gradient(reward: &str) -> String {
    format!(
        "{reward}'s CLIP is too large for moa's own engine on the CPU: its gradient is computed by operations that take several \
         times as long; a CLIP of ViT-L's size or less, or --device libtorch, is faster"
    )
}

/// Ends a sweep that was asked to stop.
fn interrupted(mut recorder: Recorder<'_>, epoch: u32) -> Result<SweepOutcome, RunnerError> {
    recorder.emit(&RunEvent::Interrupted { epoch })?;
    recorder.close()?;
    Ok(SweepOutcome::Interrupted { epoch })
}

/// Returns how the sweep begins: every run as it stands.
fn started(context: &Context<'_>, runs: &[(RunId, Weighting)], training: &Training<'_>, before: &Snapshot) -> RunEvent {
    let epochs = context.spec.training.epochs;
    let record = |(id, weighting): &(RunId, Weighting)| {
        let done = training.epochs_of(id);
        let evaluated = before.evaluations.iter().any(|known| known.id == *id && known.kind == PointKind::Trained);
        let state = match done {
            0 => RunState::Planned,
            _ if !training.is_trained(id) => RunState::Training,
            _ if evaluated => RunState::Evaluated,
            _ => RunState::Trained,
        };
        let warnings = before.run(id).map(|known| known.warnings.clone()).unwrap_or_default();
        RunRecord { id: id.clone(), weighting: weighting.clone(), state, epochs_done: done, epochs, warnings }
    };
    RunEvent::SweepStarted {
        experiment: context.spec.name.clone().unwrap_or_default(),
        device: context.request.device_name.clone(),
        rewards: context.spec.reward_names(),
        runs: runs.iter().map(record).collect(),
    }
}

fn base(layout: &Layout) -> Point {
    let id = RunId(RunId::BASE.into());
    let folder = layout.run_dir(&id);
    Point { id, kind: PointKind::Base, weighting: None, model: Model::Base, folder }
}

/// Returns the trained adapters, then soups and blends of them.
fn points(
    context: &Context<'_>,
    runs: &[(RunId, Weighting)],
    training: &Training<'_>,
    layout: &Layout,
) -> Result<Vec<Point>, RunnerError> {
    let trained = runs.iter().zip(training.adapters()).map(|((id, weighting), adapter)| Point {
        id: id.clone(),
        kind: PointKind::Trained,
        weighting: Some(weighting.clone()),
        model: Model::Adapter(adapter),
        folder: layout.run_dir(id),
    });
    let mut points: Vec<Point> = trained.collect();
    let mixed = mixtures(context.spec, &points, layout)?;
    points.extend(mixed);
    Ok(points)
}

/// Evaluates the points that are not evaluated yet, and returns the pictures of all of them; nothing when stopped.
fn evaluate_all(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    points: &[Point],
    base: Option<&Sheet>,
    phase: Phase,
    known: bool,
    recorder: &mut Recorder<'_>,
) -> Result<Option<Vec<Sheet>>, RunnerError> {
    let known =
        |point: &Point, recorder: &Recorder<'_>| if known { evaluator.known(point, recorder) } else { Ok(None) };
    let sheets: Vec<Option<Sheet>> = points.iter().map(|point| known(point, recorder)).collect::<Result<_, _>>()?;
    let missing = sheets.iter().filter(|sheet| sheet.is_none()).count();
    if missing > 0 {
        recorder.phase(phase, missing * evaluator.pictures())?;
    }
    let mut all = Vec::with_capacity(points.len());
    for (point, sheet) in points.iter().zip(sheets) {
        all.push(match sheet {
            Some(sheet) => sheet,
            None if context.is_stopped() => return Ok(None),
            None => evaluator.evaluate(point, base, phase, recorder)?,
        });
    }
    Ok(Some(all))
}

/// Warns of trained adapters whose rewards rose while their judges fell.
fn warn(report: &FrontReport, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
    for point in report.points.iter().filter(|point| point.kind == PointKind::Trained) {
        for finding in &point.suspected_hacking {
            recorder.warn(Some(&point.id), finding.to_string())?;
        }
    }
    Ok(())
}
