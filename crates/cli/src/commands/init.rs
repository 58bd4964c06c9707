//! `moa init`: a commented experiment file.

use std::fs;
use std::path::PathBuf;

use moa_core::experiment::template;
use moa_store::write_atomically;

use crate::error::CliError;
use crate::output::say;

/// Writes a commented experiment file to start from.
///
/// Every field is there with its default and its meaning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa init                 write experiment.ron
  moa init experiments/my.ron")]
pub(crate) struct Arguments {
    /// The file to write
    #[arg(default_value = "experiment.ron")]
    file: PathBuf,

    /// Replace the file if it exists
    #[arg(long, short)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let file = &arguments.file;
    if fs::symlink_metadata(file).is_ok() && !arguments.force {
        return Err(CliError::failure(format!("{} exists", file.display()))
            .hint("name another file, or replace this one with --force"));
    }
    write_atomically(file, template().as_bytes())?;
    say(&format!("wrote {0}; `moa check {0}` prints the plan", file.display()));
    Ok(())
}
