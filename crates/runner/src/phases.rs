//! An experiment in phases: the folder of all of them, and what the adapters of one are on the prompts and rewards of another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moa_analysis::continual::PhaseReport;
use moa_core::experiment::{PromptSource, Prompts, PromptsSpec};
use moa_core::{EventSink, ExperimentSpec, Phase, PointKind, RunEvent, RunId};
use moa_plot::{HeatCell, HeatMap, draw_heat_map};
use moa_store::{AcrossRecord, LEASE, Layout, Leases, write_where_other};

use crate::context::{Context, SweepRequest};
use crate::evaluation::{Evaluator, Model, Point};
use crate::folder::{as_run, settings};
use crate::progress::with_progress;
use crate::receipt::{Receipt, sha256};
use crate::recorder::Recorder;
use crate::{Models, RunnerError};

/// Begins the results folder of an experiment in phases: with the experiment, in which each phase has its prompts themselves, and the receipt.
/// Each phase's own results are made by [`sweep`](crate::sweep()), into [`phase_folder`].
///
/// - `prompts`: those of each phase
///
/// # Errors
/// Refuses a folder that holds another experiment's results, and what cannot be written.
pub fn begin_phases(
    spec: &ExperimentSpec,
    prompts: &[Prompts],
    out: &Path,
    device_name: &str,
) -> Result<(), RunnerError> {
    let layout = Layout::new(out);
    if layout.runs_dir().exists() {
        return Err(RunnerError::NoPhases { folder: out.to_path_buf() });
    }
    let mut spec = as_run(spec, prompts.first().unwrap_or(&Prompts::default()), out);
    for (phase, prompts) in spec.phases.iter_mut().zip(prompts) {
        phase.prompts = Some(PromptsSpec {
            train: PromptSource::List(prompts.train.clone()),
            held_out: PromptSource::List(prompts.held_out.clone()),
        });
    }
    let text = spec.to_ron();
    let hashes = BTreeMap::from([("experiment".to_owned(), sha256(&text))]);
    let mut receipt = Receipt::new(spec.name.as_deref().unwrap_or_default(), spec.seed, device_name, hashes);
    if let Some(kept) = Receipt::read(&layout.receipt_file())? {
        (receipt.moa, receipt.device) = (kept.moa, kept.device);
    }
    write_where_other(&layout.receipt_file(), &receipt.to_json())?;
    Ok(write_where_other(&layout.experiment_file(), text.as_bytes())?)
}

/// Returns the results folder of a phase, which counts from 0.
pub fn phase_folder(spec: &ExperimentSpec, out: &Path, index: usize) -> PathBuf {
    Layout::new(out).phases_dir().join(spec.phase_folder(index))
}

/// Evaluates the trained adapters of other phases with the prompts, noise and rewards of a phase; what is known is not evaluated again.
/// Returns whether all of them are evaluated, which they are not when a stop is requested.
///
/// - `request`: that of the phase, which is swept
/// - `others`: the results folders of other phases; of those that are not trained yet, nothing is evaluated
///
/// # Errors
/// Says which adapter cannot be read, or which image cannot be drawn or scored; what was finished before stays.
pub fn evaluate_across(
    request: &SweepRequest,
    models: &Models,
    others: &[PathBuf],
    sink: &mut dyn EventSink,
) -> Result<bool, RunnerError> {
    let layout = Layout::new(&request.out);
    let spec = as_run(&request.spec, &request.prompts, &request.out);
    let settings = settings(&spec, &request.prompts, &models.sha256, None);
    let context = Context { request, models, spec: &spec };
    let evaluator = Evaluator::new(context).stopping_at_once();
    let mut open = Vec::new();
    for other in others {
        for (point, folder) in points(other, &layout)? {
            let own = format!("{settings} {}", point.adapters()?);
            if AcrossRecord::read(&folder)?.is_none_or(|kept| kept.settings != own) {
                open.push((point, folder, own));
            }
        }
    }
    if open.is_empty() {
        return Ok(true);
    }
    let mut recorder = Recorder::new(&layout, &settings, None, sink);
    recorder.phase(Phase::Evaluation, open.len() * evaluator.pictures())?;
    for (point, folder, own) in open {
        let leases = Leases::take(&[folder.join(LEASE)])?;
        let measured = with_progress(&mut recorder, Phase::Evaluation, |progress| evaluator.measure(&point, progress))?;
        match measured {
            Ok(measured) => AcrossRecord::write(&folder, &own, &measured.record, &measured.scores)?,
            Err(RunnerError::Stopped) => {
                recorder.tell(&RunEvent::Interrupted { epoch: spec.training.epochs })?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        leases.check()?;
    }
    Ok(true)
}

/// Returns the trained adapters of another phase, and the folders of their evaluations here.
fn points(other: &Path, layout: &Layout) -> Result<Vec<(Point, PathBuf)>, RunnerError> {
    let theirs = Layout::new(other);
    if !theirs.experiment_file().is_file() {
        return Ok(Vec::new());
    }
    let spec = ExperimentSpec::load_kept(&theirs.experiment_file())
        .map_err(|source| RunnerError::KeptExperiment { source })?;
    let phase = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let runs = spec.weightings().into_iter().filter(|(id, _)| theirs.adapter_file(id).exists());
    let point = |(id, weighting): (RunId, _)| {
        let folder = layout.across_dir(&phase, &id);
        let model = Model::Stored;
        let (kind, weighting) = (PointKind::Trained, Some(weighting));
        (Point { folder: theirs.run_dir(&id), id, kind, weighting, model, added: None }, folder)
    };
    Ok(runs.map(point).collect())
}

/// Reports and draws what the phases of an experiment have left so far: `phases.json`, `phases.csv`, `plots/phases.svg` and `.png`.
///
/// # Errors
/// Says which results are missing, do not fit each other, or cannot be drawn.
pub fn report_phases(out: &Path) -> Result<PhaseReport, RunnerError> {
    let layout = Layout::new(out);
    let report = PhaseReport::read(out)?;
    write_where_other(&out.join("phases.json"), report.to_json().as_bytes())?;
    write_where_other(&out.join("phases.csv"), report.to_csv().as_bytes())?;
    let map = heat_map(&report);
    if map.rows.is_empty() {
        return Ok(report);
    }
    let folder = layout.plots_dir();
    std::fs::create_dir_all(&folder)
        .map_err(|error| RunnerError::Read { path: folder.clone(), reason: error.to_string() })?;
    for ending in ["svg", "png"] {
        draw_heat_map(&layout.plot_file(&format!("phases.{ending}")), &map)?;
    }
    Ok(report)
}

/// Returns the matrix as it is drawn: a block of rows for each weighting.
fn heat_map(report: &PhaseReport) -> HeatMap {
    let columns = report.runs.first().map_or(&[][..], |run| &run.columns);
    let label = |column: &moa_analysis::continual::PhaseColumn| {
        let trained = if column.share > 0.0 { "" } else { " (no share)" };
        format!("{} in {}{trained}", column.reward, report.phases[column.phase])
    };
    let mut rows = Vec::new();
    for run in &report.runs {
        // The strongest gain of a column is the darkest.
        let strongest = |column: &moa_analysis::continual::PhaseColumn| {
            column.gains.iter().flatten().map(|gain| gain.mean.abs()).fold(0.0, f64::max)
        };
        for (after, phase) in report.phases.iter().enumerate() {
            let cell = |column: &moa_analysis::continual::PhaseColumn| {
                let gain = column.gains.get(after).copied().flatten()?;
                let half = gain.half_width().map_or(String::new(), |half| format!("± {half:.3}"));
                let shade = if strongest(column) > 0.0 { gain.mean / strongest(column) } else { 0.0 };
                let own = column.phase == after;
                Some(HeatCell { text: format!("{:+.3}", gain.mean), below: half, shade, is_framed: own })
            };
            let name = if report.runs.len() > 1 {
                format!("{}: after {phase}", run.label())
            } else {
                format!("after {phase}")
            };
            rows.push((name, run.columns.iter().map(cell).collect()));
        }
        if run.columns.iter().any(|column| column.kept.is_some()) {
            let cell = |column: &moa_analysis::continual::PhaseColumn| {
                let kept = column.kept?;
                let half = kept.half_width().map_or(String::new(), |half| format!("± {:.0} %", 100.0 * half));
                let text = format!("{:.0} %", 100.0 * kept.mean);
                Some(HeatCell { text, below: half, shade: 0.0, is_framed: false })
            };
            rows.push(("of its gain kept".to_owned(), run.columns.iter().map(cell).collect()));
        }
    }
    HeatMap {
        title: format!("{}: gains over the base after each phase", report.name),
        columns: columns.iter().map(label).collect(),
        rows,
        note: "with half the width of 95 % intervals; framed: the phase's own rewards; darker: more of a column's largest change".into(),
    }
}
