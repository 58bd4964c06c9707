//! The figures of an experiment, as `moa front` prints them.

use std::path::Path;

use moa_analysis::attack::{AttackLog, AttackReport};
use moa_analysis::{FrontReport, Scales, bootstrap};
use moa_core::{EvaluationRecord, ExperimentSpec};
use moa_store::{Layout, Snapshot};
use moa_tui::{Figures, Reply};

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
    let report = FrontReport::of(&Snapshot { evaluations, ..Snapshot::default() }, &spec, scales)?;
    // Prompts of a file that is gone are no reason to show no figures.
    let prompts = Experiment::load_kept(root).map_or_else(|_| Vec::new(), |experiment| experiment.prompts.held_out);
    let logs = AttackLog::read_all(root)?;
    let attacks = (!logs.is_empty()).then(|| AttackReport::of(&logs, &bootstrap(&spec))).transpose()?;
    let figures = Figures::new(report, &spec, prompts, true).with_attacks(attacks);
    Ok(Reply::Figures(root.to_path_buf(), Box::new(figures)))
}
