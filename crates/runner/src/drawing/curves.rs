//! Curves over epochs: rewards of every run, and how the training itself went.

use std::collections::BTreeSet;
use std::path::PathBuf;

use moa_analysis::FrontReport;
use moa_core::{RunId, metric};
use moa_plot::{Curve, CurvePanel, PlotError, draw_curves};
use moa_store::{Layout, Snapshot};

use crate::evaluation::Point;

/// What is drawn of the training itself, with its unit.
const TRAINING: [(&str, &str); 8] = [
    (metric::LOSS, "loss"),
    (metric::GRAD_NORM, "gradient norm before clipping"),
    (metric::KL_TO_BASE, "distance to the base"),
    (metric::APPROX_KL, "approximate KL to the rollout (nats per dimension)"),
    (metric::CLIP_FRACTION, "share of clipped ratios"),
    (metric::SILENT_GROUPS, "share of groups without spread"),
    (metric::IMPLIED_REWARD, "implied reward, mean"),
    (metric::PAIRS_RIGHT, "share of pairs ordered as decided"),
];

/// Draws the curves of those that are shown, and returns the files. `labels` are the rewards' names with their units.
pub(super) fn draw(
    layout: &Layout,
    snapshot: &Snapshot,
    report: &FrontReport,
    labels: &[String],
    shown: &[&Point],
) -> Result<Vec<PathBuf>, PlotError> {
    let runs: BTreeSet<&RunId> = shown.iter().map(|point| &point.id).collect();
    let of = |metric: fn(&str) -> String| -> Vec<(String, String)> {
        report.rewards.iter().zip(labels).map(|(name, label)| (metric(name), label.clone())).collect()
    };
    let mut gains = of(metric::reward_gain);
    gains.extend(report.judges.iter().map(|name| (metric::judge_gain(name), format!("{name} (judge)"))));
    let training = TRAINING.iter().map(|(metric, title)| ((*metric).to_owned(), (*title).to_owned()));
    let named = |metric: fn(&str) -> String, what: &str| -> Vec<(String, String)> {
        report.rewards.iter().map(|name| (metric(name), format!("{name}: {what}"))).collect()
    };
    let mut steering = named(metric::reward_share, "weight");
    steering.extend(named(metric::constraint_multiplier, "multiplier of the constraint"));
    steering.extend(named(metric::constraint_slack, "above its bound (base's sd)"));
    // Means follow which prompts an epoch happened to draw; gains over the base on the same prompts do not.
    let mut metrics = snapshot.epochs.values().flatten().flat_map(|epoch| epoch.metrics.keys());
    let are_compared = metrics.any(|metric| metric::reward_of_epoch_gain(metric).is_some());
    let (of_epochs, title_of_epochs) = if are_compared {
        (of(metric::reward_epoch_gain), "Gains of the training images over the base, on each epoch's own prompts")
    } else {
        (of(metric::reward_mean), "Rewards of the training images, mean of each epoch")
    };
    let mut written = Vec::new();
    // Before training every run is the base, and has gained nothing.
    let untrained = [(0.0, 0.0)];
    for (name, title, metrics, start) in [
        ("gains", "Gains over the base on the same prompts and noise during training", gains, &untrained[..]),
        ("curves", title_of_epochs, of_epochs, &[]),
        ("training", "Training", training.collect(), &[]),
        ("steering", "Weights of the rewards and state of the constraints after each probe", steering, &[]),
    ] {
        let panels: Vec<CurvePanel> =
            metrics.into_iter().filter_map(|(metric, title)| panel(snapshot, &runs, &metric, title, start)).collect();
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

/// Returns one metric of every run, after points that are known without it; nothing where no run has it.
fn panel(
    snapshot: &Snapshot,
    runs: &BTreeSet<&RunId>,
    metric: &str,
    title: String,
    start: &[(f64, f64)],
) -> Option<CurvePanel> {
    let curve = |run: &moa_core::RunRecord| {
        let measured = snapshot.curve(&run.id, metric).map(|(epoch, value)| (f64::from(epoch), value));
        let points: Vec<(f64, f64)> = start.iter().copied().chain(measured).collect();
        (points.len() > start.len()).then(|| Curve { label: run.id.to_string(), points })
    };
    let curves: Vec<Curve> = snapshot.runs.iter().filter(|run| runs.contains(&run.id)).filter_map(curve).collect();
    (!curves.is_empty()).then_some(CurvePanel { title, curves })
}
