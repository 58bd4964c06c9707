//! `moa check`: what an experiment will do, before it does it.

use std::path::PathBuf;

use crate::calibrate::{self, Need};
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::output::print;
use crate::text::{estimate, memory};

/// Checks an experiment file and prints the plan, with an estimate of time and memory.
///
/// The plan says runs, images and passes through the denoiser. The estimate comes from trying each part of the work on the device
/// for a moment; of a large denoiser on the CPU, from one pass, by known ratios. Memory grows with `training.micro_batch` above all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa check experiments/pareto.ron
  moa check experiments/pareto.ron --device libtorch:cuda:0")]
pub(crate) struct Arguments {
    /// The experiment file
    #[arg(value_name = "FILE")]
    experiment: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let experiment = Experiment::load(&arguments.experiment)?;
    moa_runner::check_preferences(&experiment.spec)?;
    let device = experiment.device(global)?;
    let models = experiment.models(&device)?;
    let estimated = calibrate::measure(&experiment, &models, &device)?;
    let line = |label: &str, need: Option<Need>, of: &str| {
        let Some(Need { bytes, available }) = need else { return String::new() };
        let short = available.filter(|available| *available < bytes);
        let short = short.map_or(String::new(), |available| too_much(&experiment, of, available));
        let label = if label.len() < 11 { format!("{label:<11}") } else { format!("{label} ") };
        format!("{label}about {}{short}\n", memory(bytes))
    };
    let memory = line("device memory", estimated.gpu, "the GPU") + &line("memory", estimated.host, "this machine");
    print(format!(
        "{} is a sound experiment.\n\n{}\n{}{:<11}{} on {}\n{memory}{:<11}{}\n",
        arguments.experiment.display(),
        experiment.describe_runs(),
        experiment.describe(),
        "time",
        estimate(estimated.seconds),
        device.description(),
        "results",
        experiment.default_results().display(),
    ))
}

/// Says that there is less memory than is wanted, and what to lower.
fn too_much(experiment: &Experiment, of: &str, available: u64) -> String {
    let micro_batch = experiment.spec.training.micro_batch;
    let least = experiment.spec.training.method.unit(&experiment.spec);
    let rows = if micro_batch > least {
        format!("lower `training.micro_batch` (now {micro_batch}; {least} is the least)")
    } else {
        "keep the base in fewer bits (`precision`), or take a smaller one".into()
    };
    let label = format!("{:<11}", "");
    let again = match experiment.spec.training.gradient_checkpointing {
        Some(false) => {
            format!("`training.gradient_checkpointing: true` takes far less, and a third more time;\n{label}")
        }
        _ => String::new(),
    };
    format!(
        ", more than the {} that {of} can give: {rows};\n{label}{again}`training.prompts_per_epoch`, `training.images_per_prompt` \
         and `sampler.steps` set how much of an epoch is held",
        memory(available)
    )
}
