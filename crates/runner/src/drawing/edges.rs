//! Shares against rewards: one panel for each reward, one line for each edge between two adapters.

use std::path::PathBuf;

use moa_plot::{Curve, CurvePanel, PlotError, draw_curves};
use moa_store::Layout;

use crate::report::{Edge, FrontReport};

/// Draws the edges and returns the files; nothing where no soups lie between two adapters.
pub(super) fn draw(layout: &Layout, report: &FrontReport) -> Result<Vec<PathBuf>, PlotError> {
    let Some(soups) = report.soups.as_ref().filter(|soups| !soups.edges.is_empty()) else { return Ok(Vec::new()) };
    let curve = |edge: &Edge, reward: usize| Curve {
        label: format!("{} → {}", edge.from, edge.to),
        points: edge.shares.iter().copied().zip(edge.rewards[reward].iter().map(|mean| mean.mean)).collect(),
    };
    let panel = |(reward, name): (usize, &String)| CurvePanel {
        title: name.clone(),
        curves: soups.edges.iter().map(|edge| curve(edge, reward)).collect(),
    };
    let panels: Vec<CurvePanel> = report.rewards.iter().enumerate().map(panel).collect();
    let mut written = Vec::new();
    for ending in ["svg", "png"] {
        let path = layout.plot_file(&format!("soup-edges.{ending}"));
        draw_curves(&path, "Soups between two adapters", "share of the second adapter", &panels)?;
        written.push(path);
    }
    Ok(written)
}
