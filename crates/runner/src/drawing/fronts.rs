//! The front: all pairs of rewards in one figure, and each pair in its own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use moa_analysis::{FrontReport, Score};
use moa_core::{PointKind, RunId};
use moa_plot::{FrontPoint, PlotError, draw_front_pair, draw_fronts};
use moa_store::Layout;

use super::drawn;
use crate::evaluation::Point;

/// With more rewards than this the pairs are too many to be drawn each by itself.
const MOST_REWARDS: usize = 6;

/// Draws the fronts of those that are shown and returns the files; a single reward has none. `labels` are the rewards' names with their
/// units.
pub(super) fn draw(
    layout: &Layout,
    report: &FrontReport,
    labels: &[String],
    shown: &[&Point],
) -> Result<Vec<PathBuf>, PlotError> {
    let shown: BTreeSet<&RunId> = shown.iter().map(|point| &point.id).collect();
    let points = report.points.iter().filter(|own| shown.contains(&own.id));
    let points: Vec<FrontPoint> = points.map(|own| point(report, own)).collect();
    let (rewards, count) = (&report.rewards, report.rewards.len());
    let mut written = Vec::new();
    if count < 2 {
        return Ok(written);
    }
    for ending in ["svg", "png"] {
        let path = layout.plot_file(&format!("front.{ending}"));
        draw_fronts(&path, labels, &points)?;
        written.push(path);
        let pairs = (0..count).flat_map(|y| (0..y).map(move |x| (x, y)));
        for pair in pairs.filter(|_| (3..=MOST_REWARDS).contains(&count)) {
            let path = layout.plot_file(&format!("front-{}-{}.{ending}", rewards[pair.0], rewards[pair.1]));
            draw_front_pair(&path, labels, &points, pair)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Returns a kind of point as plots know it.
pub(super) fn marker(kind: PointKind) -> moa_plot::PointKind {
    match kind {
        PointKind::Base => moa_plot::PointKind::Base,
        PointKind::Trained => moa_plot::PointKind::Trained,
        PointKind::Soup => moa_plot::PointKind::Soup,
        PointKind::Blend => moa_plot::PointKind::Blend,
        PointKind::Given => moa_plot::PointKind::Given,
    }
}

fn point(report: &FrontReport, point: &moa_analysis::report::FrontPoint) -> FrontPoint {
    FrontPoint {
        label: if point.added { format!("{} (added)", point.id) } else { point.id.to_string() },
        kind: marker(point.kind),
        on_front: point.placing.is_on(),
        rewards: point.rewards.iter().map(|score| drawn(report, Score::against_base(score))).collect(),
    }
}
