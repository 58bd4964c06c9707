//! Any HTTP service as a reward: the JSON that programs are sent, by POST.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use moa_core::experiment::HttpSpec;

use super::batches::Batches;
use super::error::{ExternalError, Problem, excerpt};
use super::protocol::{Answer, LONGEST_ANSWER, check_greeting, hello};
use crate::{Reward, RewardError, View};

/// The wait before the first repetition; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait before a repetition.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// A service that scores images.
pub struct Http {
    name: String,
    spec: HttpSpec,
    next_id: AtomicU64,
}

impl Http {
    /// Greets the service and takes its greeting.
    ///
    /// # Errors
    /// Fails where it cannot be reached, answers with another status than success, or greets wrongly.
    pub fn connect(name: impl Into<String>, spec: &HttpSpec) -> Result<Self, RewardError> {
        let name = name.into();
        let greeted = post(spec, &hello(&name), &|| false).and_then(|answer| check_greeting(&answer));
        greeted.map_err(|problem| failure(&name, spec, problem))?;
        Ok(Self { name, spec: spec.clone(), next_id: AtomicU64::new(0) })
    }

    /// Has all batches scored, `in_flight` at once; stops at the first that fails.
    fn exchange(&self, batches: &Batches<'_>) -> Result<Vec<f32>, Problem> {
        let scores = Mutex::new(vec![0.0; batches.pictures()]);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches.count() {
                    break;
                }
                let found = self.batch(batches, batch, &|| failed.load(Ordering::Relaxed));
                let found = found.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                scores.lock().unwrap_or_else(PoisonError::into_inner)[batches.range(batch)].copy_from_slice(&found);
            }
            Ok(())
        };
        let workers = (self.spec.in_flight.max(1) as usize).min(batches.count());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let results: Vec<Result<(), Problem>> = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            results.into_iter().collect::<Result<(), Problem>>()
        })?;
        Ok(scores.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn batch(&self, batches: &Batches<'_>, batch: usize, stop: &dyn Fn() -> bool) -> Result<Vec<f32>, Problem> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let answer = Answer::read(&post(&self.spec, &batches.request(id, batch)?, stop)?)?;
        if answer.id != id {
            return Err(Problem::OtherId { found: answer.id, waiting: id.to_string() });
        }
        answer.scores(batches.range(batch).start, batches.prompts(batch))
    }
}

impl Reward for Http {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let batches = Batches::new(&self.name, view, self.spec.batch)?;
        Ok(self.exchange(&batches).map_err(|problem| failure(&self.name, &self.spec, problem))?)
    }
}

/// Posts JSON and returns the answer's body; repeats after temporary failures, unless a stop is requested.
fn post(spec: &HttpSpec, body: &[u8], stop: &dyn Fn() -> bool) -> Result<Vec<u8>, Problem> {
    let mut wait = FIRST_WAIT;
    let mut tries = 0;
    loop {
        tries += 1;
        match post_once(spec, body) {
            Err(problem) if problem.may_pass() && tries <= spec.retries && !stop() => {
                thread::sleep(wait);
                wait = LONGEST_WAIT.min(2 * wait);
            }
            result => return result.map_err(|problem| problem.after(tries)),
        }
    }
}

fn post_once(spec: &HttpSpec, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let response = minreq::post(&spec.url)
        .with_header("Content-Type", "application/json")
        .with_header("Accept", "application/json")
        .with_body(body)
        .with_timeout(spec.timeout_seconds.into())
        .with_follow_redirects(false)
        .send_lazy();
    let response = response.map_err(|error| unanswered(spec, error))?;
    let status = response.status_code as u16;
    let mut answer = Vec::new();
    let read = response.take(LONGEST_ANSWER + 1).read_to_end(&mut answer);
    if !(200..300).contains(&status) {
        // The body is there to be shown alone; what there is of it will do.
        return Err(Problem::Status { status, body: excerpt(&answer), tries: 1 });
    }
    read.map_err(|error| unanswered(spec, minreq::Error::IoError(error)))?;
    if answer.len() as u64 > LONGEST_ANSWER {
        return Err(Problem::TooLong { limit: LONGEST_ANSWER });
    }
    Ok(answer)
}

fn unanswered(spec: &HttpSpec, error: minreq::Error) -> Problem {
    match error {
        minreq::Error::IoError(error)
            if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) =>
        {
            let (seconds, last_words) = (spec.timeout_seconds, super::error::LastWords::default());
            Problem::Silent { seconds, field: "timeout_seconds", tries: 1, last_words }
        }
        other => Problem::Unreachable { reason: other.to_string(), tries: 1 },
    }
}

fn failure(name: &str, spec: &HttpSpec, problem: Problem) -> ExternalError {
    ExternalError { reward: name.to_owned(), peer: format!("the service {}", spec.url), problem }
}
