//! The last phase: tables, plots and image grids. Everything is drawn again each time; nothing here takes long.

mod curves;
mod edges;
mod fronts;
mod grids;
mod versions;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use moa_analysis::FrontReport;
use moa_core::{Phase, RunEvent, RunId};
use moa_pareto::Interval;
use moa_plot::PlotError;
use moa_store::{Layout, ResultTable, Snapshot, write_where_other};

use crate::RunnerError;
use crate::context::Context;
use crate::evaluation::{Evaluator, Point};
use crate::recorder::Recorder;

/// More points than this are not drawn in one image.
const MOST_TOGETHER: usize = 64;
/// How the names of drawings begin while they are being written.
const HALF_DRAWN: &str = ".plot-";

/// Writes `front.csv`, `front.json`, `hypervolume.csv`, the plots and the image grids.
pub(crate) fn draw_all(
    context: &Context<'_>,
    layout: &Layout,
    snapshot: &Snapshot,
    report: &FrontReport,
    points: &[Point],
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let prompts = &context.request.prompts.held_out;
    recorder.phase(Phase::Drawing, points.len())?;
    let tables = [
        (ResultTable::Front, "csv", report.front_csv()),
        (ResultTable::Hypervolume, "csv", report.hypervolume_csv()),
        (ResultTable::Front, "json", report.to_json()),
    ];
    let edges = report.soups.as_ref().filter(|soups| !soups.edges.is_empty());
    let edges = edges.map(|soups| (ResultTable::SoupEdges, "csv", soups.edges_csv(&report.rewards)));
    for (table, ending, text) in tables.into_iter().chain(edges) {
        let path = layout.table_file(table, ending);
        write_where_other(&path, text.as_bytes())?;
        recorder.wrote(path)?;
    }
    prepare(&layout.plots_dir())?;
    points.iter().try_for_each(|point| prepare(&point.folder))?;
    let evaluator = Evaluator::new(*context);
    let shown = shown(report, points);
    let mut sheets = Vec::new();
    for point in &shown {
        sheets.extend(evaluator.sheet(point)?.map(|sheet| (*point, sheet)));
    }
    let labels = context.spec.reward_labels();
    let mut written = fronts::draw(layout, report, &labels, &shown)?;
    written.extend(curves::draw(layout, snapshot, report, &labels, &shown)?);
    written.extend(edges::draw(layout, report, &labels)?);
    if context.spec.online.is_some() {
        let runs = context.spec.weightings().into_iter().map(|(run, _)| run);
        let histories = versions::read(layout, runs)?;
        written.extend(versions::draw(layout, &histories, &context.spec.reward_names())?);
    }
    written.extend(grids::draw_together(layout, &sheets, prompts)?);
    drop(sheets);
    for (index, point) in points.iter().enumerate() {
        if !grids::is_drawn(point)
            && let Some(sheet) = evaluator.sheet(point)?
        {
            written.extend(grids::draw_alone(point, &sheet, prompts)?);
        }
        let fraction = (index + 1) as f64 / points.len() as f64;
        recorder.emit(&RunEvent::Progress { phase: Phase::Drawing, fraction })?;
    }
    written.into_iter().try_for_each(|path| recorder.wrote(path))
}

/// Returns the points that are drawn together, in fronts, curves and images: all of them, or, of many, the base and those that are most surely on the
/// front.
fn shown<'a>(report: &FrontReport, points: &'a [Point]) -> Vec<&'a Point> {
    if points.len() <= MOST_TOGETHER {
        return points.iter().collect();
    }
    let known: BTreeMap<&RunId, (bool, f64)> =
        report.points.iter().map(|known| (&known.id, (known.placing.undominated, known.placing.on))).collect();
    let sure = |point: &Point| known.get(&point.id).map_or(0.0, |(is_best, on)| f64::from(u8::from(*is_best)) + on);
    let mut order: Vec<(usize, f64)> = points.iter().enumerate().map(|(place, point)| (place, sure(point))).collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut places: Vec<usize> = order.into_iter().map(|(place, _)| place).filter(|place| *place > 0).collect();
    places.truncate(MOST_TOGETHER - 1);
    places.push(0);
    places.sort_unstable();
    places.into_iter().map(|place| &points[place]).collect()
}

/// Makes a folder for drawings, and deletes what a killed sweep left half drawn in it.
fn prepare(folder: &Path) -> Result<(), PlotError> {
    let failed = |source| PlotError::Write { path: folder.to_path_buf(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(HALF_DRAWN) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Returns an interval as it is drawn: without bars where its ends are not known, or are all that a range allows.
fn drawn(report: &FrontReport, interval: Interval) -> Interval {
    let is_known = interval.is_bounded() && report.few_prompts().is_none();
    if is_known { interval } else { Interval::exact(interval.mean) }
}
