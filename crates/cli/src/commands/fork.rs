//! `moa fork`: a new experiment with the runs of another that stay the same.

use std::path::PathBuf;

use moa_runner::{Strangers, bring};

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::output::print;
use crate::results;
use crate::setting::Settings;

/// Begins an experiment with those runs of another that it would train alike.
///
/// A sweep refuses a folder whose runs were trained with other settings. This copies the runs that stay the same into a folder
/// of its own; `moa sweep` then trains the others there. The old results do not change.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  moa fork results/my new.ron --keep runs          into results/new; then: moa sweep new.ron")]
pub(crate) struct Arguments {
    /// The results folder to take runs from
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// The new experiment file
    #[arg(value_name = "FILE")]
    experiment: PathBuf,

    /// What is copied
    #[arg(long, value_enum, default_value_t = Keep::Runs)]
    keep: Keep,

    /// Where its results go [default: results/<name of the experiment>]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

/// What a fork takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Keep {
    /// Runs that are trained alike: checkpoints, metrics, adapters, evaluations
    Runs,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let Arguments { keep: Keep::Runs, .. } = arguments;
    let results = &results::find(&arguments.results)?;
    let experiment = Experiment::load(&arguments.experiment, &arguments.settings)?;
    let out = arguments.out.clone().unwrap_or_else(|| experiment.default_results());
    if same_folder(&out, results) {
        let message =
            format!("{}: the new experiment's results would go into the folder that is forked", out.display());
        return Err(CliError::usage(message).hint("name another folder with `--out`"));
    }
    let device = experiment.device(global)?;
    let models = experiment.models(&device)?;
    let request = experiment.request(&device, &out, std::sync::Arc::default());
    let brought = bring(&request, &models, std::slice::from_ref(results), Strangers::Left)?;
    let names = |runs: &mut dyn Iterator<Item = String>| runs.collect::<Vec<_>>().join(", ");
    let taken = names(&mut brought.taken.iter().map(ToString::to_string));
    let left = names(&mut brought.left.iter().map(|(run, field)| format!("{run} (another {field})")));
    let left = if left.is_empty() { String::new() } else { format!("left     {left}\n") };
    print(format!("taken    {taken}\n{left}results  {}\n", out.display()))
}

fn same_folder(one: &std::path::Path, other: &std::path::Path) -> bool {
    let real = |path: &std::path::Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    matches!((real(one), real(other)), (Ok(one), Ok(other)) if one == other)
}
