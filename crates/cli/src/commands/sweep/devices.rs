//! A sweep on several devices of one machine: a process for each, over parts of the runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use moa_core::RunId;
use moa_runner::{SweepOutcome, gather};
use moa_store::{Layout, TaskStatus};

use super::conclude;
use super::plan::{Changes, Planned};
use crate::device::DeviceName;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::interrupt;
use crate::output::note;
use crate::progress::Display;
use crate::records::Records;

/// How often it is looked how far the parts are.
const LOOK: Duration = Duration::from_millis(200);
/// How often that is told: after so many looks with news.
const TELL: u32 = 15;

/// The process of a part.
struct Process {
    number: usize,
    device: DeviceName,
    child: Child,
    log: PathBuf,
    ended: Option<bool>,
}

/// Sweeps with a process on each device, and gathers.
///
/// # Errors
/// Says which part failed and what its log says last; the others are trained to their end, and nothing is lost.
pub(super) fn run(
    devices: &[DeviceName],
    planned: &[Planned],
    files: &[PathBuf],
    changes: &Changes,
    plain: bool,
    records: &Records,
    global: Global,
) -> Result<(), CliError> {
    let ([file], [Planned { experiment, out }]) = (files, planned) else {
        return Err(CliError::usage("--devices sweeps one experiment file").hint("sweep each file separately"));
    };
    let display = Display::choose(global.quiet, plain);
    let say = display.speaker();
    let stop = interrupt::catch(move || {
        say("stopping all parts after this epoch; Ctrl-C again stops at once (nothing is lost)");
    })?;
    moa_runner::check_preferences(&experiment.spec)?;
    loop {
        let mut parts: Vec<Process> = (1..)
            .zip(devices)
            .map(|(number, device)| begin(number, devices.len(), *device, file, out, changes, records, global))
            .collect::<Result<_, _>>()?;
        watch(&mut parts, out, &|| stop.is_asked(), global.quiet)?;
        if stop.is_asked() {
            return Err(CliError::interrupted(format!(
                "stopped, and saved in {}; the same command resumes from there",
                out.display()
            )));
        }
        if let Some(failed) = parts.iter().find(|part| part.ended == Some(false)) {
            let last = std::fs::read_to_string(&failed.log).unwrap_or_default();
            let last = last.lines().rev().find(|line| line.contains("error:")).unwrap_or("it was killed").to_owned();
            let message = format!("part {} of {}, on {}, failed: {last}", failed.number, devices.len(), failed.device);
            return Err(CliError::failure(message)
                .hint(format!("its log is {}; the same command resumes from what is saved", failed.log.display())));
        }
        // The first device gathers.
        let global = Global { device: devices[0], ..global };
        let mut experiment = Experiment::clone(experiment);
        moa_runner::take_chosen(&mut experiment.spec, out);
        let device = experiment.device(global)?;
        let models = experiment.models(&device)?;
        let request = experiment.request(&device, out, stop.flag());
        let mut recording = records.begin(&experiment, out, "")?;
        let outcome = gather(&request, &models, &mut recording.sink(&mut *display.sink(&experiment.plan)));
        let outcome = outcome.map_err(CliError::from);
        recording.end(outcome.as_ref().err());
        let outcome = outcome?;
        if let SweepOutcome::Further { runs } = &outcome {
            if !global.quiet {
                let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
                note(&format!("to be trained next: {}", runs.join(", ")));
            }
            continue;
        }
        return conclude(outcome, &experiment, out);
    }
}

#[expect(clippy::too_many_arguments, reason = "all of a process that is started")]
fn begin(
    number: usize,
    of: usize,
    device: DeviceName,
    file: &Path,
    out: &Path,
    changes: &Changes,
    records: &Records,
    global: Global,
) -> Result<Process, CliError> {
    let failed = |what: &str, error: std::io::Error| CliError::failure(format!("failed to {what}: {error}"));
    let program = std::env::current_exe().map_err(|error| failed("find this program", error))?;
    let log = Layout::new(out).tasks_dir().join(format!("{number}-of-{of}.log"));
    let folder = log.parent().unwrap_or(out);
    std::fs::create_dir_all(folder).map_err(|error| failed(&format!("write {}", folder.display()), error))?;
    let written = File::create(&log).map_err(|error| failed(&format!("write {}", log.display()), error))?;
    let mut command = Command::new(program);
    command.arg("sweep").arg(file).arg("--out").arg(out).args(["--partition", &format!("{number}/{of}"), "--plain"]);
    command.args(["--device", &device.to_string()]);
    if let Some(rewards) = global.reward_device {
        command.args(["--reward-device", &rewards.to_string()]);
    }
    command.args(changes.arguments());
    command.args(records.arguments());
    // Processes share a host's threads.
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(of);
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // What the terminal tells this process is handed on, once.
        command.process_group(0);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(written).spawn();
    let child = child.map_err(|error| failed("start a part", error))?;
    Ok(Process { number, device, child, log, ended: None })
}

/// Waits until all parts have ended, and tells how far they are.
fn watch(parts: &mut [Process], out: &Path, is_stopped: &dyn Fn() -> bool, quiet: bool) -> Result<(), CliError> {
    let (mut told, mut looks, mut asked) = (String::new(), 0u32, false);
    loop {
        for part in parts.iter_mut().filter(|part| part.ended.is_none()) {
            let status = part.child.try_wait();
            let status = status.map_err(|error| CliError::failure(format!("failed to wait for a part: {error}")))?;
            part.ended = status.map(|status| status.success());
        }
        if parts.iter().all(|part| part.ended.is_some()) {
            return Ok(());
        }
        if is_stopped() && !asked {
            asked = true;
            parts.iter_mut().filter(|part| part.ended.is_none()).for_each(|part| ask_to_stop(&mut part.child));
        }
        looks += 1;
        let statuses = TaskStatus::read_all(&Layout::new(out)).unwrap_or_default();
        let own = |status: &&TaskStatus| parts.iter().any(|part| part.child.id() == status.pid);
        let line = |status: &TaskStatus| {
            let what = match (status.state.name(), status.phase) {
                ("running", Some(phase)) => format!("{phase:?}").to_lowercase(),
                ("running", None) => "opening models".into(),
                (state, _) => state.to_owned(),
            };
            format!("{} {what} {}/{}", status.device, status.epoch, status.epochs)
        };
        let now = statuses.iter().filter(own).map(line).collect::<Vec<_>>().join("  ");
        if !quiet && looks.is_multiple_of(TELL) && now != told {
            note(&now);
            told = now;
        }
        std::thread::sleep(LOOK);
    }
}

/// Asks a part to stop after its epoch, as Ctrl-C does.
fn ask_to_stop(child: &mut Child) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGINT);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
}
