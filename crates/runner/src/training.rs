//! The second phase: runs are trained beside each other, and every one of them is made safe by itself.

use std::collections::BTreeMap;
use std::time::Instant;

use moa_adapter::{Adapter, Merge};
use moa_core::{EpochRecord, Phase, PointKind, RunEvent, RunId, Weighting, metric};
use moa_store::{Entry, Layout, Leases, Origin, unix_now};
use moa_train::{Cohort, CohortReport, Continued, RunEpoch, StoredPreferences, TrainError, TrainerSetup};

use crate::adapters::{keep_adapter, made_by_training, merged};
use crate::adversary::Adversary;
use crate::context::{Context, SweepRequest};
use crate::feedback::{Feedback, Judged};
use crate::folder::{Folder, Run};
use crate::online::{self, Online};
use crate::progress::with_progress;
use crate::recorder::Recorder;
use crate::{RunnerError, checkpoint, timings};

/// So many runs are in memory at a time; the next ones are trained after them.
const TOGETHER: usize = 32;

/// How training ended.
pub(crate) enum Ended {
    /// All runs are trained.
    Complete,
    /// It was asked to stop: after this epoch of the runs that are furthest behind.
    Stopped(u32),
}

/// Trains what is left of `runs`, which are this process's.
///
/// # Errors
/// Those of a run that cannot be trained on, once the others are trained; and what cannot be read or written.
pub(crate) fn train(
    context: &Context<'_>,
    runs: &[Run],
    preferences: Option<&StoredPreferences>,
    folder: &Folder,
    recorder: &mut Recorder<'_>,
) -> Result<Ended, RunnerError> {
    let layout = &folder.layout;
    let epochs = context.spec.training.epochs;
    let open: Vec<&Run> = runs.iter().filter(|run| run.is_ready && !is_done(run, layout, epochs)).collect();
    let starts = starts(context, &open, layout)?;
    if open.is_empty() {
        return Ok(Ended::Complete);
    }
    let before = folder.before.as_ref();
    let continued = before.map(|before| before.continued(context.spec, folder.replayed.len())).transpose()?;
    let prompts: Vec<String> = context.request.prompts.train.iter().chain(&folder.replayed).cloned().collect();
    let from = From { starts: &starts, continued: continued.as_ref(), prompts: &prompts };
    recorder.phase(Phase::Training, epochs as usize)?;
    let mut failures = Vec::new();
    for group in open.chunks(TOGETHER) {
        let members: Vec<(RunId, Weighting)> =
            group.iter().map(|run| (run.id.clone(), run.weighting.clone())).collect();
        let mut bench = Bench::open(context, group, &members, from, preferences, layout, recorder)?;
        let ended = bench.train(recorder)?;
        failures.append(&mut bench.failures);
        if let Ended::Stopped(_) = ended {
            return Ok(ended);
        }
    }
    match failures.pop() {
        None => Ok(Ended::Complete),
        Some((_, error)) if failures.is_empty() => Err(RunnerError::Train(error)),
        Some((run, error)) => {
            failures.push((run, error));
            Err(RunnerError::Failed {
                runs: failures.into_iter().map(|(run, error)| (run.0, error.to_string())).collect(),
            })
        }
    }
}

/// Returns the adapters from which runs of later rounds continue: the mean of the previous round.
fn starts(context: &Context<'_>, runs: &[&Run], layout: &Layout) -> Result<BTreeMap<RunId, Adapter>, RunnerError> {
    let Context { spec, models, .. } = *context;
    let mut means: BTreeMap<u32, Adapter> = BTreeMap::new();
    let mut starts = BTreeMap::new();
    for run in runs.iter().filter(|run| run.round > 1) {
        let before = run.round - 1;
        if let (None, Some(recipe)) = (means.get(&before), spec.mean_of_round(before)) {
            means.insert(before, merged(&recipe.id, &recipe.shares, &Merge::default(), layout, &models.pipeline)?.0);
        }
        starts.extend(means.get(&before).map(|mean| (run.id.clone(), mean.clone())));
    }
    Ok(starts)
}

/// Returns whether a run is trained, and its adapter is there.
pub(crate) fn is_done(run: &Run, layout: &Layout, epochs: u32) -> bool {
    run.is_trained(epochs)
        && run.history.trained.is_some_and(|(asked, _)| asked == epochs)
        && layout.adapter_file(&run.id).exists()
}

/// What runs begin from.
#[derive(Clone, Copy)]
struct From<'a> {
    /// The adapters from which runs of later rounds continue.
    starts: &'a BTreeMap<RunId, Adapter>,
    /// What the runs of a phase go on from.
    continued: Option<&'a Continued>,
    /// The training prompts, and behind them those of earlier phases.
    prompts: &'a [String],
}

/// Runs in training.
struct Bench<'a> {
    context: Context<'a>,
    layout: &'a Layout,
    cohort: Cohort<'a>,
    members: &'a [(RunId, Weighting)],
    continued: Option<&'a Continued>,
    /// What the training of each depends on.
    facts: Vec<String>,
    leases: Leases,
    /// Judgements that a reward is fitted to meanwhile.
    feedback: Option<Feedback<'a>>,
    /// What looks for prompts that break the adapters meanwhile.
    adversary: Option<Adversary<'a>>,
    /// What arrives and is released meanwhile.
    online: Option<Online<'a>>,
    saved: Instant,
    failures: Vec<(RunId, TrainError)>,
}

impl<'a> Bench<'a> {
    /// Takes the runs' leases, opens their logs, and goes back to their checkpoints.
    fn open(
        context: &Context<'a>,
        group: &[&Run],
        members: &'a [(RunId, Weighting)],
        from: From<'a>,
        preferences: Option<&'a StoredPreferences>,
        layout: &'a Layout,
        recorder: &mut Recorder<'_>,
    ) -> Result<Self, RunnerError> {
        let request = context.request;
        let leases = Leases::take(&group.iter().map(|run| layout.lease_file(&run.id)).collect::<Vec<_>>())?;
        let mut cohort = Cohort::new(TrainerSetup {
            pipeline: &context.models.pipeline,
            scorer: &context.models.scorer,
            prompts: from.prompts,
            held_out: &request.prompts.held_out,
            preferences,
            spec: context.spec,
            runs: members,
            starts: Some(from.starts),
            continued: from.continued,
            workers: request.workers,
            overlaps: request.overlaps,
        })
        .map_err(RunnerError::Train)?;
        for run in group {
            restore(&mut cohort, &run.id, layout)?;
            recorder.open(PointKind::Trained, &run.id, Some(&run.facts), Some(&run.weighting))?;
            recorder.append(&run.id, Entry::Begun(origin(request)))?;
            go_back(context, &cohort, run, layout, recorder)?;
        }
        let facts = group.iter().map(|run| run.facts.clone()).collect();
        let feedback = Feedback::open(context, layout)?;
        let online = Online::open(context, layout)?;
        let adversary = Adversary::open(context, layout, &members.iter().map(|(run, _)| run).collect::<Vec<_>>())?;
        let (saved, failures) = (Instant::now(), Vec::new());
        let continued = from.continued;
        Ok(Self {
            context: *context,
            layout,
            cohort,
            members,
            continued,
            facts,
            leases,
            feedback,
            adversary,
            online,
            saved,
            failures,
        })
    }

    fn train(&mut self, recorder: &mut Recorder<'_>) -> Result<Ended, RunnerError> {
        while let Some(epoch) = self.cohort.next_epoch() {
            if self.context.is_stopped()
                || !self.is_online_until(epoch - 1, recorder)?
                || self.is_judged_until(epoch, recorder)? == Judged::Stopped
                || !self.is_attacked_until(epoch, recorder)?
            {
                self.save(recorder)?;
                self.members.iter().try_for_each(|(run, _)| recorder.shut(run))?;
                return Ok(Ended::Stopped(epoch - 1));
            }
            self.epoch(epoch, recorder)?;
        }
        self.save(recorder)?;
        let epochs = self.context.spec.training.epochs;
        if !self.is_online_until(epochs, recorder)? {
            self.members.iter().try_for_each(|(run, _)| recorder.shut(run))?;
            return Ok(Ended::Stopped(epochs));
        }
        self.finish(recorder)?;
        Ok(Ended::Complete)
    }

    /// Has judged what the reward of an epoch is fitted to, where there is such a reward. What was trained is safe while raters are waited
    /// for.
    fn is_judged_until(&mut self, epoch: u32, recorder: &mut Recorder<'_>) -> Result<Judged, RunnerError> {
        let Some(mut feedback) = self.feedback.take() else { return Ok(Judged::Ready { changed: false }) };
        if feedback.asks_before(epoch) {
            self.save(recorder)?;
        }
        let members: Vec<&RunId> = self.members.iter().map(|(run, _)| run).collect();
        let judged = feedback.before(epoch, &self.cohort, &members, recorder);
        self.feedback = Some(feedback);
        if let Ok(Judged::Ready { changed: true }) = judged {
            self.cohort.forget_scores();
        }
        judged
    }

    /// Sees to what happens online when so many epochs are done, where something does; false when it was asked to stop.
    fn is_online_until(&mut self, done: u32, recorder: &mut Recorder<'_>) -> Result<bool, RunnerError> {
        let Some(mut online) = self.online.take() else { return Ok(true) };
        let is_last = done == self.context.spec.training.epochs;
        let runs: Vec<&RunId> = self.members.iter().map(|(run, _)| run).collect();
        // A version is what training can go back to.
        if !is_last && online.lacks_version(done, &runs, &self.cohort, self.layout)? {
            self.save(recorder)?;
        }
        let member = |((run, weighting), facts): (&'a (RunId, Weighting), _)| online::Member { run, weighting, facts };
        let members: Vec<_> = self.members.iter().zip(self.facts.iter().map(String::as_str)).map(member).collect();
        let passed = online.after(done, is_last, &members, &self.cohort, self.layout, recorder)?;
        self.online = Some(online);
        Ok(passed == online::Passed::On)
    }

    /// Has an adversary attack the runs that an epoch trains, where there is one; false when it was asked to stop.
    fn is_attacked_until(&mut self, epoch: u32, recorder: &mut Recorder<'_>) -> Result<bool, RunnerError> {
        let Some(adversary) = &mut self.adversary else { return Ok(true) };
        match adversary.before(epoch, &mut self.cohort, self.layout, recorder) {
            Ok(()) => Ok(true),
            Err(RunnerError::Stopped) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Trains an epoch of the runs that are furthest behind.
    fn epoch(&mut self, epoch: u32, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
        let cohort = &mut self.cohort;
        let report = with_progress(recorder, Phase::Training, |progress| cohort.epoch(progress))?;
        let CohortReport { epochs, findings, failures, timings } = report;
        let seconds = timings.whole.as_secs_f64() / epochs.len().max(1) as f64;
        let runs = epochs.iter().map(|epoch| epoch.run.as_str()).collect::<Vec<_>>().join("+");
        for RunEpoch { run, epoch, metrics } in epochs {
            recorder.emit(&RunEvent::EpochFinished(EpochRecord { run, epoch, seconds, metrics }))?;
        }
        for (run, finding) in findings {
            recorder.warn(&run, finding)?;
        }
        self.failures.extend(failures);
        self.leases.check()?;
        if self.saved.elapsed() >= self.context.request.save_every {
            self.save(recorder)?;
            recorder.emit(&RunEvent::Checkpointed { epoch })?;
        }
        let request = self.context.request;
        if request.part.is_none() {
            // No part of the results, and so no reason to stop.
            let memory = [(request.device_memory)(), (request.peak_memory)()];
            if let Err(error) = timings::add(self.layout, epoch, &runs, &timings, memory) {
                recorder.warn_all(format!("failed to {error}"))?;
            }
        }
        Ok(())
    }

    /// Makes all runs safe: the logs reach the disk before the checkpoints that speak of them, so that a killed sweep finds a log that is
    /// never behind its checkpoint, and takes back what is ahead of it.
    fn save(&mut self, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
        recorder.sync()?;
        for (run, _) in self.members {
            if let Some(state) = self.cohort.checkpoint(run) {
                checkpoint::write(&self.layout.checkpoint_file(run), &state.map_err(RunnerError::Train)?)?;
            }
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// Writes the adapters of the runs that are trained, and closes all logs.
    fn finish(&mut self, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
        let spec = self.context.spec;
        let epochs = spec.training.epochs;
        for ((run, weighting), facts) in self.members.iter().zip(&self.facts) {
            if self.cohort.is_trained(run)
                && let (Some(adapter), Some(after)) = (self.cohort.adapter(run), self.cohort.epochs_of(run))
            {
                let adapter = self.mixed_with_old(run, adapter)?;
                let provenance = made_by_training(spec, run, weighting, after, facts);
                keep_adapter(&adapter, &provenance, run, &self.layout.run_dir(run), recorder)?;
                recorder.append(run, Entry::Trained { epochs, after })?;
            }
            recorder.shut(run)?;
        }
        Ok(())
    }
}

impl Bench<'_> {
    /// Returns what a run leaves: the adapter as it was trained, or its mean with that of the phase before by the share that the experiment
    /// gives the old one.
    fn mixed_with_old(&self, run: &RunId, new: Adapter) -> Result<Adapter, RunnerError> {
        let old = self.continued.and_then(|continued| continued.last.get(run));
        let (Some(old), Some(share)) = (old, self.context.spec.continual.old_share()) else { return Ok(new) };
        let mixed = Merge::default().apply(&[(&old.adapter, share), (&new, 1.0 - share)]);
        mixed.map_err(|source| RunnerError::Soup { soup: run.to_string(), source })
    }
}

/// Takes a run back to its checkpoint, where there is one.
fn restore(cohort: &mut Cohort<'_>, run: &RunId, layout: &Layout) -> Result<(), RunnerError> {
    let path = layout.checkpoint_file(run);
    let Some(state) = checkpoint::read(&path)? else { return Ok(()) };
    cohort.restore(run, &state).map_err(|error| match error {
        TrainError::Checkpoint(reason) => RunnerError::Checkpoint { path, reason },
        other => RunnerError::Train(other),
    })
}

/// Makes a run's log what its checkpoint is: takes back epochs that were not made safe, and what the last look of a shorter training
/// added to its last epoch.
fn go_back(
    context: &Context<'_>,
    cohort: &Cohort<'_>,
    run: &Run,
    layout: &Layout,
    recorder: &mut Recorder<'_>,
) -> Result<(), RunnerError> {
    let (logged, done) = (run.epochs_done(), cohort.epochs_of(&run.id).unwrap_or_default());
    let refused = |reason: String| Err(RunnerError::Checkpoint { path: layout.checkpoint_file(&run.id), reason });
    if logged < done {
        return refused(format!("ahead of the run's log, which holds {logged} epochs of {done}"));
    }
    let grows = run.history.trained.is_some_and(|(asked, after)| asked == after && after == logged)
        && !run.is_trained(context.spec.training.epochs);
    if grows && done < logged {
        return refused("missing, and the run is to be trained longer".into());
    }
    if logged > done {
        recorder.append(&run.id, Entry::BackTo { epoch: done })?;
    }
    let every = context.spec.training.probe.every;
    if grows
        && every > 0
        && !logged.is_multiple_of(every)
        && let Some(last) = run.history.epochs.last()
    {
        recorder.append(&run.id, Entry::BackTo { epoch: logged - 1 })?;
        let mut last = last.clone();
        last.metrics.retain(|name, _| !metric::is_of_probe(name));
        recorder.emit(&RunEvent::EpochFinished(last))?;
    }
    Ok(())
}

/// Returns who works on runs: this process.
fn origin(request: &SweepRequest) -> Origin {
    Origin {
        moa: env!("CARGO_PKG_VERSION").into(),
        device: request.device_name.clone(),
        node: request.node.clone(),
        job: request.job.clone(),
        when: unix_now(),
    }
}
