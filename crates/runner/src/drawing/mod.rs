//! The last phase: tables, plots and picture grids. Everything is drawn anew each time; nothing here takes long.

mod curves;
mod edges;
mod fronts;
mod grids;

use std::fs;
use std::path::Path;

use moa_analysis::FrontReport;
use moa_core::{Phase, RunEvent};
use moa_pareto::Interval;
use moa_plot::PlotError;
use moa_store::{Layout, Snapshot};

use crate::RunnerError;
use crate::context::Context;
use crate::evaluation::Point;
use crate::folder::write_new;
use crate::recorder::Recorder;
use crate::sheet::Sheet;

/// How the names of drawings begin while they are being written.
const HALF_DRAWN: &str = ".plot-";

/// Writes `front.csv`, `front.json`, `hypervolume.csv`, the plots and the picture grids.
pub(crate) fn draw_all(
    context: &Context<'_>,
    layout: &Layout,
    snapshot: &Snapshot,
    report: &FrontReport,
    points: &[(&Point, &Sheet)],
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let prompts = &context.request.prompts.held_out;
    recorder.phase(Phase::Drawing, points.len())?;
    let tables = [
        ("front.csv", report.front_csv()),
        ("hypervolume.csv", report.hypervolume_csv()),
        ("front.json", report.to_json()),
    ];
    let edges = report.soups.as_ref().filter(|soups| !soups.edges.is_empty());
    let edges = edges.map(|soups| ("soup-edges.csv", soups.edges_csv(&report.rewards)));
    for (name, text) in tables.into_iter().chain(edges) {
        let path = layout.root().join(name);
        write_new(&path, text.as_bytes())?;
        recorder.wrote(path)?;
    }
    prepare(&layout.plots_dir())?;
    points.iter().try_for_each(|(point, _)| prepare(&point.folder))?;
    let mut written = fronts::draw(layout, report)?;
    written.extend(curves::draw(layout, snapshot, report)?);
    written.extend(edges::draw(layout, report)?);
    written.extend(grids::draw_together(layout, points, prompts)?);
    for (index, (point, sheet)) in points.iter().enumerate() {
        written.extend(grids::draw_alone(point, sheet, prompts)?);
        let fraction = (index + 1) as f64 / points.len() as f64;
        recorder.emit(&RunEvent::Progress { phase: Phase::Drawing, fraction })?;
    }
    written.into_iter().try_for_each(|path| recorder.wrote(path))
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
