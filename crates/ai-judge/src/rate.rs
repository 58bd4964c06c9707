//! A judge at the desk.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use moa_rating::{Answer, Desk, Mode, Seat, Ticket};

use crate::clock::Clock;
use crate::judge::Verdict;
use crate::orders::POSITION;
use crate::tally::Tally;
use crate::{Budget, Judge, JudgeError};

/// Questions that the judge had answered before which are set aside in the search for a new one.
const MOST_KNOWN: usize = 32;

/// How far a judge is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What was done and spent.
    pub tally: Tally,
    /// What is left of the budget.
    pub left: Budget,
    /// The reason of the answer that was given last, as the model gave it; a line of at most 300 characters.
    pub reason: String,
    /// Why the last question got no answer; none where it got one.
    pub problem: Option<String>,
}

/// Why a judge left the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The budget of "questions", "tokens" or "seconds" is spent.
    Spent(&'static str),
    /// The desk has no question that the judge has not answered.
    NothingNew,
    /// The desk's goal is reached.
    Goal,
    /// The caller asked to stop.
    Stopped,
}

/// What the judge's threads share.
struct Sitting<'a> {
    judge: &'a Judge,
    desk: &'a Desk,
    progress: &'a (dyn Fn(&Progress) + Sync),
    /// The images of questions that were begun.
    begun: Mutex<HashSet<Vec<usize>>>,
    /// Questions without an answer in a row.
    failures: AtomicU32,
    ended: AtomicBool,
}

impl Judge {
    /// Answers the desk's questions under the judge's name, several at once, until the budget is spent, the desk's goal is reached,
    /// nothing new is left, or a stop is asked for. Calls `progress` after every question, from several threads.
    ///
    /// Comparisons and rankings that the order of images changed have the tag [`POSITION`]; a comparison is a tie then. A
    /// question to which the model gives no valid answer, or which the service declines, is skipped. One that the service does not
    /// answer goes back to the desk.
    ///
    /// # Errors
    /// Says why all questions are refused (key, address, redirect), that too many in a row got no answer, or that an image or the
    /// file of preferences cannot be read or written. Answers that were given before are kept.
    pub fn rate(&self, desk: &Desk, progress: &(dyn Fn(&Progress) + Sync)) -> Result<Ended, JudgeError> {
        let sitting = Sitting {
            judge: self,
            desk,
            progress,
            begun: Mutex::default(),
            failures: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        };
        let results: Vec<Result<Ended, JudgeError>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.settings().in_flight).map(|_| scope.spawn(|| sitting.sit())).collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut ended = Ended::Stopped;
        for result in results {
            match result {
                Err(JudgeError::Stopped) | Ok(Ended::Stopped) => {}
                Err(JudgeError::Spent { what }) => ended = Ended::Spent(what),
                Err(error) => return Err(error),
                Ok(other) => ended = if matches!(ended, Ended::Spent(_)) { ended } else { other },
            }
        }
        Ok(ended)
    }
}

impl Sitting<'_> {
    fn sit(&self) -> Result<Ended, JudgeError> {
        let result = self.answer_all();
        // One that finds nothing new leaves the others to finish theirs.
        if !matches!(result, Ok(Ended::NothingNew)) {
            self.ended.store(true, Ordering::Relaxed);
        }
        result
    }

    fn answer_all(&self) -> Result<Ended, JudgeError> {
        let who = &self.judge.settings().name;
        let mut seat = self.desk.seat(who)?;
        // Hold questions back that got no answer, or were answered before.
        let mut held: Vec<Seat> = Vec::new();
        let mut known = 0;
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Ok(Ended::Stopped);
            }
            let now = self.desk.progress();
            if now.goal.is_some_and(|goal| now.answered >= goal) {
                return Ok(Ended::Goal);
            }
            let ticket = seat.next()?;
            if !self.is_new(who, &ticket) {
                known += 1;
                if known > MOST_KNOWN {
                    return Ok(Ended::NothingNew);
                }
                held.push(std::mem::replace(&mut seat, self.desk.seat(who)?));
                continue;
            }
            self.judge.begin()?;
            known = 0;
            let error = match self.judged(&ticket, &self.judge.clock()) {
                Ok(verdict) => {
                    let tags: &[String] = if verdict.is_tagged { &[POSITION.to_owned()] } else { &[] };
                    seat.answer(&ticket, &verdict.value, tags)?;
                    self.judge.note(|tally| tally.answered += 1);
                    self.failures.store(0, Ordering::Relaxed);
                    self.tell(verdict.reason, None);
                    continue;
                }
                Err(error) if error.ends_all() => return Err(error),
                Err(error) => error,
            };
            if error.is_about_question() {
                seat.answer(&ticket, &Answer::Skip, &[])?;
                self.judge.note(|tally| tally.skipped += 1);
            } else {
                held.push(std::mem::replace(&mut seat, self.desk.seat(who)?));
            }
            self.tell(String::new(), Some(error.to_string()));
            let failures = 1 + self.failures.fetch_add(1, Ordering::Relaxed);
            if failures >= self.judge.settings().most_failures {
                return Err(JudgeError::GaveUp { failures, last: Box::new(error) });
            }
        }
    }

    /// Returns whether the judge has not answered this question, or is to repeat it so that its consistency is known.
    fn is_new(&self, who: &str, ticket: &Ticket) -> bool {
        let mut images = ticket.question.images.clone();
        images.sort_unstable();
        let is_begun = !self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(images);
        let is_answered = is_begun || self.desk.has_answered(who, &ticket.question);
        !is_answered || self.desk.is_repeat(who, ticket)
    }

    fn judged(&self, ticket: &Ticket, clock: &Clock) -> Result<Verdict<Answer>, JudgeError> {
        let (pool, places) = (self.desk.pool(), &ticket.question.images);
        let images = places.iter().map(|place| pool.read(*place)).collect::<Result<Vec<_>, _>>()?;
        let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
        let prompt = places.first().map_or("", |place| &*pool.images()[*place].prompt);
        let judge = self.judge;
        match (self.desk.options().mode, &images[..]) {
            (Mode::Pairs, [a, b]) => Ok(judge.choose(prompt, [a, b], clock)?.map(Answer::Better)),
            (Mode::Labels, [image]) => Ok(judge.mark(prompt, image, clock)?.map(Answer::Mark)),
            (Mode::Scores { best }, [image]) => {
                let verdict = judge.grade(prompt, image, best, clock)?;
                Ok(verdict.map(|score| Answer::Score(score.round() as u32)))
            }
            (_, images) => Ok(judge.rank(prompt, images, clock)?.map(Answer::Order)),
        }
    }

    fn tell(&self, reason: String, problem: Option<String>) {
        let (tally, left) = (self.judge.tally(), self.judge.left());
        (self.progress)(&Progress { tally, left, reason, problem });
    }
}

impl<T> Verdict<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Verdict<U> {
        Verdict { value: change(self.value), reason: self.reason, is_tagged: self.is_tagged }
    }
}
