//! Gains of the versions of runs that are trained online.

use std::path::PathBuf;

use moa_core::RunId;
use moa_plot::{Curve, CurvePanel, PlotError, draw_curves};
use moa_store::{Layout, Standing, StoreError, Version, VersionGain, Versions};

/// Draws what the versions of runs gain over the base by reward and judge, on the reference and on prompts that arrived, and returns the
/// files. Versions that were taken back are left out.
pub(super) fn draw(
    layout: &Layout,
    histories: &[(RunId, Versions)],
    rewards: &[String],
) -> Result<Vec<PathBuf>, PlotError> {
    let of_rewards = |version: &Version| version.rewards.clone();
    let of_judges = |version: &Version| version.judges.clone();
    let on_arrivals = |version: &Version| version.on_arrivals.clone();
    let judges = histories.iter().flat_map(|(_, versions)| versions.all());
    let mut judges: Vec<String> =
        judges.flat_map(|(version, _)| version.judges.iter().map(|gain| gain.name.clone())).collect();
    judges.sort();
    judges.dedup();
    let mut panels = Vec::new();
    let mut add = |names: &[String], what: &str, gains: &dyn Fn(&Version) -> Vec<VersionGain>| {
        panels.extend(names.iter().filter_map(|name| panel(histories, name, format!("{name}{what}"), gains)));
    };
    add(rewards, ", on the reference", &of_rewards);
    add(rewards, ", on prompts that arrived", &on_arrivals);
    add(&judges, " (judge), on the reference", &of_judges);
    let mut written = Vec::new();
    for ending in ["svg", "png"].into_iter().filter(|_| !panels.is_empty()) {
        let path = layout.plot_file(&format!("versions.{ending}"));
        draw_curves(&path, "Gains of the versions over the base", "epoch", &panels)?;
        written.push(path);
    }
    Ok(written)
}

/// Reads the versions of runs.
///
/// # Errors
/// Names the history that is unreadable or damaged.
pub(super) fn read(
    layout: &Layout,
    runs: impl IntoIterator<Item = RunId>,
) -> Result<Vec<(RunId, Versions)>, StoreError> {
    runs.into_iter().map(|run| Versions::read(layout, &run).map(|versions| (run, versions))).collect()
}

fn panel(
    histories: &[(RunId, Versions)],
    name: &str,
    title: String,
    gains: &dyn Fn(&Version) -> Vec<VersionGain>,
) -> Option<CurvePanel> {
    let curve = |(run, versions): &(RunId, Versions)| {
        let point = |(version, standing): (&Version, Standing)| {
            let gain = gains(version).into_iter().find(|gain| gain.name == name && standing != Standing::Withdrawn)?;
            Some((f64::from(version.after_epoch), gain.mean))
        };
        let points: Vec<(f64, f64)> = versions.all().into_iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Curve { label: run.to_string(), points })
    };
    let curves: Vec<Curve> = histories.iter().filter_map(curve).collect();
    (!curves.is_empty()).then_some(CurvePanel { title, curves })
}
