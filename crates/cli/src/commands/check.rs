//! `moa check`: what an experiment will do, before it does it.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::calibrate::{self, Estimate, Need};
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::output::{detail, print, prose};
use crate::paint;
use crate::setting::Settings;
use crate::text::{between, memory};

/// Checks an experiment file and prints the plan, with an estimate of time and memory.
///
/// The plan has runs, images and passes through the denoiser. The estimate comes from measuring each part of the work on the device
/// for a moment; for a large denoiser on the CPU, from one pass and known ratios. Memory depends most on `training.micro_batch`.
/// If other programs keep the machine busy, the lower estimate is the time without them. Of an experiment in phases, each has a plan of its
/// own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Fields of JSON, which keep their names:
  format, file, name, valid, results   1, the file, the experiment's name, true, where results go
  rewards[]                 name, unit (null where there is none)
  runs[]                    id, shares by reward
  plan                      runs, soups, blends, epochs, method, train_prompts, held_out_prompts, training_images,
                            evaluation_images, forward_passes, training_passes
  device                    name, description
  time                      low_seconds, high_seconds
  memory, device_memory     low_bytes, high_bytes, available_bytes; null where the system does not tell
  machine                   cores, cores_taken, busy; null where the system does not tell
  warnings[]                texts
  phases[]                  of an experiment in phases: the plan of each, in place of its own

Examples:
  moa check experiments/pareto.ron
  moa check experiments/pareto.ron --set training.epochs=100
  moa check experiments/pareto.ron --json | jq .time.high_seconds
  moa check experiments/pareto.ron --device libtorch:cuda:0")]
pub(crate) struct Arguments {
    /// The experiment file
    #[arg(value_name = "FILE")]
    experiment: PathBuf,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let experiment = Experiment::load(&arguments.experiment, &arguments.settings)?;
    moa_runner::check_preferences(&experiment.spec)?;
    let device = experiment.device(global)?;
    if experiment.phases.is_empty() {
        return print(checked(arguments, &experiment, &experiment.default_results(), &device)?);
    }
    let out = experiment.default_results();
    let phases = experiment.phases.iter().enumerate().map(|(index, phase)| {
        let results = moa_runner::phase_folder(&experiment.spec, &out, index);
        checked(arguments, phase, &results, &device)
    });
    let phases = phases.collect::<Result<Vec<_>, _>>()?;
    print(if arguments.json {
        let phases: Vec<serde_json::Value> =
            phases.iter().filter_map(|phase| serde_json::from_str(phase).ok()).collect();
        let (file, results) = (arguments.experiment.display(), experiment.default_results());
        let results = results.display().to_string();
        let all = json!({ "format": 1, "file": file.to_string(), "name": experiment.name(), "valid": true, "results": results, "phases": phases });
        format!("{all:#}\n")
    } else {
        let heads = experiment.spec.phases.iter().enumerate();
        let heads = heads.map(|(index, phase)| format!("phase {} of {}, {}: ", index + 1, phases.len(), phase.name));
        heads.zip(&phases).map(|(head, text)| head + text).collect::<Vec<_>>().join("\n")
    })
}

/// Returns the plan of an experiment, or of a phase, with what it takes.
///
/// - `results`: where its results go
fn checked(
    arguments: &Arguments,
    experiment: &Experiment,
    results: &Path,
    device: &OpenDevice,
) -> Result<String, CliError> {
    moa_runner::check_given(&experiment.spec, results)?;
    let measurable = experiment.measurable();
    let models = measurable.models(device)?;
    let estimated = calibrate::measure(&measurable, &models, device)?;
    detail(|| match estimated.load {
        Some(load) => format!(
            "while costs were measured, other programs took {:.2} of {} cores, and this one had {:.0} % of what it could use",
            load.taken,
            load.cores,
            100.0 * load.share
        ),
        None => "the system does not report its load".into(),
    });
    Ok(if arguments.json {
        as_json(arguments, experiment, results, device, &estimated)
    } else {
        as_text(arguments, experiment, results, device, &estimated)
    })
}

fn as_text(
    arguments: &Arguments,
    experiment: &Experiment,
    results: &Path,
    device: &OpenDevice,
    estimated: &Estimate,
) -> String {
    let line = |label: &str, need: Option<Need>| {
        let Some(Need { bytes: [least, most], .. }) = need else { return String::new() };
        let [least, most] = [memory(least), memory(most)];
        let range = if least == most { format!("about {least}") } else { format!("{least} to {most}") };
        let label = if label.len() < 11 { format!("{label:<11}") } else { format!("{label} ") };
        format!("{label}{range}\n")
    };
    let memory = line("device memory", estimated.gpu) + &line("memory", estimated.host);
    let colours = paint::on_output();
    let warning = |text: &String| paint::label(&prose(&format!("warning: {text}\n")), colours);
    let warnings = warnings(experiment, estimated);
    let warnings = warnings.iter().map(|text| format!("\n{}", warning(text)));
    format!(
        "{} is a valid experiment.\n\n{}\n{}{:<11}{} on {}\n{memory}{:<11}{}\n{}",
        arguments.experiment.display(),
        paint::table(&experiment.describe_runs(), |_| false),
        prose(&experiment.describe()),
        "time",
        between(estimated.seconds),
        device.description(),
        "results",
        results.display(),
        warnings.collect::<String>(),
    )
}

fn as_json(
    arguments: &Arguments,
    experiment: &Experiment,
    results: &Path,
    device: &OpenDevice,
    estimated: &Estimate,
) -> String {
    let Experiment { spec, prompts, plan, .. } = experiment;
    let need = |need: Option<Need>| {
        need.map(|Need { bytes: [least, most], available }| {
            json!({ "low_bytes": least, "high_bytes": most, "available_bytes": available })
        })
    };
    let rewards = spec.rewards.iter().map(|reward| json!({ "name": reward.name, "unit": reward.kind.unit() }));
    let runs = spec.weightings().into_iter().map(|(id, weighting)| {
        let shares = spec.reward_names().into_iter().zip(weighting.shares().iter().copied());
        json!({ "id": id.as_str(), "shares": shares.collect::<std::collections::BTreeMap<_, _>>() })
    });
    let all = json!({
        "format": 1,
        "file": arguments.experiment.display().to_string(),
        "name": experiment.name(),
        "valid": true,
        "results": results.display().to_string(),
        "rewards": rewards.collect::<Vec<_>>(),
        "runs": runs.collect::<Vec<_>>(),
        "plan": {
            "runs": plan.runs,
            "soups": plan.soups,
            "blends": plan.blends,
            "epochs": spec.training.epochs,
            "method": spec.training.method.name(),
            "train_prompts": prompts.train.len(),
            "held_out_prompts": prompts.held_out.len(),
            "training_images": plan.training_pictures,
            "evaluation_images": plan.evaluation_pictures,
            "forward_passes": plan.forward_passes(),
            "training_passes": plan.training_passes,
        },
        "device": { "name": device.name.to_string(), "description": device.description() },
        "time": { "low_seconds": estimated.seconds[0], "high_seconds": estimated.seconds[1] },
        "memory": need(estimated.host),
        "device_memory": need(estimated.gpu),
        "machine": estimated.load.map(|load| {
            json!({ "cores": load.cores, "cores_taken": load.taken, "busy": load.is_busy() })
        }),
        "warnings": warnings(experiment, estimated),
    });
    format!("{all:#}\n")
}

/// Returns what speaks against beginning the sweep as it is.
fn warnings(experiment: &Experiment, estimated: &Estimate) -> Vec<String> {
    let short = |need: Option<Need>, of: &str| {
        let Need { bytes: [_, most], available } = need?;
        available.filter(|available| *available < most).map(|available| too_much(experiment, of, available, most))
    };
    let memory = [short(estimated.gpu, "the GPU"), short(estimated.host, "this machine")];
    let load = estimated.load.and_then(calibrate::Load::warning);
    memory.into_iter().flatten().chain(load).chain(experiment.few_prompts()).collect()
}

/// Says that there is less memory than is wanted, and what to lower.
fn too_much(experiment: &Experiment, of: &str, available: u64, most: u64) -> String {
    let micro_batch = experiment.spec.training.micro_batch;
    let least = experiment.spec.training.method.unit(&experiment.spec);
    let rows = if micro_batch > least {
        format!("lower `training.micro_batch` (now {micro_batch}; {least} is the least)")
    } else {
        "keep the base in half precision (`precision`), or use a smaller one".into()
    };
    let again = match experiment.spec.training.gradient_checkpointing {
        Some(false) => "`training.gradient_checkpointing: true` takes far less memory, and a third more time; ",
        _ => "",
    };
    format!(
        "{} may be more than the {} that {of} can give: {rows}; {again}`training.prompts_per_epoch`, `training.images_per_prompt` and \
         `sampler.steps` set how much of an epoch is held",
        memory(most),
        memory(available)
    )
}
