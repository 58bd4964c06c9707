//! A sweep in the terminal UI: the sweep on a thread of its own, the UI as on any sweep that runs.
//!
//! The UI follows the journal that the sweep writes for readers anyway, so that watching costs the sweep no more than a
//! reader in another terminal does.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use moa_core::RunEvent;
use moa_runner::{SweepOutcome, sweep};
use moa_tui::Message;

use super::{conclude, told};
use crate::commands::browse::{Opened, PLAINLY, parent, show};
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::interrupt;
use crate::notice::Notice;
use crate::output::note;
use crate::panic::{on_device, quietly};
use crate::records::Records;
use crate::terminal::{Look, Screen};

/// Sweeps and shows it. The UI stays open at the end; leaving it before stops the sweep after its epoch.
pub(super) fn run(
    experiment: &Experiment,
    device: &OpenDevice,
    out: &Path,
    look: Look,
    records: &Records,
    global: Global,
    notice: &Notice,
) -> Result<(), CliError> {
    let mut recording = records.begin(experiment, out, "")?;
    let screen = Screen::take(look, PLAINLY)?;
    let (sender, inbox) = channel();
    let stopped = sender.clone();
    let stop = interrupt::catch(move || drop(stopped.send(Message::Stop)))?;
    let request = experiment.request(device, out, stop.flag());
    notice.stops(&stop);
    let (opened, device, ended) = (experiment.clone(), device.clone(), sender.clone());
    let sweeping = thread::spawn(move || {
        let work = AssertUnwindSafe(|| -> Result<SweepOutcome, CliError> {
            let models = opened.models(&device)?;
            Ok(sweep(&request, &models, &mut recording.sink(&mut |_: &RunEvent| {}))?)
        });
        let failed = |failure| told(failure, &opened, &device, &request.out);
        let result = quietly(AssertUnwindSafe(|| on_device(work, failed).flatten()));
        let result = result.unwrap_or_else(|panic| Err(CliError::failure(format!("a bug stopped the sweep: {panic}"))));
        recording.end(result.as_ref().err());
        let told = match &result {
            Ok(SweepOutcome::Finished(_) | SweepOutcome::PartFinished | SweepOutcome::Further { .. }) => Ok(()),
            Ok(SweepOutcome::Interrupted { epoch }) => Err(format!("stopped after epoch {epoch}")),
            Err(error) => Err(error.message().to_owned()),
        };
        // A UI that was left needs no news.
        let _ = ended.send(Message::SweepEnded(told));
        result
    });
    let opened = Opened { library: parent(out), experiment: Some(out.to_path_buf()), compared: Vec::new() };
    let shown = show(screen, &opened, global, true, sender, &inbox);
    if !sweeping.is_finished() {
        stop.ask();
        note("stopping after this epoch; Ctrl-C stops at once (nothing is lost)");
    }
    let result = sweeping.join().unwrap_or_else(|_| Err(CliError::failure("the sweep's thread is gone")));
    shown?;
    conclude(result?, experiment, out)
}
