//! Curves over epochs: gains at probes, and rewards of the training images.

use moa_core::{RunId, metric};
use moa_store::Snapshot;

use crate::data::{CurveGroup, CurveLine, CurvePanel};
use crate::number::short;

/// Lines of one run have at most so many points; of longer ones, every so many are left out.
const MOST_POINTS: usize = 300;

/// Returns the curves of some runs, as far as there are any.
pub(crate) fn of(snapshot: &Snapshot, runs: &[RunId], rewards: &[String], judges: &[String]) -> Vec<CurveGroup> {
    let mut gains: Vec<(String, String)> =
        rewards.iter().map(|name| (metric::reward_gain(name), name.clone())).collect();
    gains.extend(judges.iter().map(|name| (metric::judge_gain(name), format!("{name} (held-out judge)"))));
    let means = rewards.iter().map(|name| (metric::reward_mean(name), name.clone())).collect();
    let group = |title, about, metrics: Vec<(String, String)>, start: &[(u32, Option<f64>)]| {
        let panel = |(metric, title): (String, String)| panel(snapshot, runs, &metric, title, start);
        CurveGroup { title, about, panels: metrics.into_iter().filter_map(panel).collect() }
    };
    let groups = [
        group(
            "Gains at probes",
            "Gains over the base on the same prompts and noise during training. The prompts are training prompts.",
            gains,
            // Before training every run is the base, and has gained nothing.
            &[(0, Some(0.0))],
        ),
        group(
            "Rewards in training",
            "Means of the rewards over the training images of each epoch. Prompts change from epoch to epoch, so the curves vary.",
            means,
            &[],
        ),
    ];
    groups.into_iter().filter(|group| !group.panels.is_empty()).collect()
}

/// Returns one metric of every run, after points that are known without it; nothing where no run has it.
fn panel(
    snapshot: &Snapshot,
    runs: &[RunId],
    metric: &str,
    title: String,
    start: &[(u32, Option<f64>)],
) -> Option<CurvePanel> {
    let line = |run: &RunId| {
        let measured: Vec<(u32, Option<f64>)> =
            snapshot.curve(run, metric).map(|(epoch, value)| (epoch, short(value))).collect();
        let step = measured.len().div_ceil(MOST_POINTS).max(1);
        let last = measured.len().checked_sub(1)?;
        let kept = measured.into_iter().enumerate().filter(|(place, _)| place % step == 0 || *place == last);
        let points = start.iter().copied().chain(kept.map(|(_, point)| point)).collect();
        Some(CurveLine { run: run.to_string(), points })
    };
    let lines: Vec<CurveLine> = runs.iter().filter_map(line).collect();
    (!lines.is_empty()).then_some(CurvePanel { title, lines })
}
