//! `moa rollback`: back to an earlier version of adapters that are trained online.

use std::path::PathBuf;

use moa_runner::{RollBack, roll_back};

use super::history::{named, online};
use super::note::layout;
use crate::error::CliError;
use crate::output::say;
use crate::text::count;

/// Goes back to an earlier version of adapters that are trained online: it is released again, and training goes on from it.
///
/// Prompts that arrived since that version are set aside: the next `moa sweep` goes on from there with what arrives from now on. Nothing is
/// deleted: later versions stay in the history as withdrawn. Refused while a sweep works on the results.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa rollback results/my                          to the last sound version before the newest
  moa rollback results/my --to 3
  moa rollback results/my safety --release-only    release an earlier adapter of one run; training stays where it is")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// With --release-only, these runs alone
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// The version to go back to [default: the last sound one before the newest]
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,

    /// Release the earlier version, and leave training where it is
    #[arg(long)]
    release_only: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layout = layout(&arguments.results)?;
    let spec = online(&layout)?;
    let runs = named(&layout, &spec, &arguments.runs)?;
    let done = roll_back(&RollBack {
        results: layout.root(),
        spec: &spec,
        to: arguments.to,
        runs: if arguments.runs.is_empty() { &[] } else { &runs },
        releases_alone: arguments.release_only,
    })?;
    for (run, version, epochs) in &done.runs {
        say(&format!("{run}: version {version} is released again, of epoch {epochs}"));
    }
    if let Some(prompts) = done.set_aside {
        say(&format!(
            "the same `moa sweep` goes on training from there; {} set aside",
            if prompts == 1 {
                "1 prompt that arrived since is".to_owned()
            } else {
                format!("{} that arrived since are", count(prompts as u64, "prompt"))
            }
        ));
    }
    Ok(())
}
