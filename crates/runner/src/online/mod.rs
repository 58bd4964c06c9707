//! Online training: prompts arrive while runs are trained, and each run's adapter becomes a version every so many epochs, which is released where
//! nothing drifts.
//!
//! What arrived is written down before it is trained on, and a version before training goes on: stopped or not, the same becomes of both.

mod inbox;
mod measure;
mod roll_back;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use moa_adapter::Adapter;
use moa_analysis::drift::{Measured, alarms, gains, other_prompts};
use moa_analysis::harmless_prompts;
use moa_core::experiment::{OnAlarm, OnlineSpec, as_read};
use moa_core::{EvaluationRecord, ExperimentSpec, NoiseKey, OnlineNews, Phase, RunEvent, RunId, Weighting};
use moa_store::{
    ADAPTER, ADAPTER_CONFIG, Alarm, Arrivals, Layout, Standing, Version, Versions, unix_now, write_atomically,
};
use moa_train::Cohort;

use crate::RunnerError;
use crate::adapters::{keep_adapter, made_by_training};
use crate::context::Context;
use crate::recorder::Recorder;
use inbox::Inbox;
use measure::Measure;

pub use roll_back::{RollBack, RolledBack, roll_back};

/// The training state in a version's folder.
const STATE: &str = "checkpoint.bin";
/// What a version's images of the reference scored, in its folder.
const REFERENCE: &str = "reference.json";
/// How often is looked whether enough has arrived.
const EVERY: Duration = Duration::from_millis(500);

/// What happens online while the runs of an experiment are trained.
pub(crate) struct Online<'a> {
    context: Context<'a>,
    spec: &'a OnlineSpec,
    inbox: Inbox,
    arrivals: Arrivals,
    /// How many looks the trainers know of.
    told: usize,
    /// The prompts that versions are measured on.
    reference: Vec<String>,
    measure: Measure<'a>,
    /// What is said of the prompts that had arrived after so many epochs.
    prompts: HashMap<u32, Option<Alarm>>,
}

/// How that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Training goes on.
    On,
    /// It was asked to stop, or an alarm stops it.
    Stopped,
}

/// A run in training.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) weighting: &'a Weighting,
    /// What its training depends on.
    pub(crate) facts: &'a str,
}

impl<'a> Online<'a> {
    /// Returns what happens online in an experiment in which something does.
    ///
    /// # Errors
    /// Refuses parts of the runs, which would see other prompts; says what of an earlier part of it cannot be read.
    pub(crate) fn open(context: &Context<'a>, layout: &Layout) -> Result<Option<Self>, RunnerError> {
        let Some(spec) = &context.spec.online else { return Ok(None) };
        if context.request.part.is_some() {
            return Err(RunnerError::OnlineInParts);
        }
        let train = &context.request.prompts.train;
        let places = NoiseKey::new(context.spec.seed).named("reference").permutation(train.len());
        let reference = places.into_iter().take(spec.reference as usize).map(|place| train[place].clone()).collect();
        Ok(Some(Self {
            context: *context,
            spec,
            inbox: Inbox::open(&spec.inbox)?,
            arrivals: Arrivals::read(layout)?,
            told: 0,
            reference,
            measure: Measure::new(context, spec.images_per_prompt),
            prompts: HashMap::new(),
        }))
    }

    /// Returns whether runs need a version when so many epochs are done: then they are made safe first.
    ///
    /// # Errors
    /// Says which history cannot be read.
    pub(crate) fn lacks_version(
        &self,
        done: u32,
        runs: &[&RunId],
        cohort: &Cohort<'_>,
        layout: &Layout,
    ) -> Result<bool, RunnerError> {
        if done == 0 || !self.spec.is_due(done) {
            return Ok(false);
        }
        for run in runs.iter().filter(|run| cohort.epochs_of(run) == Some(done)) {
            if Versions::read(layout, run)?.at(done).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sees to it that all is there that belongs to when so many epochs are done: what arrived by then, and the runs' versions. What was trained
    /// is safe.
    ///
    /// - `is_last`: whether no epoch follows, so that nothing is waited for
    ///
    /// # Errors
    /// Says what cannot be read, drawn or written.
    pub(crate) fn after(
        &mut self,
        done: u32,
        is_last: bool,
        members: &[Member<'_>],
        cohort: &Cohort<'_>,
        layout: &Layout,
        recorder: &mut Recorder<'_>,
    ) -> Result<Passed, RunnerError> {
        if self.spec.is_due(done) {
            if self.arrivals.at(done).is_none() && !self.look(done, is_last, layout, recorder)? {
                return Ok(Passed::Stopped);
            }
            let mut stops = false;
            if done > 0 {
                for member in members.iter().filter(|member| cohort.epochs_of(member.run) == Some(done)) {
                    match self.version(member, done, cohort, layout, recorder) {
                        Ok(is_sound) => stops |= !is_sound && self.spec.on_alarm == OnAlarm::Stop,
                        Err(RunnerError::Stopped) => return Ok(Passed::Stopped),
                        Err(error) => return Err(error),
                    }
                }
            }
            if stops && !is_last {
                return Ok(Passed::Stopped);
            }
        }
        let looks = self.arrivals.looks().count();
        if looks > self.told {
            let all: Vec<(u32, String)> =
                self.arrivals.until(u32::MAX).map(|(after, prompt)| (after, prompt.to_owned())).collect();
            cohort.arrive(&all).map_err(RunnerError::Train)?;
            self.told = looks;
        }
        Ok(Passed::On)
    }

    /// Looks at the inbox, and keeps what is found; false where it was asked to stop while it waited.
    fn look(
        &mut self,
        done: u32,
        is_last: bool,
        layout: &Layout,
        recorder: &mut Recorder<'_>,
    ) -> Result<bool, RunnerError> {
        let path = &self.spec.inbox;
        let Context { models, request, .. } = self.context;
        let held_out: HashSet<String> = request.prompts.held_out.iter().map(|text| as_read(text)).collect();
        let refuses = |prompt: &str| {
            if held_out.contains(&as_read(prompt)) {
                return Some(format!("{prompt:?} is held out"));
            }
            let by_reward = models.scorer.rewards().iter().find_map(|reward| reward.check_prompt(prompt).err());
            let why = by_reward.map(|error| error.to_string());
            why.or_else(|| models.pipeline.encode_prompts(&[prompt]).err().map(|error| error.to_string()))
        };
        let wanted = if is_last { 0 } else { self.spec.waits_for };
        let mut said = None;
        let found = loop {
            let found = self.inbox.look(path, done, self.arrivals.position(), &refuses)?;
            let arrived = found.look.prompts.len() as u32;
            if arrived >= wanted || matches!(self.inbox, Inbox::Recorded(_)) {
                break found;
            }
            if said != Some(arrived) {
                said = Some(arrived);
                recorder.emit(&RunEvent::Online(OnlineNews::Waiting { after_epoch: done, arrived, wanted }))?;
            }
            if self.context.is_stopped() {
                return Ok(false);
            }
            std::thread::sleep(EVERY);
        };
        for finding in found.findings {
            recorder.warn_all(finding)?;
        }
        let (prompts, refused) = (found.look.prompts.len() as u32, found.look.refused);
        self.arrivals.add(found.look, layout)?;
        recorder.emit(&RunEvent::Online(OnlineNews::Arrived { after_epoch: done, prompts, refused }))?;
        Ok(true)
    }

    /// Makes the version of a run where there is none yet, and returns whether it is sound.
    fn version(
        &mut self,
        member: &Member<'_>,
        done: u32,
        cohort: &Cohort<'_>,
        layout: &Layout,
        recorder: &mut Recorder<'_>,
    ) -> Result<bool, RunnerError> {
        let Member { run, weighting, facts } = *member;
        let mut versions = Versions::read(layout, run)?;
        if versions.at(done).is_some() {
            // An alarm has stopped the sweep when it was raised.
            return Ok(true);
        }
        let Some(adapter) = cohort.adapter(run) else { return Ok(true) };
        let spec = self.context.spec;
        let base = self.measure.base(&self.reference)?;
        let own = self.measure.adapter(run, weighting, &adapter, &self.reference)?;
        let newest = newest(&self.arrivals, done, self.spec.reference as usize);
        let on_arrivals = if newest.is_empty() {
            None
        } else {
            Some([self.measure.base(&newest)?, self.measure.adapter(run, weighting, &adapter, &newest)?])
        };
        let last = match versions.last_sound_before(done) {
            Some(last) => read_reference(&layout.version_dir(run, last.number).join(REFERENCE))?,
            None => None,
        };
        let mut found: Vec<Alarm> = self.other_prompts(done)?.into_iter().collect();
        found.extend(alarms(
            spec,
            &Measured {
                weighting,
                base: &base,
                own: &own,
                last: last.as_ref(),
                on_arrivals: on_arrivals.as_ref().map(|[base, own]| [base, own]),
                harmless: &harmless_prompts(&self.reference),
            },
        )?);
        let number = versions.next_number();
        let folder = layout.version_dir(run, number);
        let provenance = made_by_training(spec, run, weighting, done, facts);
        keep_adapter(&adapter, &provenance, run, &folder, recorder)?;
        let text = serde_json::to_vec(&own).unwrap_or_else(|_| unreachable!("scores are JSON"));
        write_atomically(&folder.join(REFERENCE), &text)?;
        copy(&layout.checkpoint_file(run), &folder.join(STATE))?;
        let [rewards, judges] = gains(spec, &own, &base)?;
        let on_arrivals = match &on_arrivals {
            Some([base, own]) => gains(spec, own, base)?.into_iter().next().unwrap_or_default(),
            None => Vec::new(),
        };
        let mut version = Version {
            number,
            after_epoch: done,
            arrived: self.arrivals.until(done).count() as u64,
            sha256: sha256(&adapter, run)?,
            made: unix_now(),
            rewards,
            judges,
            on_arrivals,
            alarms: found,
            released: false,
        };
        let is_sound = version.is_sound();
        version.released = is_sound || self.spec.on_alarm == OnAlarm::Warn;
        if version.released {
            release(&folder, &layout.released_dir(run))?;
            recorder.wrote(layout.released_dir(run).join(ADAPTER))?;
        }
        let (released, said) = (version.released, version.alarms.clone());
        // Last: with it the version counts as made.
        versions.add(version, layout, run)?;
        forget_states(&versions, self.spec.states as usize, layout, run)?;
        for alarm in said {
            if alarm.kind.is_harmless() {
                recorder.warn_all(format!("after epoch {done}: {}", alarm.message))?;
            } else {
                recorder.warn(run, format!("version {number} after epoch {done}: {}", alarm.message))?;
            }
        }
        let news = OnlineNews::Version { run: run.clone(), number, after_epoch: done, released };
        recorder.emit(&RunEvent::Online(news))?;
        recorder.phase(Phase::Training, spec.training.epochs as usize)?;
        Ok(is_sound)
    }

    /// Returns what is to be said of the prompts that had arrived after so many epochs.
    fn other_prompts(&mut self, done: u32) -> Result<Option<Alarm>, RunnerError> {
        if let Some(known) = self.prompts.get(&done) {
            return Ok(known.clone());
        }
        let most = moa_analysis::drift::MOST_COMPARED;
        let arrived: Vec<String> = self.arrivals.until(done).map(|(_, prompt)| prompt.to_owned()).collect();
        let arrived = &arrived[arrived.len().saturating_sub(most)..];
        let key = NoiseKey::new(self.context.spec.seed).named("other prompts").with(done.into());
        let train = &self.context.request.prompts.train;
        let places = key.named("reference").permutation(train.len());
        let reference: Vec<String> = places.into_iter().take(most).map(|place| train[place].clone()).collect();
        let found = other_prompts(&self.measure.embedded(&reference)?, &self.measure.embedded(arrived)?, key);
        let alarm = found.and_then(|found| found.alarm(arrived.len()));
        self.prompts.insert(done, alarm.clone());
        Ok(alarm)
    }
}

/// Returns the prompts that arrived last, each once, at most so many.
fn newest(arrivals: &Arrivals, done: u32, most: usize) -> Vec<String> {
    let all: Vec<&str> = arrivals.until(done).map(|(_, prompt)| prompt).collect();
    let mut seen = HashSet::new();
    let mut newest: Vec<String> =
        all.into_iter().rev().filter(|prompt| seen.insert(*prompt)).take(most).map(str::to_owned).collect();
    newest.reverse();
    newest
}

/// Deletes the training states of all versions but the last sound ones that were not taken back.
fn forget_states(versions: &Versions, keep: usize, layout: &Layout, run: &RunId) -> Result<(), RunnerError> {
    let all = versions.all();
    let sound = all.iter().rev().filter(|(version, standing)| version.is_sound() && *standing != Standing::Withdrawn);
    let kept: HashSet<u32> = sound.take(keep).map(|(version, _)| version.number).collect();
    for (version, _) in all.iter().filter(|(version, _)| !kept.contains(&version.number)) {
        let path = layout.version_dir(run, version.number).join(STATE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RunnerError::Write { path, reason: error.to_string() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_reference(path: &Path) -> Result<Option<EvaluationRecord>, RunnerError> {
    let failed = |reason: String| RunnerError::Read { path: path.to_owned(), reason };
    match std::fs::read(path) {
        // A version whose folder was removed is not compared with.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            failed(format!("{error}: remove the version's folder, and the next version is not compared with it"))
        }),
    }
}

/// Releases the adapter in a version's folder.
fn release(version: &Path, released: &Path) -> Result<(), RunnerError> {
    [ADAPTER_CONFIG, ADAPTER].iter().try_for_each(|name| copy(&version.join(name), &released.join(name)))
}

/// Copies a file, whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), RunnerError> {
    let bytes =
        std::fs::read(from).map_err(|error| RunnerError::Read { path: from.to_owned(), reason: error.to_string() })?;
    Ok(write_atomically(to, &bytes)?)
}

fn sha256(adapter: &Adapter, run: &RunId) -> Result<String, RunnerError> {
    adapter.sha256().map_err(|source| RunnerError::Adapter { run: run.to_string(), source })
}

/// Checks an experiment's inbox, before anything is begun.
///
/// # Errors
/// Refuses what is no file.
pub(crate) fn check(spec: &ExperimentSpec) -> Result<(), RunnerError> {
    spec.online.as_ref().map_or(Ok(()), |online| Inbox::open(&online.inbox).map(drop))
}

/// Returns the hash of what arrived at each look, by the epochs that were trained before, for the receipt.
pub(crate) fn hashes(layout: &Layout) -> Result<Vec<(String, String)>, RunnerError> {
    let arrivals = Arrivals::read(layout)?;
    let hash = |look: &moa_store::Look| {
        (format!("arrivals.after-{}", look.after_epoch), crate::sha256(look.prompts.join("\n")))
    };
    Ok(arrivals.looks().map(hash).collect())
}
