//! The results of phases, as they lie in their folders.

use std::path::Path;

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_store::{AcrossRecord, Layout, RunHistory, StoreError};

use super::{PhaseReport, PhaseResults};
use crate::AnalysisError;

impl PhaseReport {
    /// Reads what the phases of an experiment have left in its results folder so far.
    ///
    /// # Errors
    /// Says which file cannot be read; refuses the results of an experiment without phases.
    pub fn read(root: &Path) -> Result<Self, AnalysisError> {
        let layout = Layout::new(root);
        let kept = |root: &Path| {
            let file = Layout::new(root).experiment_file();
            ExperimentSpec::load_kept(&file).map_err(|error| AnalysisError::Phases { reason: error.to_string() })
        };
        let spec = kept(root)?;
        if spec.phases.is_empty() {
            let reason = format!("{} holds an experiment without phases", root.display());
            return Err(AnalysisError::Phases { reason });
        }
        let phases: Vec<ExperimentSpec> = (0..spec.phases.len()).filter_map(|index| spec.phase(index)).collect();
        let folder = |index: usize| layout.phases_dir().join(spec.phase_folder(index));
        let mut results = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            let own = Layout::new(folder(index));
            let mut after = Vec::new();
            for (other, theirs) in phases.iter().enumerate() {
                let record = |run: &RunId| -> Result<Option<EvaluationRecord>, StoreError> {
                    if other == index {
                        return evaluation(&own, PointKind::Trained, run);
                    }
                    let across = AcrossRecord::read(&own.across_dir(&spec.phase_folder(other), run))?;
                    Ok(across.map(|across| across.record))
                };
                let runs = theirs.weightings().into_iter();
                after.push(runs.map(|(run, _)| record(&run)).collect::<Result<Vec<_>, _>>()?);
            }
            let base = evaluation(&own, PointKind::Base, &RunId(RunId::BASE.into()))?;
            results.push(PhaseResults { name: spec.phases[index].name.clone(), spec: phase.clone(), base, after });
        }
        Self::of(spec.name.as_deref().unwrap_or_default(), &results)
    }
}

/// Returns the last evaluation of a point.
fn evaluation(layout: &Layout, kind: PointKind, run: &RunId) -> Result<Option<EvaluationRecord>, StoreError> {
    let history = RunHistory::read(&layout.log_file(kind, run))?;
    Ok(history.and_then(|history| history.evaluation).map(|(_, record)| record))
}
