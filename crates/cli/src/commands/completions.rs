//! `moa completions`: what a shell completes.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Args;
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

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut Args::command(), "moa", &mut script);
    print(script)
}
