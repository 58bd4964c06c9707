//! `moa repair`: rebuilds the index of a results folder.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use moa_runner::repair;

use super::sweep::{conclude, told};
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::interrupt;
use crate::panic::on_device;
use crate::progress::Display;
use crate::results;

/// Rebuilds the index of a results folder from its runs' own folders, and reports and draws.
///
/// Each run keeps its settings, metrics, checkpoint and adapter under runs/. metrics.sled is an index for fast reading over
/// these files. If it is lost or damaged, this command rebuilds it; nothing is trained.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  moa repair results/my")]
pub(crate) struct Arguments {
    /// The results folder, or the experiment file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let results = &results::find(&arguments.results)?;
    let experiment = Experiment::load_kept(results)?;
    let device = experiment.device(global)?;
    let display = Display::choose(global.quiet, false);
    let say = display.speaker();
    let stop = interrupt::catch(move || say("stopping after the current evaluation; Ctrl-C again stops at once"))?;
    let models = experiment.models(&device)?;
    let request = experiment.request(&device, results, stop.flag());
    let outcome = {
        let mut sink = display.sink(&experiment.plan);
        let work = AssertUnwindSafe(|| repair(&request, &models, &mut *sink));
        on_device(work, |failure| told(failure, &experiment, &device, results))??
    };
    conclude(outcome, &experiment, results)
}
