//! `moa sweep`: the experiment itself.

mod devices;
mod phased;
mod plan;
mod submit;
mod task;
mod watched;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_core::{EventSink, PointKind, RunId};
use moa_runner::{Part, Receipt, SweepOutcome, SweepRequest, sweep};
use moa_store::{Layout, RunHistory, TaskState};
use plan::{Changes, Planned};
use task::Task;

use crate::commands::front::{self, Results};
use crate::device::{DeviceName, OpenDevice};
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::interrupt;
use crate::memory;
use crate::notice::Notice;
use crate::output::{detail, note, print, say, warn};
use crate::panic::{Failure, failed, on_device};
use crate::progress::Display;
use crate::records::Records;
use crate::setting::Settings;
use crate::shell;
use crate::terminal::Look;
use crate::text::duration;

/// Trains an adapter for each weighting, evaluates them, and prints the Pareto front.
///
/// The results folder gets adapters, image grids, plots and all metrics. The same command resumes after a stop or a
/// kill, and ends with the same numbers as without the stop. Ctrl-C stops after the current epoch; a second one
/// stops at once, and is safe too. After weightings, soups or epochs were added to the experiment, only what is new is trained.
///
/// Several files, or a folder of them, are swept one after the other; `moa compare` then compares their results. An experiment in
/// phases is swept phase by phase, each into a folder below `phases`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa sweep experiments/quick.ron                  a first impression, a minute
  moa sweep experiments/pareto.ron --out /tmp/try  write elsewhere than results/pareto
  moa sweep experiments/survey                     every experiment of a folder, into results/survey/…
  moa sweep my.ron --set training.epochs=5 --set lora.rank=4
  moa sweep my.ron --seed 2                        with another seed, into results/my-seed-2
  moa sweep my.ron --device libtorch:cuda:0        on a GPU
  moa sweep my.ron --devices libtorch:cuda:0,libtorch:cuda:1
  moa sweep my.ron --partition 2/4                 the second of four parts, e.g. of four machines
  moa sweep my.ron --tui                           watch it in the terminal UI
  moa sweep my.ron --slurm --dry-run               print what would be submitted to Slurm
  moa sweep my.ron --slurm --at-once 4 -- --partition=gpu --gres=gpu:1 --time=4:00:00
  moa sweep my.ron --tensorboard                   curves, images and settings for TensorBoard
  moa sweep my.ron --log sweep.jsonl               a JSON object per event, for other programs
  moa sweep my.ron --plain 2> sweep.log            progress as lines")]
pub(crate) struct Arguments {
    /// The experiment file, or several, or a folder of them
    #[arg(value_name = "FILE", required = true)]
    experiments: Vec<PathBuf>,

    /// Where results go; for several experiments the folder that holds their folders [default: results/<name of the experiment>]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Train with this seed in place of the file's; results go into a folder of that name
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Train and evaluate only this part of the runs, e.g. 2/4: the second of four; `moa gather` puts parts together
    #[arg(long, value_name = "I/N", value_parser = part, conflicts_with_all = ["tui", "slurm"])]
    partition: Option<Part>,

    /// Sweep on several devices of this machine, a process on each, e.g. libtorch:cuda:0,libtorch:cuda:1
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', conflicts_with_all = ["tui", "partition", "slurm"])]
    devices: Vec<DeviceName>,

    /// Show progress as lines, as without a terminal
    #[arg(long)]
    plain: bool,

    /// Watch the sweep in the terminal UI, which stays open when it ends (see `moa browse`)
    #[arg(long, conflicts_with = "plain")]
    tui: bool,

    #[command(flatten)]
    look: Look,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    records: Records,

    #[command(flatten)]
    slurm: submit::Options,

    #[command(flatten)]
    pub(crate) compute: Devices,
}

/// Reads a part of the runs: which, and of how many.
fn part(text: &str) -> Result<Part, String> {
    let wanted = || format!("`{text}` is not a part of the runs: give e.g. 2/4, the second of four");
    let (number, of) = text.split_once('/').ok_or_else(wanted)?;
    let [number, of] = [number, of].map(str::parse::<usize>);
    match (number, of) {
        (Ok(number), Ok(of)) if (1..=of).contains(&number) => Ok(Part { number, of }),
        _ => Err(wanted()),
    }
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    // First of all: until then the signal ends the process.
    let notice = Notice::expect()?;
    let changes = Changes { seed: arguments.seed, settings: arguments.settings.clone() };
    let planned = plan::planned(&arguments.experiments, arguments.out.as_deref(), &changes)?;
    let asked = [
        ("--slurm", arguments.slurm.is_asked()),
        ("--devices", !arguments.devices.is_empty()),
        ("--partition", arguments.partition.is_some()),
        ("--tui", arguments.tui),
    ];
    for (option, _) in asked.into_iter().filter(|(_, asked)| *asked) {
        planned.iter().try_for_each(|planned| planned.experiment.without_phases(option))?;
    }
    if arguments.slurm.is_asked() {
        return submit::run(&arguments.slurm, &arguments.experiments, &planned, &changes, global);
    }
    if !arguments.devices.is_empty() {
        let Arguments { devices, experiments, plain, records, .. } = arguments;
        return devices::run(devices, &planned, experiments, &changes, *plain, records, global);
    }
    if arguments.tui {
        let [Planned { experiment, out }] = &planned[..] else {
            let message = format!("--tui watches one sweep, and there are {}", planned.len());
            return Err(
                CliError::usage(message).hint("leave it out, and watch each with `moa browse` from another terminal")
            );
        };
        let device = experiment.device(global)?;
        return watched::run(experiment, &device, out, arguments.look, &arguments.records, global, &notice);
    }
    let display = Display::choose(global.quiet, arguments.plain);
    let above = display.speaker();
    let stop =
        interrupt::catch(move || above("stopping after this epoch; Ctrl-C again stops at once (nothing is lost)"))?;
    notice.stops(&stop);
    for (place, Planned { experiment, out }) in planned.iter().enumerate() {
        let device = experiment.device(global)?;
        if !global.quiet {
            let of_all =
                if planned.len() > 1 { format!("{} of {}: ", place + 1, planned.len()) } else { String::new() };
            let (name, device) = (experiment.name(), device.description());
            note(&format!("{of_all}moa sweep {name} on {device}, into {}", out.display()));
            if experiment.phases.is_empty() {
                note(experiment.describe().trim_end());
            }
        }
        if !experiment.phases.is_empty() {
            let (display, records, notice, stop) = (&display, &arguments.records, &notice, &stop);
            phased::Sweep { experiment, out, device: &device, display, records, notice, stop, global }.run()?;
            continue;
        }
        experiment.few_prompts().iter().for_each(|text| warn(text));
        memory::forget_peak();
        detail(|| resumed(experiment, out));
        let began = Instant::now();
        let work = |sink: &mut dyn EventSink| {
            let models = experiment.models(&device)?;
            let request = SweepRequest { part: arguments.partition, ..experiment.request(&device, out, stop.flag()) };
            let work = AssertUnwindSafe(|| sweep(&request, &models, sink));
            Ok(on_device(work, |failure| told(failure, experiment, &device, out))??)
        };
        let records =
            if planned.len() > 1 { arguments.records.of_several(experiment.name()) } else { arguments.records.clone() };
        let part = arguments.partition.map_or(String::new(), |part| format!(".{}-of-{}", part.number, part.of));
        let mut recording = records.begin(experiment, out, &part)?;
        let mut display = display.sink(&experiment.plan);
        let outcome = {
            let mut sink = recording.sink(&mut *display);
            match arguments.partition {
                Some(part) => as_task(part, experiment, &device, out, &mut sink, work),
                None => work(&mut sink),
            }
        };
        drop(display);
        recording.end(outcome.as_ref().err());
        let outcome = outcome?;
        detail(|| format!("this took {}", duration(began.elapsed())));
        if let SweepOutcome::Interrupted { .. } = outcome {
            notice.requeue(out)?;
        }
        conclude(outcome, experiment, out)?;
    }
    if planned.len() > 1 {
        let all = planned.iter().map(|planned| planned.out.display().to_string());
        let compare = shell::line(["moa".to_owned(), "compare".into()].into_iter().chain(all));
        say(&format!("to compare them:\n  {compare}"));
    }
    Ok(())
}

/// Returns the state of a sweep before it begins or resumes, and what it is made with.
fn resumed(experiment: &Experiment, out: &Path) -> String {
    let layout = Layout::new(out);
    let epochs = experiment.spec.training.epochs;
    let line = |(id, _): (RunId, _)| match RunHistory::read(&layout.log_file(PointKind::Trained, &id)) {
        Ok(Some(history)) => {
            let evaluated = if history.evaluation.is_some() { ", evaluated" } else { "" };
            format!("{id}: {} of {epochs} epochs are saved{evaluated}", history.epochs_done())
        }
        Ok(None) => format!("{id}: begins again"),
        Err(error) => format!("{id}: failed to {error}"),
    };
    let receipt = Receipt::read(&layout.receipt_file()).ok().flatten();
    let begun = receipt.map(|receipt| {
        let hashes = receipt.sha256.iter().map(|(name, hash)| format!("{name:<17}  sha256 {hash}"));
        let begun = format!("begun with moa {} on {}", receipt.moa, receipt.device);
        std::iter::once(begun).chain(hashes).collect::<Vec<_>>().join("\n")
    });
    let lines = experiment.spec.weightings().into_iter().map(line).chain(begun);
    lines.collect::<Vec<_>>().join("\n")
}

/// Does a part's work, and tells of it in the results folder.
fn as_task(
    part: Part,
    experiment: &Experiment,
    device: &OpenDevice,
    out: &Path,
    sink: &mut dyn EventSink,
    work: impl FnOnce(&mut dyn EventSink) -> Result<SweepOutcome, CliError>,
) -> Result<SweepOutcome, CliError> {
    let task = Task::begin(part, experiment, device, out)?;
    let outcome = work(&mut task.sink(sink));
    match &outcome {
        Ok(SweepOutcome::Interrupted { .. }) => task.end(TaskState::Stopped, None),
        Ok(_) => task.end(TaskState::Finished, None),
        Err(error) => task.end(TaskState::Failed, Some(error.message().to_owned())),
    }
    outcome
}

/// Says how a device failed in a sweep, and how to resume.
pub(super) fn told(failure: Failure, experiment: &Experiment, device: &OpenDevice, out: &Path) -> CliError {
    let exhausted = matches!(failure, Failure::OutOfMemory(_));
    let error = failed(failure);
    let saved = format!("the same command resumes from the last epoch, which is saved in {}", out.display());
    if !exhausted {
        return error.hint(saved);
    }
    let training = &experiment.spec.training;
    let least = training.method.unit(&experiment.spec);
    let error = if training.micro_batch > least {
        error.hint(format!("lower `training.micro_batch` (now {}; {least} is the least)", training.micro_batch))
    } else {
        error.hint("keep the base in half precision (`precision`), or use a smaller one")
    };
    let error = if training.gradient_checkpointing == Some(false) {
        error.hint("give `training.gradient_checkpointing: true`: far less memory, and a third more time")
    } else {
        error
    };
    let error = if device.is_host() { error } else { error.hint("`--reward-device flex` keeps rewards off the GPU") };
    error.hint(format!("{saved}; these settings may change on the way"))
}

/// Prints the front of a sweep that has ended, or says how to resume one that was stopped.
pub(super) fn conclude(outcome: SweepOutcome, experiment: &Experiment, out: &Path) -> Result<(), CliError> {
    match outcome {
        SweepOutcome::Finished(report) => {
            let results = Results::read(out)?;
            print(front::describe(&report, &results, front::Cells::Gains)?)
        }
        SweepOutcome::PartFinished => {
            let gather = shell::line(["moa", "gather", &out.display().to_string()]);
            say(&format!("this part is trained and evaluated; once all are:\n  {gather}"));
            Ok(())
        }
        SweepOutcome::Further { runs } => {
            let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
            let runs = runs.join(", ");
            Err(CliError::further(format!(
                "to be trained next, by moa sweep in parts or at once, and gathered again: {runs}"
            )))
        }
        SweepOutcome::Interrupted { epoch } => Err(CliError::interrupted(format!(
            "stopped with {epoch} of {} epochs saved in {}; the same command resumes from there:\n  {}",
            experiment.spec.training.epochs,
            out.display(),
            shell::command_line(),
        ))),
    }
}
