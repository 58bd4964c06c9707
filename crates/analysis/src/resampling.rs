//! The bootstrap of an experiment, and columns as it takes them.

use moa_core::ScoreColumn;
use moa_core::experiment::ExperimentSpec;
use moa_pareto::{Bootstrap, Interval, Sample};

use crate::AnalysisError;

/// The level of every interval, bound and claim.
pub const LEVEL: f64 = 0.95;

/// Half a normal interval of this level, in standard errors.
pub(crate) const HALF: f64 = 1.96;

/// Returns the bootstrap of an experiment's evaluations: 95 % intervals, the same resamples for every figure.
pub fn bootstrap(spec: &ExperimentSpec) -> Bootstrap {
    Bootstrap { resamples: spec.evaluation.resamples as usize, level: LEVEL, ..Bootstrap::seeded(spec.evaluation.seed) }
}

/// How often a look at a run that is trained may find something although nothing is wrong, all of its claims together: once in twenty
/// trainings of 25 looks.
pub const FALSE_ALARMS: f64 = 0.002;

/// Resamples of a look's prompts: its own, so that reports may ask for others later.
const RESAMPLES_OF_LOOKS: usize = 2000;

/// Returns the bootstrap of a look at a run while it is trained.
pub fn bootstrap_of_look(seed: u64) -> Bootstrap {
    Bootstrap { resamples: RESAMPLES_OF_LOOKS, level: 1.0 - FALSE_ALARMS, ..Bootstrap::seeded(seed) }
}

/// Returns the paired difference of a column to the base's, with its interval.
///
/// # Errors
/// Refuses columns over different prompts.
pub(crate) fn difference(
    bootstrap: &Bootstrap,
    column: &ScoreColumn,
    base: &ScoreColumn,
    range: Option<[f64; 2]>,
) -> Result<Interval, AnalysisError> {
    if !column.pairs_with(base) {
        return Err(AnalysisError::OtherPrompts { column: column.name.clone() });
    }
    let sample = |column| Sample::within(column, range);
    Ok(bootstrap.paired_difference(sample(&column.prompt_means), sample(&base.prompt_means))?)
}

/// Returns the differences of two columns by prompt.
///
/// # Errors
/// Refuses columns over different prompts.
pub(crate) fn differences(column: &ScoreColumn, base: &ScoreColumn) -> Result<Vec<f64>, AnalysisError> {
    if !column.pairs_with(base) {
        return Err(AnalysisError::OtherPrompts { column: column.name.clone() });
    }
    Ok(column.prompt_means.iter().zip(&base.prompt_means).map(|(one, other)| one - other).collect())
}
