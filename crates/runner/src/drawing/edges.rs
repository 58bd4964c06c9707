//! Shares against rewards: one row of panels for each edge between two adapters.

use std::path::PathBuf;

use moa_analysis::{Edge, EdgePath, FrontReport};
use moa_core::PointKind;
use moa_plot::{EdgeLine, EdgePanel, EdgeRow, PlotError, draw_edges};
use moa_store::Layout;

use super::drawn;
use super::fronts::marker;

/// With more edges than this the first ones are drawn; `soup-edges.csv` has them all.
const MOST_EDGES: usize = 12;

/// Draws the edges and returns the files; nothing where no soups or blends lie between two adapters. `labels` are the rewards' names with
/// their units.
pub(super) fn draw(layout: &Layout, report: &FrontReport, labels: &[String]) -> Result<Vec<PathBuf>, PlotError> {
    let Some(comparison) = report.soups.as_ref().filter(|soups| !soups.edges.is_empty()) else { return Ok(Vec::new()) };
    let line = |path: &EdgePath, reward: usize| {
        let gains = path.gains.as_ref().unwrap_or(&path.rewards);
        let points = path.shares.iter().copied().zip(gains[reward].iter().map(|gain| drawn(report, *gain)));
        // The ends are trained adapters whatever lies between.
        let inner = points.clone().filter(|(share, _)| (1e-9..1.0 - 1e-9).contains(share)).collect();
        let ends = points.filter(|(share, _)| !(1e-9..1.0 - 1e-9).contains(share)).collect();
        EdgeLine { kind: marker(path.kind), inner, ends }
    };
    let row = |edge: &Edge| EdgeRow {
        from: edge.from.to_string(),
        to: edge.to.to_string(),
        panels: labels
            .iter()
            .enumerate()
            .map(|(reward, label)| EdgePanel {
                title: label.clone(),
                lines: edge.paths.iter().map(|path| line(path, reward)).collect(),
            })
            .collect(),
    };
    let rows: Vec<EdgeRow> = comparison.edges.iter().take(MOST_EDGES).map(row).collect();
    let has_base = report.points.iter().any(|point| point.kind == PointKind::Base);
    let title = if has_base {
        "Gain over the base between two adapters, with 95 % intervals of the paired difference"
    } else {
        "Rewards between two adapters, with 95 % intervals"
    };
    let mut written = Vec::new();
    for ending in ["svg", "png"] {
        let path = layout.plot_file(&format!("soup-edges.{ending}"));
        draw_edges(&path, title, &rows)?;
        written.push(path);
    }
    Ok(written)
}
