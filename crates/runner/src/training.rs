//! The second phase: all adapters are trained together, epoch by epoch, and every epoch is made safe.

use moa_adapter::Adapter;
use moa_core::{EpochRecord, Phase, RunEvent, RunId, Weighting};
use moa_store::{Layout, write_atomically};
use moa_train::{StoredPreferences, TrainError, Trainer, TrainerSetup};

use crate::folder::write_new;
use crate::progress::with_progress;
use crate::recorder::Recorder;
use crate::sweep::Context;
use crate::{RunnerError, SweepRequest, checkpoint, timings};

/// A trainer where an earlier sweep left it.
pub(crate) struct Training<'a> {
    trainer: Trainer<'a>,
    runs: &'a [(RunId, Weighting)],
    epochs: u32,
    layout: &'a Layout,
    device_memory: fn() -> Option<u64>,
    peak_memory: fn() -> Option<u64>,
}

impl<'a> Training<'a> {
    /// Opens the training of `runs`, from its checkpoint where there is one.
    pub(crate) fn open(
        context: &Context<'a>,
        runs: &'a [(RunId, Weighting)],
        preferences: Option<&'a StoredPreferences>,
        layout: &'a Layout,
    ) -> Result<Self, RunnerError> {
        let mut trainer = Trainer::new(TrainerSetup {
            pipeline: &context.models.pipeline,
            scorer: &context.models.scorer,
            prompts: &context.request.prompts.train,
            held_out: &context.request.prompts.held_out,
            preferences,
            spec: context.spec,
            runs,
            workers: context.request.workers,
            overlaps: context.request.overlaps,
        })
        .map_err(RunnerError::Train)?;
        let path = checkpoint::path(layout);
        if let Some(state) = checkpoint::read(&path)? {
            trainer.restore(&state).map_err(|error| match error {
                TrainError::Checkpoint(reason) => RunnerError::Checkpoint { path, reason },
                other => RunnerError::Train(other),
            })?;
        }
        let SweepRequest { device_memory, peak_memory, .. } = *context.request;
        Ok(Self { trainer, runs, epochs: context.spec.training.epochs, layout, device_memory, peak_memory })
    }

    /// Returns the epochs that are safe.
    pub(crate) fn epochs_done(&self) -> u32 {
        self.trainer.epochs_done()
    }

    /// Returns the epochs that a run has trained: fewer where it has ended before its time.
    pub(crate) fn epochs_of(&self, run: &RunId) -> u32 {
        self.trainer.ended_after(run).unwrap_or_else(|| self.epochs_done())
    }

    /// Returns whether a run has no epoch left.
    pub(crate) fn is_trained(&self, run: &RunId) -> bool {
        self.is_complete() || self.trainer.ended_after(run).is_some()
    }

    /// Returns whether no epoch is left.
    pub(crate) fn is_complete(&self) -> bool {
        self.epochs_done() >= self.epochs || self.trainer.is_over()
    }

    /// Trains one epoch and makes it safe: the metrics reach the disk before the checkpoint that speaks of them, so a
    /// killed sweep finds a store that is never behind its checkpoint, and forgets what is ahead of it.
    pub(crate) fn epoch(&mut self, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
        let trainer = &mut self.trainer;
        let report = with_progress(recorder, Phase::Training, |progress| trainer.epoch(progress))?
            .map_err(RunnerError::Train)?;
        let trained = report.metrics.iter().flatten().count();
        let seconds = report.timings.whole.as_secs_f64() / trained.max(1) as f64;
        let epoch = self.trainer.epochs_done();
        for ((run, _), metrics) in self.runs.iter().zip(report.metrics) {
            let Some(metrics) = metrics else { continue };
            recorder.emit(&RunEvent::EpochFinished(EpochRecord { run: run.clone(), epoch, seconds, metrics }))?;
        }
        for (run, finding) in report.findings {
            recorder.warn(Some(&run), finding)?;
        }
        recorder.flush()?;
        let state = self.trainer.checkpoint().map_err(RunnerError::Train)?;
        checkpoint::write(&checkpoint::path(self.layout), &state)?;
        // No part of the results, and so no reason to stop.
        if let Err(error) =
            timings::add(self.layout, epoch, &report.timings, [(self.device_memory)(), (self.peak_memory)()])
        {
            recorder.warn(None, format!("failed to {error}"))?;
        }
        recorder.emit(&RunEvent::Checkpointed { epoch })
    }

    /// Returns the adapters as they stand, in the runs' order.
    pub(crate) fn adapters(&self) -> Vec<Adapter> {
        let bank = self.trainer.bank();
        (0..self.runs.len()).map(|index| bank.adapter(index)).collect()
    }
}

/// Writes an adapter with its configuration into the folder of a run or soup; files that are there already stay.
pub(crate) fn keep_adapter(
    adapter: &Adapter,
    id: &RunId,
    folder: &std::path::Path,
    base: &str,
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let bytes = adapter.to_safetensors().map_err(|source| RunnerError::Adapter { run: id.to_string(), source })?;
    let path = folder.join("adapter.safetensors");
    let known = std::fs::read(&path).is_ok_and(|found| found == bytes);
    write_new(&folder.join("adapter_config.json"), adapter.to_config(base).as_bytes())?;
    if !known {
        write_atomically(&path, &bytes)?;
        recorder.wrote(path)?;
    }
    Ok(())
}
