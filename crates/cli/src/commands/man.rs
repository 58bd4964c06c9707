//! `moa man`: the manual pages.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use moa_store::write_atomically;

use crate::error::CliError;
use crate::output::say;
use crate::text::count;

/// Writes a manual page for moa, and one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  moa man -o ~/.local/share/man/man1 && man moa-sweep")]
pub(crate) struct Arguments {
    /// The folder to write
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages of `command`, which is all of moa.
pub(crate) fn run(arguments: &Arguments, command: Command) -> Result<(), CliError> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let written = write(&command, "moa", &arguments.out)?;
    say(&format!("wrote {} into {}", count(written, "page"), arguments.out.display()));
    Ok(())
}

/// Writes the page of a command and those of its own commands, and returns how many.
fn write(command: &Command, name: &str, folder: &Path) -> Result<u64, CliError> {
    let mut text = Vec::new();
    Man::new(command.clone().display_name(name.to_owned()))
        .render(&mut text)
        .map_err(|error| CliError::failure(format!("failed to write the page of {name}: {error}")))?;
    write_atomically(&folder.join(format!("{name}.1")), &text)?;
    let mut written = 1;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        written += write(inner, &format!("{name}-{}", inner.get_name()), folder)?;
    }
    Ok(written)
}
