//! The sweep: folder → base → training → adapters, soups and blends → drawings.

use std::collections::{BTreeMap, BTreeSet};

use moa_analysis::{FrontReport, Scales};
use moa_core::{EventSink, Phase, PointKind, RunEvent, RunId, RunRecord, Warning};
use moa_store::{Layout, MetricStore, RunHistory};

use crate::context::{Context, SweepRequest};
use crate::evaluation::{Evaluator, Model, Point};
use crate::folder::{Folder, Run, as_run};
use crate::recorder::Recorder;
use crate::sheet::Sheet;
use crate::soups::mixtures;
use crate::training::{Ended, is_done, train};
use crate::{Models, RunnerError, drawing, preferences};

/// How a sweep ended.
#[derive(Clone, Debug)]
pub enum SweepOutcome {
    /// Everything is done.
    Finished(Box<FrontReport>),
    /// A part of the runs is trained and evaluated.
    PartFinished,
    /// It was stopped; the same request goes on after this epoch.
    Interrupted {
        /// The last epoch that is safe.
        epoch: u32,
    },
}

/// Runs an experiment, or a part of its runs, or goes on with it where an earlier sweep in the same folder stopped, was stopped or was
/// killed, or where something was added to the experiment. Adapters and metrics are bit for bit those of a sweep that did all at once.
///
/// # Errors
/// See [`RunnerError`]; what was finished before stays, and the same request goes on from there.
pub fn sweep(request: &SweepRequest, models: &Models, sink: &mut dyn EventSink) -> Result<SweepOutcome, RunnerError> {
    go(request, models, sink, Work::Sweep)
}

/// Makes of the runs that are trained what a sweep makes of all: evaluates what is not evaluated, merges soups, reports and draws. Doing so
/// again changes nothing.
///
/// # Errors
/// [`RunnerError::NotTrained`] once that is done, where runs are missing; and see [`RunnerError`].
pub fn gather(request: &SweepRequest, models: &Models, sink: &mut dyn EventSink) -> Result<SweepOutcome, RunnerError> {
    go(request, models, sink, Work::Gather)
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Sweep,
    Gather,
}

fn go(
    request: &SweepRequest,
    models: &Models,
    sink: &mut dyn EventSink,
    work: Work,
) -> Result<SweepOutcome, RunnerError> {
    let spec = &as_run(&request.spec, &request.prompts, &request.out);
    let context = Context { request, models, spec };
    // What cannot be trained on is said before the folder is begun.
    let preferences = preferences::read(spec, models)?;
    let mut inputs = models.sha256.clone();
    inputs.extend(preferences.iter().map(|read| ("preferences".to_owned(), read.sha256.clone())));
    let folder = Folder::open(request, spec, &inputs)?;
    let layout = &folder.layout;
    let store = if request.part.is_none() { Some(index(&context, &folder)?) } else { None };
    folder.keep(request, spec, &inputs)?;
    let mut recorder = Recorder::new(layout, &folder.settings, store, sink);
    recorder.emit(&started(&context, &folder))?;
    let notes = preferences.iter().flat_map(|read| &read.notes);
    for finding in folder.findings.iter().chain(notes) {
        recorder.warn_all(finding.clone())?;
    }

    let own = request.part.map_or(folder.runs.clone(), |part| part.take(folder.runs.clone()));
    let epochs = spec.training.epochs;
    let trains = work == Work::Sweep && !own.iter().all(|run| is_done(run, layout, epochs));
    if spec.training.method.differentiates() && trains {
        for reward in models.scorer.slow_gradients() {
            recorder.warn_all(slow_gradient(reward))?;
        }
    }

    let evaluator = Evaluator::new(context);
    let furthest_behind = own.iter().map(Run::epochs_done).min().unwrap_or_default();
    // Of several parts the first has the base as well.
    let base = [base(layout)];
    let mut base_sheet = None;
    if request.part.is_none_or(|part| part.number == 1) {
        let Some(sheets) = evaluate_all(&context, &evaluator, &base, None, Phase::Base, &mut recorder)? else {
            return interrupted(recorder, furthest_behind);
        };
        base_sheet = sheets.into_iter().next();
    }

    if trains {
        let stored = preferences.as_ref().map(|read| &read.stored);
        match train(&context, &own, stored, layout, &mut recorder)? {
            Ended::Complete => {}
            Ended::Stopped(epoch) => return interrupted(recorder, epoch),
        }
    }

    let (trained, missing) = trained(&own, layout, epochs)?;
    let mut points: Vec<Point> = trained.iter().map(|run| run_point(run, layout)).collect();
    if request.part.is_none() {
        let ids: Vec<RunId> = trained.iter().map(|run| run.id.clone()).collect();
        points.extend(mixtures(spec, &ids, layout, &mut recorder)?);
    }
    let Some(sheets) =
        evaluate_all(&context, &evaluator, &points, base_sheet.as_ref(), Phase::Evaluation, &mut recorder)?
    else {
        return interrupted(recorder, epochs);
    };
    if context.is_stopped() {
        return interrupted(recorder, epochs);
    }
    if request.part.is_some() {
        recorder.emit(&RunEvent::SweepFinished)?;
        recorder.close()?;
        return Ok(SweepOutcome::PartFinished);
    }

    let scales = Scales::keep(layout, spec, &recorder.snapshot()?.evaluations)?;
    let report = FrontReport::of(&recorder.snapshot()?, spec, scales)?;
    warn(&report, &mut recorder)?;
    let snapshot = recorder.snapshot()?;
    let all: Vec<(&Point, &Sheet)> = base.iter().chain(&points).zip(base_sheet.iter().chain(&sheets)).collect();
    drawing::draw_all(&context, layout, &snapshot, &report, &all, &mut recorder)?;
    recorder.emit(&RunEvent::SweepFinished)?;
    recorder.close()?;
    if missing.is_empty() {
        Ok(SweepOutcome::Finished(Box::new(report)))
    } else {
        Err(RunnerError::NotTrained { folder: request.out.clone(), runs: missing })
    }
}

/// Opens the index, and makes it what the logs say.
fn index(context: &Context<'_>, folder: &Folder) -> Result<MetricStore, RunnerError> {
    let mut store = MetricStore::open(folder.layout.root())?;
    let spec = context.spec;
    let mixtures = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let runs = folder.runs.iter().map(|run| run.id.clone());
    let points: BTreeSet<RunId> = runs.chain(mixtures).chain([RunId(RunId::BASE.into())]).collect();
    store.follow_logs(&points, spec.training.epochs, &folder.settings)?;
    Ok(store)
}

/// Returns the runs that are trained by now, and how far the others are.
fn trained<'a>(
    runs: &'a [Run],
    layout: &Layout,
    epochs: u32,
) -> Result<(Vec<&'a Run>, BTreeMap<String, String>), RunnerError> {
    let (mut there, mut missing) = (Vec::new(), BTreeMap::new());
    for run in runs {
        let history = RunHistory::read(&layout.log_file(PointKind::Trained, &run.id))?.unwrap_or_default();
        let state = match history.epochs_done() {
            0 => "not begun".to_owned(),
            _ if history.is_trained(epochs) && !layout.adapter_file(&run.id).exists() => "its adapter is gone".into(),
            _ if history.is_trained(epochs) => {
                there.push(run);
                continue;
            }
            epoch => format!("stopped after epoch {epoch} of {epochs}"),
        };
        missing.insert(run.id.to_string(), state);
    }
    Ok((there, missing))
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
fn started(context: &Context<'_>, folder: &Folder) -> RunEvent {
    let epochs = context.spec.training.epochs;
    let record = |run: &Run| {
        let known = run.history.record(&run.id, epochs, &folder.settings);
        known.unwrap_or_else(|| RunRecord::planned(run.id.clone(), run.weighting.clone(), epochs))
    };
    RunEvent::SweepStarted {
        experiment: context.spec.name.clone().unwrap_or_default(),
        device: context.request.device_name.clone(),
        rewards: context.spec.reward_names(),
        runs: folder.runs.iter().map(record).collect(),
    }
}

fn base(layout: &Layout) -> Point {
    let id = RunId(RunId::BASE.into());
    let folder = layout.run_dir(&id);
    Point { id, kind: PointKind::Base, weighting: None, model: Model::Base, folder }
}

fn run_point(run: &Run, layout: &Layout) -> Point {
    Point {
        id: run.id.clone(),
        kind: PointKind::Trained,
        weighting: Some(run.weighting.clone()),
        model: Model::Stored,
        folder: layout.run_dir(&run.id),
    }
}

/// Evaluates the points that are not evaluated yet, and returns the pictures of all of them; nothing when stopped.
fn evaluate_all(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    points: &[Point],
    base: Option<&Sheet>,
    phase: Phase,
    recorder: &mut Recorder<'_>,
) -> Result<Option<Vec<Sheet>>, RunnerError> {
    let sheets: Vec<Option<Sheet>> =
        points.iter().map(|point| evaluator.known(point, base, recorder)).collect::<Result<_, _>>()?;
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

/// Warns of trained adapters whose rewards rose while their judges fell. It is found anew whenever points are added.
fn warn(report: &FrontReport, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
    for point in report.points.iter().filter(|point| point.kind == PointKind::Trained) {
        for finding in &point.suspected_hacking {
            let warning = Warning { run: Some(point.id.clone()), message: finding.to_string() };
            recorder.tell(&RunEvent::Warned(warning))?;
        }
    }
    Ok(())
}
