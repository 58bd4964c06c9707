//! Curves over epochs: rewards of every run, and how the training itself went.

use std::path::PathBuf;

use moa_analysis::FrontReport;
use moa_plot::{Curve, CurvePanel, PlotError, draw_curves};
use moa_store::{Layout, Snapshot};

/// What is drawn of the training itself, with its unit.
const TRAINING: [(&str, &str); 4] = [
    ("grad_norm", "gradient norm before clipping"),
    ("approx_kl", "approximate KL to the rollout (nats per dimension)"),
    ("clip_fraction", "share of clipped ratios"),
    ("silent_groups", "share of groups without spread"),
];

/// Draws the curves and returns the files.
pub(super) fn draw(layout: &Layout, snapshot: &Snapshot, report: &FrontReport) -> Result<Vec<PathBuf>, PlotError> {
    let rewards = report.rewards.iter().map(|name| (format!("reward/{name}/mean"), name.clone()));
    let training = TRAINING.iter().map(|(metric, title)| ((*metric).to_owned(), (*title).to_owned()));
    let mut written = Vec::new();
    for (name, title, metrics) in [
        ("curves", "Rewards of the training pictures, mean of each epoch", rewards.collect::<Vec<_>>()),
        ("training", "Training", training.collect()),
    ] {
        let panels: Vec<CurvePanel> =
            metrics.into_iter().filter_map(|(metric, title)| panel(snapshot, &metric, title)).collect();
        if panels.is_empty() {
            continue;
        }
        for ending in ["svg", "png"] {
            let path = layout.plot_file(&format!("{name}.{ending}"));
            draw_curves(&path, title, "epoch", &panels)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Returns one metric of every run; nothing where no run has it.
fn panel(snapshot: &Snapshot, metric: &str, title: String) -> Option<CurvePanel> {
    let curve = |run: &moa_core::RunRecord| {
        let points: Vec<(f64, f64)> =
            snapshot.curve(&run.id, metric).map(|(epoch, value)| (f64::from(epoch), value)).collect();
        (!points.is_empty()).then(|| Curve { label: run.id.to_string(), points })
    };
    let curves: Vec<Curve> = snapshot.runs.iter().filter_map(curve).collect();
    (!curves.is_empty()).then_some(CurvePanel { title, curves })
}
