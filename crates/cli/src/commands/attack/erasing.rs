//! The base after fine-tuning that erases what should not be drawn.

use moa_core::experiment::BUILT_IN_BASE;
use moa_runner::{ErasureRequest, RunnerError, VictimSpec, erase};
use moa_scenes::Concept;

use super::Arguments;
use crate::error::CliError;
use crate::experiment::Experiment;

/// Larger strengths are no fine-tuning.
const MOST_STRENGTH: f32 = 100.0;

/// Returns the prompts that name what is erased: those that are given, or the unsafe objects of the built-in scenes; none where nothing is to be
/// erased.
pub(super) fn concepts(arguments: &Arguments, experiment: &Experiment) -> Result<Vec<String>, CliError> {
    if arguments.erased.is_empty() {
        return Ok(Vec::new());
    }
    let strength = arguments.strength;
    if !(strength.is_finite() && (0.0..=MOST_STRENGTH).contains(&strength)) {
        return Err(CliError::usage(format!("--strength {strength}: give 0 to {MOST_STRENGTH}; 1 is usual")));
    }
    let given: Vec<String> = arguments.concept.iter().map(|concept| concept.trim().to_owned()).collect();
    if given.iter().any(String::is_empty) {
        return Err(
            CliError::usage("--concept: it names nothing").hint("write what should be erased, e.g. \"a knife\"")
        );
    }
    if !given.is_empty() {
        return Ok(given);
    }
    if experiment.spec.base != BUILT_IN_BASE {
        return Err(CliError::usage(format!("--erased: what should be erased from {}?", experiment.spec.base))
            .hint("name it with --concept, e.g. --concept \"a knife\"; it may be given several times"));
    }
    let is_unsafe = Concept::ALL.into_iter().filter(|concept| concept.is_unsafe());
    Ok(is_unsafe.map(|concept| concept.phrase().to_owned()).collect())
}

/// Returns the base after each number of steps that is asked for.
///
/// - `tell`: is told the share of all of them that is done
pub(super) fn erased(
    arguments: &Arguments,
    request: ErasureRequest<'_>,
    tell: &dyn Fn(f64),
) -> Result<Vec<VictimSpec>, RunnerError> {
    let mut all = arguments.erased.clone();
    all.sort_unstable();
    all.dedup();
    let count = all.len() as f64;
    let one =
        |(place, steps)| erase(&ErasureRequest { steps, ..request }, &|share| tell((place as f64 + share) / count));
    all.into_iter().enumerate().map(one).collect()
}
