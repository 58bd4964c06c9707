//! `moa gather`: one front of parts that were trained apart.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use moa_runner::{Strangers, bring, gather};
use moa_store::Layout;

use super::sweep::{conclude, told};
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::interrupt;
use crate::output::say;
use crate::panic::on_device;
use crate::progress::Display;
use crate::results;

/// Puts parts of a sweep together: evaluates what is missing, merges soups, reports and draws.
///
/// Parts are made by `moa sweep --partition`, in the same folder or in others, which are named here: their runs are copied. What is
/// there already is not repeated, so gathering twice changes nothing. Runs that are missing are named at the end, with exit code 1;
/// the others are reported nevertheless.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa gather results/my                            parts that were trained into this folder
  moa gather results/my /mnt/a/my /mnt/b/my        and into two others")]
pub(crate) struct Arguments {
    /// The results folder, or the experiment file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// Results folders with further parts
    #[arg(value_name = "PART")]
    parts: Vec<PathBuf>,

    /// Show progress as lines, as without a terminal
    #[arg(long)]
    plain: bool,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let Arguments { plain, .. } = arguments;
    let (results, parts) = (&results::find(&arguments.results)?, &results::find_all(&arguments.parts)?);
    // A folder that is new is of the experiment that its parts are of.
    let known = Layout::new(results).experiment_file().exists();
    let experiment = Experiment::load_kept(parts.first().filter(|_| !known).unwrap_or(results))?;
    let device = experiment.device(global)?;
    let display = Display::choose(global.quiet, *plain);
    let above = display.speaker();
    let stop = interrupt::catch(move || above("stopping after the current evaluation; Ctrl-C again stops at once"))?;
    let models = experiment.models(&device)?;
    let request = experiment.request(&device, results, stop.flag());
    if !parts.is_empty() {
        let brought = bring(&request, &models, parts, Strangers::Refused)?;
        let (taken, runs) = (brought.taken.len(), experiment.plan.runs);
        say(&format!("{taken} of {runs} runs copied into {}", results.display()));
    }
    let outcome = {
        let mut sink = display.sink(&experiment.plan);
        let work = AssertUnwindSafe(|| gather(&request, &models, &mut *sink));
        on_device(work, |failure| told(failure, &experiment, &device, results))??
    };
    conclude(outcome, &experiment, results)
}
