//! A sweep in phases: each phase is swept into a folder of its own, one after the other, and then all adapters are evaluated on the prompts
//! and rewards of every phase.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use moa_core::EventSink;
use moa_runner::{
    Models, SweepOutcome, SweepRequest, begin_phases, evaluate_across, phase_folder, report_phases, sweep,
};

use super::told;
use crate::commands::front::phases;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::interrupt::Stop;
use crate::notice::Notice;
use crate::output::{detail, note, print, warn};
use crate::panic::on_device;
use crate::progress::Display;
use crate::records::Records;
use crate::{memory, shell};

/// What the sweeps of all phases have in common.
pub(super) struct Sweep<'a> {
    /// The experiment with its phases.
    pub(super) experiment: &'a Experiment,
    pub(super) out: &'a Path,
    pub(super) device: &'a OpenDevice,
    pub(super) display: &'a Display,
    pub(super) records: &'a Records,
    pub(super) notice: &'a Notice,
    pub(super) stop: &'a Stop,
    pub(super) global: Global,
}

impl Sweep<'_> {
    /// Sweeps all phases, and prints the matrix of what was learned and kept.
    ///
    /// # Errors
    /// Those of the phases' sweeps; says how to resume one that was stopped.
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Self { experiment, out, device, .. } = *self;
        let prompts: Vec<_> = experiment.phases.iter().map(|phase| phase.prompts.clone()).collect();
        begin_phases(&experiment.spec, &prompts, out, &device.name.to_string())?;
        let folders: Vec<PathBuf> =
            (0..experiment.phases.len()).map(|index| phase_folder(&experiment.spec, out, index)).collect();
        let last = experiment.phases.len() - 1;
        for (index, phase) in experiment.phases.iter().enumerate() {
            if !self.global.quiet {
                let name = &experiment.spec.phases[index].name;
                note(&format!("phase {} of {}: {name}, into {}", index + 1, last + 1, folders[index].display()));
                note(phase.describe().trim_end());
            }
            phase.few_prompts().iter().for_each(|text| warn(text));
            memory::forget_peak();
            let models = phase.models(device)?;
            let request = phase.request(device, &folders[index], self.stop.flag());
            self.phase(phase, &request, &models)?;
            self.across(phase, &request, &models, &folders[..index])?;
        }
        for (index, phase) in experiment.phases[..last].iter().enumerate() {
            detail(|| format!("later adapters on the prompts of {}", experiment.spec.phases[index].name));
            let models = phase.models(device)?;
            let request = phase.request(device, &folders[index], self.stop.flag());
            self.across(phase, &request, &models, &folders[index + 1..])?;
        }
        let report = report_phases(out)?;
        print(phases::describe(&report, out))
    }

    /// Sweeps a phase.
    fn phase(&self, phase: &Experiment, request: &SweepRequest, models: &Models) -> Result<(), CliError> {
        let mut recording = self.records.of_several(phase.name()).begin(phase, &request.out, "")?;
        let mut display = self.display.sink(&phase.plan);
        let outcome = {
            let mut sink = recording.sink(&mut *display);
            self.on_device(phase, &request.out, || sweep(request, models, &mut sink))
        };
        drop(display);
        recording.end(outcome.as_ref().err());
        match outcome? {
            SweepOutcome::Interrupted { epoch } => Err(self.stopped(&format!(
                "stopped in the phase {} with {epoch} of its {} epochs saved",
                phase.name(),
                phase.spec.training.epochs
            ))?),
            _ => Ok(()),
        }
    }

    /// Evaluates adapters of other phases on a phase's prompts and rewards.
    fn across(
        &self,
        phase: &Experiment,
        request: &SweepRequest,
        models: &Models,
        others: &[PathBuf],
    ) -> Result<(), CliError> {
        let mut display = self.display.sink(&phase.plan);
        let sink: &mut dyn EventSink = &mut *display;
        let is_done = self.on_device(phase, &request.out, || evaluate_across(request, models, others, sink))?;
        drop(display);
        if is_done {
            return Ok(());
        }
        Err(self.stopped(&format!(
            "stopped while other phases' adapters were evaluated on the prompts of {}",
            phase.name()
        ))?)
    }

    fn on_device<T>(
        &self,
        phase: &Experiment,
        out: &Path,
        work: impl FnOnce() -> Result<T, moa_runner::RunnerError>,
    ) -> Result<T, CliError> {
        Ok(on_device(AssertUnwindSafe(work), |failure| told(failure, phase, self.device, out))??)
    }

    /// Returns how to resume a sweep that was asked to stop.
    fn stopped(&self, state: &str) -> Result<CliError, CliError> {
        self.notice.requeue(self.out)?;
        let out = self.out.display();
        let command = shell::command_line();
        Ok(CliError::interrupted(format!("{state} in {out}; the same command resumes from there:\n  {command}")))
    }
}
