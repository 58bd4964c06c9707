//! `moa completions`: what a shell completes.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::error::CliError;
use crate::output::print;

/// Prints a script by which a shell completes commands, options and their values.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa completions bash > ~/.local/share/bash-completion/completions/moa
  moa completions zsh > ~/.zfunc/_moa          with fpath+=~/.zfunc before compinit in ~/.zshrc
  moa completions fish > ~/.config/fish/completions/moa.fish")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Prints what completes `command`, which is all of moa.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "moa", &mut script);
    print(script)
}
