//! The figures of an experiment, as `moa front` prints them.

use std::path::Path;

use moa_analysis::report::FrontPoint;
use moa_analysis::{FrontReport, Scales, shares_by_name};
use moa_core::{EvaluationRecord, ExperimentSpec};
use moa_store::{Layout, Snapshot};
use moa_tui::{Figures, Point, Reply, Score};

use crate::error::CliError;
use crate::experiment::Experiment;

/// Returns the figures of the experiment in a folder, from its evaluations.
///
/// # Errors
/// Says what cannot be read.
pub(super) fn of(root: &Path, evaluations: Vec<EvaluationRecord>) -> Result<Reply, CliError> {
    let layout = Layout::new(root);
    let spec = ExperimentSpec::load_kept(&layout.experiment_file())?;
    let scales = Scales::read(&layout, &spec, &evaluations)?;
    let (corners, shares) = shares_by_name(&spec, &evaluations);
    let report = FrontReport::of(&Snapshot { evaluations, ..Snapshot::default() }, &spec, scales)?;
    let prompts = Experiment::load_kept(root).map(|experiment| experiment.prompts.held_out);
    let point = |point: &FrontPoint| Point {
        id: point.id.clone(),
        kind: point.kind,
        weighting: point.weighting.clone(),
        shares: shares.get(&point.id).cloned(),
        rewards: point.rewards.iter().map(score).collect(),
        judges: point.judges.iter().map(score).collect(),
        placing: point.placing,
        warnings: point.suspected_hacking.iter().map(ToString::to_string).collect(),
    };
    let volumes = report.hypervolumes.as_ref();
    let figures = Figures {
        rewards: report.rewards.clone(),
        judges: report.judges.clone(),
        scales: report.scales.clone(),
        points: report.points.iter().map(point).collect(),
        hypervolume: volumes.map(|volumes| volumes.all),
        base_hypervolume: volumes.and_then(|volumes| volumes.base),
        corners,
        // Prompts of a file that is gone are no reason to show no figures.
        prompts: prompts.unwrap_or_default(),
        resampled: true,
    };
    Ok(Reply::Figures(root.to_path_buf(), Box::new(figures)))
}

/// Returns a score in the UI's form.
pub(super) fn score(score: &moa_analysis::Score) -> Score {
    let moa_analysis::Score { mean, difference, .. } = score;
    Score { mean: *mean, difference: *difference }
}
