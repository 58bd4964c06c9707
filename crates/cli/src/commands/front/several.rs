//! Fronts of several experiments over each other.

use std::path::PathBuf;

use super::Arguments;
use crate::commands::compare;
use crate::error::CliError;
use crate::output::print;

/// Prints the points of several experiments, gains over their bases on the same prompts, and their hypervolumes on one scale.
///
/// # Errors
/// Refuses what `moa compare` does, and options that are about one experiment.
pub(super) fn run(arguments: &Arguments, folders: &[PathBuf]) -> Result<(), CliError> {
    let of_one = [
        ("--csv", arguments.csv, "`moa compare --format csv --what points` writes those of several"),
        ("--json", arguments.json, "`moa compare --format json` writes those of several"),
        ("--judges", arguments.judges, "`moa compare` shows the judges of several"),
        ("--tasks", arguments.tasks.is_some(), "name one results folder"),
        ("--levels", arguments.levels, "experiments are compared by their gains"),
        ("--between", !arguments.between.is_empty(), "name one results folder"),
        ("--where", !arguments.conditions.is_empty(), "name one results folder"),
        ("--maximize", arguments.maximize.is_some(), "name one results folder"),
    ];
    if let Some((option, _, hint)) = of_one.iter().find(|(_, given, _)| *given) {
        return Err(
            CliError::usage(format!("{option} shows one experiment, and {} are named", folders.len())).hint(*hint)
        );
    }
    print(compare::fronts(folders)?)
}
