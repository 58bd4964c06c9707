//! The sweep: folder → base → training → adapters, soups and blends → drawings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use moa_analysis::{FrontReport, Next, Scales};
use moa_core::experiment::{ChosenWeighting, NextSpec};
use moa_core::{
    EvaluationRecord, EventSink, ExperimentSpec, Phase, PointKind, RunEvent, RunId, RunRecord, Warning, Weighting,
};
use moa_store::{LEASE, Layout, Leases, MetricStore, RunHistory};
use moa_train::Trainer;

use crate::context::{Context, SweepRequest};
use crate::evaluation::{Evaluator, Model, Point};
use crate::folder::{Folder, Run, as_run};
use crate::preferences::ReadPreferences;
use crate::recorder::Recorder;
use crate::sheet::Sheet;
use crate::soups::{added, is_of, mixtures};
use crate::training::{Ended, is_done, train};
use crate::{Models, RunnerError, drawing, preferences};

/// How a sweep ended.
#[derive(Clone, Debug)]
pub enum SweepOutcome {
    /// Everything is done.
    Finished(Box<FrontReport>),
    /// A part of the runs is trained and evaluated.
    PartFinished,
    /// All that could be trained is gathered, and further runs are to be: a weighting that was chosen, or the next round.
    Further {
        /// The runs.
        runs: Vec<RunId>,
    },
    /// It was stopped; the same request resumes after this epoch.
    Interrupted {
        /// The last epoch that is safe.
        epoch: u32,
    },
}

/// Runs an experiment, or a part of its runs, or resumes it where an earlier sweep in the same folder stopped, was stopped or was
/// killed, or where something was added to the experiment. Adapters and metrics are bit for bit those of a sweep that did all at once.
///
/// # Errors
/// See [`RunnerError`]; what was finished before stays, and the same request resumes from there.
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

/// As [`gather`], and evaluates again what a version of moa evaluated that kept no scores of single images.
///
/// # Errors
/// As [`gather`].
pub(crate) fn regather(
    request: &SweepRequest,
    models: &Models,
    sink: &mut dyn EventSink,
) -> Result<SweepOutcome, RunnerError> {
    go(request, models, sink, Work::Regather)
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Sweep,
    Gather,
    Regather,
}

fn go(
    request: &SweepRequest,
    models: &Models,
    sink: &mut dyn EventSink,
    work: Work,
) -> Result<SweepOutcome, RunnerError> {
    let mut spec = as_run(&request.spec, &request.prompts, &request.out);
    take_chosen(&mut spec, &request.out);
    // What cannot be trained, or trained on, is said before the folder is begun.
    Trainer::check(&models.pipeline, &spec).map_err(RunnerError::Train)?;
    crate::online::check(&spec)?;
    let preferences = preferences::read(&spec, models)?;
    let mut inputs = models.sha256.clone();
    inputs.extend(preferences.iter().map(|read| ("preferences".to_owned(), read.sha256.clone())));
    let folder = Folder::open(request, &spec, &inputs)?;
    let store = if request.part.is_none() { Some(index(&spec, &folder)?) } else { None };
    folder.keep(request, &spec, &inputs)?;
    let mut recorder = Recorder::new(&folder.layout, &folder.settings, store, sink);
    let given = Given { preferences: preferences.as_ref(), inputs: &inputs, work };
    let epochs = spec.training.epochs;
    // Each stage trains what is known; then the next weighting may be chosen.
    loop {
        let context = Context { request, models, spec: &spec };
        let folder = Folder::open(request, &spec, &inputs)?;
        let stage = match stage(&context, &folder, &given, &mut recorder)? {
            Passed::Stage(stage) => stage,
            Passed::Stopped(epoch) => return interrupted(recorder, epoch),
        };
        if request.part.is_some() {
            recorder.emit(&RunEvent::SweepFinished)?;
            recorder.close()?;
            return Ok(SweepOutcome::PartFinished);
        }
        let after = Folder::open(request, &spec, &inputs)?;
        if work == Work::Sweep && after.runs.iter().any(|run| run.is_ready && stage.waiting.contains(&run.id)) {
            continue;
        }
        if work != Work::Sweep {
            let further = announced(&after.runs, epochs, &mut recorder)?;
            if !further.is_empty() {
                recorder.close()?;
                return Ok(SweepOutcome::Further { runs: further });
            }
        }
        if stage.missing.is_empty() && spec.to_choose() > 0 {
            let chosen = choose(&mut spec, &recorder.snapshot()?.evaluations)?;
            folder.keep(request, &spec, &inputs)?;
            match chosen {
                Some(_) if work == Work::Sweep => continue,
                Some(run) => {
                    announced(&Folder::open(request, &spec, &inputs)?.runs, epochs, &mut recorder)?;
                    recorder.close()?;
                    return Ok(SweepOutcome::Further { runs: vec![run] });
                }
                None => {}
            }
        }
        let context = Context { request, models, spec: &spec };
        let report = report(&context, &folder.layout, &stage, &mut recorder)?;
        recorder.emit(&RunEvent::SweepFinished)?;
        recorder.close()?;
        return if stage.missing.is_empty() {
            Ok(SweepOutcome::Finished(Box::new(report)))
        } else {
            Err(RunnerError::NotTrained { folder: request.out.clone(), runs: stage.missing })
        };
    }
}

/// What a sweep is given beside its experiment.
struct Given<'a> {
    preferences: Option<&'a ReadPreferences>,
    /// The hashes of what the experiment is made with.
    inputs: &'a BTreeMap<String, String>,
    work: Work,
}

/// How a stage went.
enum Passed {
    /// What is known is trained and evaluated.
    Stage(Stage),
    /// It was asked to stop: after this epoch of the runs that are furthest behind.
    Stopped(u32),
}

/// What a stage has left.
struct Stage {
    /// The base, then trained adapters, given ones, soups and blends.
    points: Vec<Point>,
    /// The runs that are not trained, and how far they are.
    missing: BTreeMap<String, String>,
    /// Those of them that waited for the round before.
    waiting: BTreeSet<RunId>,
}

/// Trains and evaluates the runs that are known.
fn stage(
    context: &Context<'_>,
    folder: &Folder,
    given: &Given<'_>,
    recorder: &mut Recorder<'_>,
) -> Result<Passed, RunnerError> {
    let Context { request, models, spec } = *context;
    let layout = &folder.layout;
    crate::given::check_given(spec, layout.root())?;
    recorder.emit(&started(context, folder))?;
    let notes = given.preferences.iter().flat_map(|read| &read.notes);
    for finding in folder.findings.iter().chain(notes) {
        recorder.warn_all(finding.clone())?;
    }

    let own = request.part.map_or(folder.runs.clone(), |part| part.take(folder.runs.clone()));
    let epochs = spec.training.epochs;
    let trains = given.work == Work::Sweep && !own.iter().all(|run| is_done(run, layout, epochs));
    if spec.training.method.differentiates() && trains {
        for reward in models.scorer.slow_gradients() {
            recorder.warn_all(slow_gradient(reward))?;
        }
    }

    models.take_last_fit(spec, layout.root())?;
    let evaluator = Evaluator::new(*context).wanting_scores(given.work == Work::Regather);
    let furthest_behind = own.iter().map(Run::epochs_done).min().unwrap_or_default();
    // Of several parts the first has the base as well. A reward that is fitted meanwhile scores it afterwards.
    let (base, mut base_sheet) = (base(layout), None);
    let has_base = request.part.is_none_or(|part| part.number == 1);
    let fits = spec.feedback.is_some();
    let evaluate_base = |recorder: &mut Recorder<'_>| {
        let own = if has_base { std::slice::from_ref(&base) } else { &[] };
        evaluate_all(context, &evaluator, own, None, Phase::Base, recorder)
    };
    if !fits && !evaluate_base(recorder)? {
        return Ok(Passed::Stopped(furthest_behind));
    }

    if request.part.is_some() && trains && own.iter().all(|run| !run.is_ready || is_done(run, layout, epochs)) {
        let waiting =
            own.iter().filter(|run| !run.is_ready).map(|run| (run.id.to_string(), format!("round {}", run.round)));
        let missing = folder.runs.iter().filter(|run| run.is_ready && !is_done(run, layout, epochs));
        return Err(RunnerError::TooEarly {
            runs: waiting.collect(),
            missing: missing
                .map(|run| (run.id.to_string(), format!("{} of {epochs} epochs", run.epochs_done())))
                .collect(),
        });
    }
    if trains {
        let stored = given.preferences.map(|read| &read.stored);
        if let Ended::Stopped(epoch) = train(context, &own, stored, folder, recorder)? {
            return Ok(Passed::Stopped(epoch));
        }
    }

    if spec.online.is_some() {
        // What arrived meanwhile stands in the receipt.
        folder.keep(request, spec, given.inputs)?;
    }
    if fits {
        models.take_last_fit(spec, layout.root())?;
        let folder = Folder::open(request, spec, given.inputs)?;
        folder.keep(request, spec, given.inputs)?;
        recorder.go_by(&folder.settings);
        if !evaluate_base(recorder)? {
            return Ok(Passed::Stopped(epochs));
        }
    }
    if has_base {
        base_sheet = evaluator.sheet(&base)?;
    }

    let (trained, missing) = trained(&own, layout, epochs)?;
    let mut points: Vec<Point> = trained.iter().map(|run| run_point(run, layout)).collect();
    if request.part.is_none() {
        let mut ids: Vec<RunId> = trained.iter().map(|run| run.id.clone()).collect();
        let given = crate::given::points(spec, layout, recorder)?;
        ids.extend(given.iter().map(|point| point.id.clone()));
        points.extend(given);
        points.extend(mixtures(spec, &ids, layout, &models.pipeline, recorder)?);
    }
    let evaluated = evaluate_all(context, &evaluator, &points, base_sheet.as_ref(), Phase::Evaluation, recorder)?;
    if !evaluated || context.is_stopped() {
        return Ok(Passed::Stopped(epochs));
    }
    // Soups that were added while the index was this process's.
    for point in points.iter().filter(|point| point.added.is_some()) {
        recorder.take_in(point.kind, &point.id, &point.adapters()?)?;
    }
    let waiting = own.iter().filter(|run| !run.is_ready).map(|run| run.id.clone()).collect();
    points.insert(0, base);
    Ok(Passed::Stage(Stage { points, missing, waiting }))
}

/// Begins the logs of later rounds' runs, and of one that was chosen, where all is there that they go on from: they are to be trained next.
/// Each is announced once; one that is not trained after that is missing.
fn announced(runs: &[Run], epochs: u32, recorder: &mut Recorder<'_>) -> Result<Vec<RunId>, RunnerError> {
    let open: Vec<&Run> = runs.iter().filter(|run| !run.is_trained(epochs)).collect();
    if open.iter().any(|run| run.round == 1 && !run.is_chosen) {
        return Ok(Vec::new());
    }
    let mut further = Vec::new();
    for run in open.into_iter().filter(|run| run.is_ready && run.history == RunHistory::default()) {
        recorder.open(PointKind::Trained, &run.id, Some(&run.facts), Some(&run.weighting))?;
        recorder.shut(&run.id)?;
        further.push(run.id.clone());
    }
    Ok(further)
}

/// Reports and draws what a stage has left.
fn report(
    context: &Context<'_>,
    layout: &Layout,
    stage: &Stage,
    recorder: &mut Recorder<'_>,
) -> Result<FrontReport, RunnerError> {
    let scales = Scales::keep(layout, context.spec, &recorder.snapshot()?.evaluations)?;
    let report = FrontReport::of(&recorder.snapshot()?, context.spec, scales)?;
    warn(&report, recorder)?;
    let snapshot = recorder.snapshot()?;
    drawing::draw_all(context, layout, &snapshot, &report, &stage.points, recorder)?;
    Ok(report)
}

/// Takes over what earlier sweeps into a results folder have chosen to train.
pub fn take_chosen(spec: &mut ExperimentSpec, out: &Path) {
    let Ok(kept) = ExperimentSpec::load_kept(&Layout::new(out).experiment_file()) else { return };
    let rewards = spec.reward_names();
    if let (Some(next), Some(kept)) = (spec.next_mut(), kept.next().filter(|_| kept.reward_names() == rewards)) {
        next.chosen.clone_from(&kept.chosen);
        next.chosen.truncate(next.count as usize);
        next.ended = None;
    }
}

/// Chooses the weighting that is worth training next, adds it to the experiment and returns its run; nothing where none is worth it, and
/// says in the experiment why.
///
/// The first choice is trained whatever it seems worth: while corners alone are known, little speaks for what lies between.
fn choose(spec: &mut ExperimentSpec, evaluations: &[EvaluationRecord]) -> Result<Option<RunId>, RunnerError> {
    let Some(NextSpec { by, budget, chosen, .. }) = spec.next().cloned() else { return Ok(None) };
    let found = Next::of(spec, evaluations, by)?;
    let worth = |next: &Next| chosen.is_empty() || next.expected.gain > next.expected.noise;
    let names = spec.reward_names();
    let passes = |weighting: &Weighting| spec.pass_equivalents(weighting) * f64::from(spec.training.epochs);
    let spent: f64 = chosen.iter().filter_map(|chosen| Some(passes(&chosen.weighting(&names)?))).sum();
    let affordable = |next: &Next| budget.is_none_or(|budget| spent + passes(&next.weighting) <= budget);
    let expected = found.as_ref().map(|next| next.expected);
    let taken = found.filter(|next| worth(next) && affordable(next));
    let before: BTreeSet<RunId> = spec.weightings().into_iter().map(|(id, _)| id).collect();
    if let Some(next) = spec.next_mut() {
        match taken {
            Some(Next { weighting, expected }) => {
                let shares = names.into_iter().zip(weighting.shares().iter().copied()).collect();
                next.chosen.push(ChosenWeighting { shares, expected });
            }
            None => next.ended = expected,
        }
    }
    Ok(spec.weightings().into_iter().map(|(id, _)| id).find(|id| !before.contains(id)))
}

/// Opens the index, and makes it what the logs say.
fn index(spec: &ExperimentSpec, folder: &Folder) -> Result<MetricStore, RunnerError> {
    let mut store = MetricStore::open(folder.layout.root())?;
    let mixtures = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let runs = folder.runs.iter().map(|run| run.id.clone());
    let runs: BTreeSet<RunId> = runs.chain(spec.given().into_iter().map(|(id, _)| id)).collect();
    let added = added(spec, &folder.layout)?.into_iter();
    let added = added.filter(|record| record.added.as_ref().is_some_and(|mixture| is_of(&runs, mixture)));
    let added: Vec<RunId> = added.map(|record| record.id).collect();
    let others = mixtures.chain(added).chain([RunId(RunId::BASE.into())]);
    let points: BTreeSet<RunId> = runs.iter().cloned().chain(others).collect();
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
    Point { id, kind: PointKind::Base, weighting: None, model: Model::Base, folder, added: None }
}

fn run_point(run: &Run, layout: &Layout) -> Point {
    Point {
        id: run.id.clone(),
        kind: PointKind::Trained,
        weighting: Some(run.weighting.clone()),
        model: Model::Stored,
        folder: layout.run_dir(&run.id),
        added: None,
    }
}

/// Evaluates the points that are not evaluated yet; returns whether all are, which they are not when stopped.
fn evaluate_all(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    points: &[Point],
    base: Option<&Sheet>,
    phase: Phase,
    recorder: &mut Recorder<'_>,
) -> Result<bool, RunnerError> {
    let mut missing = Vec::new();
    for point in points {
        if !evaluator.is_known(point, base, recorder)? {
            missing.push(point);
        }
    }
    if !missing.is_empty() {
        recorder.phase(phase, missing.len() * evaluator.pictures())?;
    }
    for point in missing {
        if context.is_stopped() {
            return Ok(false);
        }
        let leases = Leases::take(&[point.folder.join(LEASE)])?;
        // Another process may have been quicker.
        if !evaluator.is_known(point, base, recorder)? {
            evaluator.evaluate(point, base, phase, recorder)?;
        }
        leases.check()?;
    }
    Ok(true)
}

/// Warns of rewards that are constant or beside their scale, and of trained adapters whose rewards rose while their judges fell. It is computed again whenever points are added.
fn warn(report: &FrontReport, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
    for finding in &report.scale_findings {
        recorder.tell(&RunEvent::Warned(Warning { run: None, message: finding.to_string() }))?;
    }
    for point in report.points.iter().filter(|point| point.kind == PointKind::Trained) {
        for finding in &point.suspected_hacking {
            let warning = Warning { run: Some(point.id.clone()), message: finding.to_string() };
            recorder.tell(&RunEvent::Warned(warning))?;
        }
    }
    Ok(())
}
