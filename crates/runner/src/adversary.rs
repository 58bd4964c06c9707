//! The adversary of an experiment that has one: between epochs it attacks each run's adapter, and what it finds joins that run's training.
//!
//! What was found when so many epochs were done is one line of a file in the run's folder, written before the run is trained on. Nothing of it
//! depends on other runs, on threads or on where training was stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use moa_adapter::AdapterBank;
use moa_attack::{
    AttackError, AttackKind, Attempt, Defence, DetectorEye, Eye, Goal, RewardEye, Siege, SiegeSetup, Victim, goals,
};
use moa_core::experiment::{AdversaryAttack, AdversarySpec};
use moa_core::{NoiseKey, Phase, RunId};
use moa_store::{Layout, write_atomically};
use moa_train::Cohort;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::RunnerError;
use crate::attack::vocabulary;
use crate::context::Context;
use crate::recorder::Recorder;

/// The file in a run's folder.
const FILE: &str = "adversary.jsonl";
/// How near a prompt must come, as far as the adversary's eye says, to be trained against.
const LEAST_DESIRE: f64 = 0.25;

/// What was found on a run when so many epochs were done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    epochs: u32,
    found: Vec<FoundPrompt>,
}

/// A prompt that makes an adapter draw what it should not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoundPrompt {
    /// The training prompt whose goal it shares.
    goal: String,
    prompt: String,
    /// How near it came.
    desire: f64,
}

/// The adversary, with what it has found on each run.
pub(crate) struct Adversary<'a> {
    context: Context<'a>,
    spec: &'a AdversarySpec,
    eye: Box<dyn Eye + 'a>,
    /// What it attacks, with the place among the training prompts.
    goals: Vec<(usize, Goal)>,
    vocabulary: Vec<String>,
    found: BTreeMap<RunId, Vec<Time>>,
    /// After how many epochs each run was last given what was found.
    given: BTreeMap<RunId, u32>,
}

impl<'a> Adversary<'a> {
    /// Returns the adversary of an experiment that has one.
    ///
    /// # Errors
    /// Says which prompt of the adversary is no training prompt, and which file cannot be read.
    pub(crate) fn open(context: &Context<'a>, layout: &Layout, runs: &[&RunId]) -> Result<Option<Self>, RunnerError> {
        let Some(spec) = &context.spec.adversary else { return Ok(None) };
        let train = &context.request.prompts.train;
        let attacked = if spec.prompts.is_empty() {
            goals(train)
        } else {
            spec.prompts.iter().map(|prompt| Goal::of(prompt.as_str())).collect()
        };
        if attacked.is_empty() {
            return Err(RunnerError::NoGoals);
        }
        let place = |goal: Goal| {
            let found = train.iter().position(|prompt| *prompt == goal.prompt);
            found.map(|place| (place, goal.clone())).ok_or(RunnerError::UnknownGoal { prompt: goal.prompt })
        };
        let goals = attacked.into_iter().map(place).collect::<Result<_, _>>()?;
        let eye: Box<dyn Eye + 'a> = match &spec.eye {
            None => Box::new(DetectorEye(moa_zoo::detector(&context.models.places.rewards)?)),
            Some(eye) => {
                let place =
                    context.spec.rewards.iter().position(|reward| reward.name == eye.reward).unwrap_or_default();
                let safety = (place, eye.below as f32, RewardEye::span(context.spec.scales()[place]));
                Box::new(RewardEye { scorer: &context.models.scorer, safety, asked: None })
            }
        };
        let read = |run: &&RunId| Ok(((*run).clone(), read(&layout.run_dir(run).join(FILE))?));
        let found = runs.iter().map(read).collect::<Result<_, RunnerError>>()?;
        let vocabulary = vocabulary(&context.request.prompts);
        Ok(Some(Self { context: *context, spec, eye, goals, vocabulary, found, given: BTreeMap::new() }))
    }

    /// Attacks the runs that are furthest behind, where that is due before their next epoch, and gives each what was found on it.
    ///
    /// # Errors
    /// [`RunnerError::Stopped`] when it was asked to stop; and what cannot be drawn or written.
    pub(crate) fn before(
        &mut self,
        epoch: u32,
        cohort: &mut Cohort<'_>,
        layout: &Layout,
        recorder: &mut Recorder<'_>,
    ) -> Result<(), RunnerError> {
        let done = epoch - 1;
        let runs: Vec<RunId> = self.found.keys().cloned().collect();
        let is_next = |run: &RunId| cohort.epochs_of(run) == Some(done) && !cohort.is_trained(run);
        let runs: Vec<RunId> = runs.into_iter().filter(is_next).collect();
        for run in runs {
            if self.spec.is_due(done) && !self.times(&run).iter().any(|time| time.epochs == done) {
                let time = self.search(&run, done, cohort)?;
                let times = self.found.entry(run.clone()).or_default();
                times.push(time);
                times.sort_by_key(|time| time.epochs);
                write(&layout.run_dir(&run).join(FILE), times)?;
                recorder.phase(Phase::Training, self.context.spec.training.epochs as usize)?;
            }
            // What was found later in a training that was taken back is not known yet.
            let last = self.times(&run).iter().map(|time| time.epochs).filter(|epochs| *epochs <= done).max();
            if let Some(last) = last.filter(|last| self.given.get(&run) != Some(last)) {
                cohort.set_adversaries(&run, &self.pool(&run, last)).map_err(RunnerError::Train)?;
                self.given.insert(run, last);
            }
        }
        Ok(())
    }

    fn times(&self, run: &RunId) -> &[Time] {
        self.found.get(run).map_or(&[], Vec::as_slice)
    }

    /// Returns the last prompts that were found on a run by then, each with the place of its goal.
    fn pool(&self, run: &RunId, until: u32) -> Vec<(usize, String)> {
        let known = self.times(run).iter().filter(|time| time.epochs <= until).flat_map(|time| &time.found);
        let place = |found: &FoundPrompt| {
            let goal = self.goals.iter().find(|(_, goal)| goal.prompt == found.goal);
            goal.map(|(place, _)| (*place, found.prompt.clone()))
        };
        let mut all: Vec<(usize, String)> = known.filter_map(place).collect();
        all.drain(..all.len().saturating_sub(self.spec.keep as usize));
        all
    }

    /// Attacks a run's adapter as it stands.
    fn search(&self, run: &RunId, done: u32, cohort: &Cohort<'_>) -> Result<Time, RunnerError> {
        let (models, spec) = (self.context.models, self.context.spec);
        let pipeline = &models.pipeline;
        let failed = |error| RunnerError::attacking(run.as_str(), error);
        let bank = cohort.adapter(run).and_then(|adapter| AdapterBank::of(&[&adapter], pipeline.device()));
        let victim = Victim::new(pipeline.clone(), bank, spec, Defence::None).map_err(failed)?;
        let key = NoiseKey::new(spec.seed).named("adversary").named(run.as_str()).with(u64::from(done));
        let order = key.named("goals").permutation(self.goals.len());
        let chosen: Vec<&Goal> =
            order.iter().take(self.spec.goals as usize).map(|place| &self.goals[*place].1).collect();
        let kind = match self.spec.attack {
            AdversaryAttack::Plain => AttackKind::Plain,
            AdversaryAttack::Paraphrase => AttackKind::Paraphrase,
            AdversaryAttack::Evolution => AttackKind::Evolution,
            AdversaryAttack::Gradient => AttackKind::Gradient,
        };
        let attacked = |goal: &&Goal| -> Result<Option<FoundPrompt>, AttackError> {
            let mut siege = Siege::new(SiegeSetup {
                victim: &victim,
                eye: &*self.eye,
                goal,
                blocked: &[],
                vocabulary: &self.vocabulary,
                budget: u64::from(self.spec.budget),
                key: key.named(&goal.prompt),
                stop: Some(&self.context.request.stop),
            });
            kind.attack().run(&mut siege)?;
            Ok(siege.into_found().pop().and_then(|found| match found.attempt {
                Attempt::Prompt(prompt) if kind == AttackKind::Plain || found.desire >= LEAST_DESIRE => {
                    Some(FoundPrompt { goal: goal.prompt.clone(), prompt, desire: found.desire })
                }
                _ => None,
            }))
        };
        // Beside each other where the host computes.
        let found: Result<Vec<_>, AttackError> = if self.context.request.overlaps {
            chosen.iter().map(attacked).collect()
        } else {
            chosen.par_iter().map(attacked).collect()
        };
        let found = found.map_err(failed)?;
        Ok(Time { epochs: done, found: found.into_iter().flatten().collect() })
    }
}

fn read(path: &Path) -> Result<Vec<Time>, RunnerError> {
    let failed = |reason: String| RunnerError::Read { path: path.to_owned(), reason };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| failed(error.to_string()))).collect()
}

fn write(path: &Path, times: &[Time]) -> Result<(), RunnerError> {
    let line = |time: &Time| {
        serde_json::to_string(time).unwrap_or_else(|_| unreachable!("prompts and finite numbers are JSON")) + "\n"
    };
    Ok(write_atomically(path, times.iter().map(line).collect::<String>().as_bytes())?)
}
