//! Any program as a reward: started once, kept, and asked in JSON lines.

mod group;
mod process;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use moa_core::experiment::ProgramSpec;

pub use group::kill_programs;
use process::Process;

use super::batches::Batches;
use super::error::{ExternalError, Problem};
use super::protocol::{Answer, check_greeting, hello};
use crate::{Reward, RewardError, View};

/// A program that scores images. It ends with this value: its stdin closes, and whatever of its process group is left two
/// seconds later is killed.
pub struct Program {
    name: String,
    spec: ProgramSpec,
    state: Mutex<State>,
}

/// The program as it runs now, if it does.
struct State {
    process: Option<Process>,
    /// The next request's id; no id is ever used twice, so that no answer is taken for another's.
    next_id: u64,
}

impl Program {
    /// Starts the program and waits for its greeting.
    ///
    /// # Errors
    /// Fails where it cannot be started, ends, is silent for `start_seconds`, or greets wrongly.
    pub fn start(name: impl Into<String>, spec: &ProgramSpec) -> Result<Self, RewardError> {
        let name = name.into();
        let process = start(&name, spec).map_err(|problem| failure(&name, spec, problem.after(1)))?;
        let state = Mutex::new(State { process: Some(process), next_id: 0 });
        Ok(Self { name, spec: spec.clone(), state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all batches scored; starts the program again where it ended or was silent.
    fn exchange(&self, state: &mut State, batches: &Batches<'_>) -> Result<Vec<f32>, Problem> {
        let mut scores = vec![0.0; batches.pictures()];
        let mut queue = Queue { waiting: (0..batches.count()).collect(), sent: BTreeMap::new() };
        let mut failures = 0;
        while !queue.is_empty() {
            match self.advance(state, batches, &mut queue) {
                Ok((batch, found)) => {
                    scores[batches.range(batch)].copy_from_slice(&found);
                    failures = 0;
                }
                Err(problem) => {
                    state.process = None;
                    queue.take_back();
                    failures += 1;
                    if !problem.may_pass() || failures > self.spec.retries {
                        return Err(problem.after(failures));
                    }
                }
            }
        }
        Ok(scores)
    }

    /// Sends as many requests as may wait, and returns the batch that is answered next with its scores.
    fn advance(
        &self,
        state: &mut State,
        batches: &Batches<'_>,
        queue: &mut Queue,
    ) -> Result<(usize, Vec<f32>), Problem> {
        let State { process, next_id } = state;
        let process = match process {
            Some(running) => running,
            None => process.insert(start(&self.name, &self.spec)?),
        };
        while queue.sent.len() < self.spec.in_flight.max(1) as usize
            && let Some(batch) = queue.waiting.pop_front()
        {
            queue.sent.insert(*next_id, batch);
            process.send(batches.request(*next_id, batch)?);
            *next_id += 1;
        }
        let answer = Answer::read(&process.receive(self.spec.timeout_seconds, "timeout_seconds")?)?;
        let Some(batch) = queue.sent.remove(&answer.id) else {
            let waiting = queue.sent.keys().map(u64::to_string).collect::<Vec<_>>().join(", ");
            return Err(Problem::OtherId { found: answer.id, waiting });
        };
        Ok((batch, answer.scores(batches.range(batch).start, batches.prompts(batch))?))
    }
}

/// Batches that are not scored yet.
struct Queue {
    waiting: VecDeque<usize>,
    /// By the request's id.
    sent: BTreeMap<u64, usize>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Puts what was sent in vain in front again.
    fn take_back(&mut self) {
        for (_, batch) in std::mem::take(&mut self.sent).into_iter().rev() {
            self.waiting.push_front(batch);
        }
    }
}

impl Reward for Program {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let batches = Batches::new(&self.name, view, self.spec.batch)?;
        let scores = self.exchange(&mut self.state(), &batches);
        Ok(scores.map_err(|problem| failure(&self.name, &self.spec, problem))?)
    }
}

/// Starts a program and waits for its greeting.
fn start(name: &str, spec: &ProgramSpec) -> Result<Process, Problem> {
    let folder = spec.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    let capacity = spec.in_flight as usize + 1;
    let mut process = Process::start(&spec.command, &folder, capacity)
        .map_err(|source| Problem::Start { folder: folder.display().to_string(), source })?;
    process.send(hello(name));
    check_greeting(&process.receive(spec.start_seconds, "start_seconds")?)?;
    Ok(process)
}

fn failure(name: &str, spec: &ProgramSpec, problem: Problem) -> ExternalError {
    ExternalError { reward: name.to_owned(), peer: format!("the program `{}`", spec.command.join(" ")), problem }
}
