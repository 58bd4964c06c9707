//! How far a sweep is, and how long it will take, in the same words wherever that is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::experiment::{CostModel, Plan};
use crate::metric;
use crate::{EpochRecord, Judging, OnlineNews, Phase, PointKind, RunEvent, RunId, RunRecord, RunState};

/// Costs relative to each other, for a bar that moves evenly; the time left is measured, not computed from them.
const COST: CostModel =
    CostModel { seconds_per_forward: 1.0, seconds_per_training_pass: 3.0, seconds_per_scored_picture: 0.5 };

/// One run as far as it has come.
#[derive(Clone, Debug)]
pub struct RunCourse {
    /// Its name.
    pub id: RunId,
    /// Epochs planned.
    pub epochs: u32,
    /// Epochs finished.
    pub epochs_done: u32,
    /// The mean of each reward in the last epoch, in the experiment's order; empty before the first.
    pub rewards: Vec<Option<f64>>,
    /// The loss of the last epoch.
    loss: Option<f64>,
}

/// A sweep as far as it has come.
#[derive(Clone, Debug)]
pub struct Course {
    rewards: Vec<String>,
    runs: Vec<RunCourse>,
    phase: Option<Phase>,
    /// Judgements that training waits for.
    judging: Option<Judging>,
    /// Prompts that training waits for: how many arrived, and how many are wanted.
    waiting: Option<(u32, u32)>,
    /// The share of the current epoch or evaluation.
    fraction: f64,
    /// Points evaluated, and how many there are.
    evaluated: u64,
    points: u64,
    /// Work of training and of evaluation, as shares of the whole.
    training: f64,
    evaluation: f64,
    /// What was finished when this process began.
    at_start: f64,
}

impl Course {
    /// Returns the course of a sweep before its first event.
    pub fn new(plan: &Plan) -> Self {
        let evaluation = Plan {
            training_pictures: 0,
            rollout_passes: 0,
            training_passes: 0,
            reference_passes: 0,
            probe_pictures: 0,
            probe_passes: 0,
            ..*plan
        };
        let (all, evaluation) = (plan.seconds(&COST), evaluation.seconds(&COST));
        let share = if all > 0.0 { evaluation / all } else { 1.0 };
        Self {
            rewards: Vec::new(),
            runs: Vec::new(),
            phase: None,
            judging: None,
            waiting: None,
            fraction: 0.0,
            evaluated: 0,
            points: 1 + plan.runs + plan.soups + plan.blends,
            training: 1.0 - share,
            evaluation: share,
            at_start: 0.0,
        }
    }

    /// Returns the course of a sweep that is joined while it runs: the runs as they stand, how many points are evaluated, and what is
    /// being done. The time left counts from the first epoch: what passes to [`Course::remaining`] is the time that the epochs took, and
    /// what has passed since.
    pub fn joined(plan: &Plan, runs: &[RunRecord], evaluated: usize, phase: Option<Phase>, fraction: f64) -> Self {
        let mut course = Self::new(plan);
        course.runs = runs.iter().map(RunCourse::new).collect();
        course.evaluated = (evaluated as u64).min(course.points);
        (course.phase, course.fraction) = (phase, fraction);
        course.at_start = course.share() - course.training * course.trained();
        course
    }

    /// Takes an event.
    pub fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::SweepStarted { rewards, runs, .. } => {
                self.rewards.clone_from(rewards);
                self.evaluated = runs.iter().filter(|run| run.state == RunState::Evaluated).count() as u64;
                self.runs = runs.iter().map(RunCourse::new).collect();
                self.at_start = self.share();
            }
            RunEvent::PhaseStarted { phase, .. } => {
                self.phase = Some(*phase);
                self.fraction = 0.0;
            }
            RunEvent::Progress { phase, fraction } => {
                self.phase = Some(*phase);
                self.fraction = fraction.clamp(0.0, 1.0);
            }
            RunEvent::EpochFinished(epoch) => {
                self.fraction = 0.0;
                self.judging = None;
                if let Some(run) = self.runs.iter_mut().find(|run| run.id == epoch.run) {
                    run.epochs_done = epoch.epoch;
                    run.rewards = means(&self.rewards, epoch);
                    run.loss = epoch.metrics.get(metric::LOSS).copied();
                }
            }
            RunEvent::Evaluated(point) => {
                self.fraction = 0.0;
                self.evaluated = (self.evaluated + 1).min(self.points);
                if point.kind == PointKind::Base {
                    self.phase = Some(Phase::Base);
                }
            }
            RunEvent::Judging(judging) => self.judging = (judging.answered < judging.wanted).then(|| judging.clone()),
            RunEvent::Online(OnlineNews::Waiting { arrived, wanted, .. }) => self.waiting = Some((*arrived, *wanted)),
            RunEvent::Online(_) => self.waiting = None,
            RunEvent::SweepFinished => self.evaluated = self.points,
            _ => {}
        }
    }

    /// Returns the runs, in the experiment's order.
    pub fn runs(&self) -> &[RunCourse] {
        &self.runs
    }

    /// Returns what the sweep is doing, in a few words.
    pub fn activity(&self) -> &'static str {
        match self.phase {
            _ if self.judging.is_some() => "waiting for raters",
            _ if self.waiting.is_some() => "waiting for prompts",
            None => "starting",
            Some(Phase::Base) => "evaluating the base",
            Some(Phase::Training) => "training",
            Some(Phase::Evaluation) => "evaluating",
            Some(Phase::Drawing) => "drawing",
        }
    }

    /// Returns the judgements that training waits for.
    pub fn judging(&self) -> Option<&Judging> {
        self.judging.as_ref()
    }

    /// Returns how many prompts have arrived, and how many training waits for; nothing where it does not wait.
    pub fn waiting(&self) -> Option<(u32, u32)> {
        self.waiting
    }

    /// Returns the share of the whole sweep that is finished, 0 to 1.
    pub fn share(&self) -> f64 {
        let points = self.evaluated as f64 + self.fraction_of(&[Phase::Base, Phase::Evaluation]);
        self.training * self.trained() + self.evaluation * (points / self.points as f64).min(1.0)
    }

    /// Returns the share of the training that is finished.
    fn trained(&self) -> f64 {
        // All runs go through an epoch together; the first one that says so speaks for the others.
        let epochs = self.runs.iter().map(|run| run.epochs).max().unwrap_or(0);
        let done = self.runs.iter().map(|run| run.epochs_done).max().unwrap_or(0);
        let running = f64::from(done) + self.fraction_of(&[Phase::Training]);
        if epochs == 0 { 0.0 } else { (running / f64::from(epochs)).min(1.0) }
    }

    fn fraction_of(&self, phases: &[Phase]) -> f64 {
        if self.phase.is_some_and(|phase| phases.contains(&phase)) { self.fraction } else { 0.0 }
    }

    /// Returns the time left when `elapsed` has passed since this process began, once there is enough to tell.
    pub fn remaining(&self, elapsed: Duration) -> Option<Duration> {
        let finished = self.share() - self.at_start;
        if finished < 0.01 || elapsed < Duration::from_secs(2) {
            return None;
        }
        Some(elapsed.mul_f64(((1.0 - self.share()) / finished).clamp(0.0, 1e6)))
    }
}

impl Course {
    /// Returns the time left in words, e.g. "about 12 min left", when `elapsed` has passed since this process began.
    pub fn left(&self, elapsed: Duration) -> String {
        match self.remaining(elapsed) {
            Some(left) => format!("{} left", to_the_minute(left)),
            None => "estimating the time …".into(),
        }
    }
}

/// Returns an estimated time to the minute: "about 12 min", "about 2 h 5 min", "less than a minute".
fn to_the_minute(time: Duration) -> String {
    match time.as_secs_f64() / 60.0 {
        minutes if minutes < 1.0 => "less than a minute".into(),
        minutes if minutes < 59.5 => format!("about {minutes:.0} min"),
        minutes => {
            let minutes = minutes.round() as u64;
            format!("about {} h {} min", minutes / 60, minutes % 60)
        }
    }
}

impl RunCourse {
    fn new(run: &RunRecord) -> Self {
        Self { id: run.id.clone(), epochs: run.epochs, epochs_done: run.epochs_done, rewards: Vec::new(), loss: None }
    }

    /// Returns the run's rewards in words, "safety 0.812  alignment 0.790"; its loss where an epoch scores nothing.
    pub fn scores(&self, names: &[String]) -> String {
        let known = names.iter().zip(&self.rewards).filter_map(|(name, mean)| Some(format!("{name} {:.3}", (*mean)?)));
        let known: Vec<String> = known.collect();
        match self.loss {
            Some(loss) if known.is_empty() => format!("loss {loss:.4}"),
            _ => known.join("  "),
        }
    }
}

impl Course {
    /// Returns the rewards' names, in the experiment's order.
    pub fn rewards(&self) -> &[String] {
        &self.rewards
    }
}

/// Returns the mean of each reward; nothing of those that the epoch does not tell.
fn means(rewards: &[String], epoch: &EpochRecord) -> Vec<Option<f64>> {
    let mean = |metrics: &BTreeMap<String, f64>, name: &String| metrics.get(&metric::reward_mean(name)).copied();
    rewards.iter().map(|name| mean(&epoch.metrics, name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EvaluationRecord, Weighting};

    fn plan() -> Plan {
        Plan {
            given: 0,
            runs: 2,
            soups: 1,
            blends: 0,
            training_pictures: 80,
            rollout_passes: 640,
            training_passes: 240,
            reference_passes: 0,
            probe_pictures: 0,
            probe_passes: 0,
            evaluation_pictures: 40,
            evaluation_passes: 400,
        }
    }

    fn started(epochs_done: u32) -> Course {
        let run = |index| RunRecord {
            id: RunId(format!("run-{index}")),
            weighting: Weighting::corner(index, 2),
            state: RunState::Planned,
            epochs_done,
            epochs: 10,
            warnings: Vec::new(),
        };
        let mut course = Course::new(&plan());
        course.take(&RunEvent::SweepStarted {
            experiment: "test".into(),
            device: "flex".into(),
            rewards: vec!["safety".into()],
            runs: vec![run(0), run(1)],
        });
        course
    }

    fn epoch(run: usize, epoch: u32) -> RunEvent {
        let metrics = BTreeMap::from([("reward/safety/mean".to_owned(), 0.25)]);
        RunEvent::EpochFinished(EpochRecord { run: RunId(format!("run-{run}")), epoch, seconds: 1.0, metrics })
    }

    fn evaluated(id: &str, kind: PointKind) -> RunEvent {
        RunEvent::Evaluated(EvaluationRecord {
            id: RunId(id.into()),
            kind,
            weighting: None,
            images_per_prompt: 2,
            rewards: Vec::new(),
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        })
    }

    #[test]
    fn the_share_grows_with_every_event_and_ends_at_one() {
        let mut course = started(0);
        let mut events = vec![
            RunEvent::PhaseStarted { phase: Phase::Base, units: 10 },
            RunEvent::Progress { phase: Phase::Base, fraction: 0.5 },
            evaluated("base", PointKind::Base),
            RunEvent::PhaseStarted { phase: Phase::Training, units: 10 },
        ];
        for done in 1..=10 {
            events.extend([
                RunEvent::Progress { phase: Phase::Training, fraction: 0.9 },
                epoch(0, done),
                epoch(1, done),
            ]);
        }
        events.push(RunEvent::PhaseStarted { phase: Phase::Evaluation, units: 30 });
        events.extend(["run-0", "run-1"].map(|id| evaluated(id, PointKind::Trained)));
        events.extend([evaluated("soup-centre", PointKind::Soup), RunEvent::SweepFinished]);
        let mut share = 0.0;
        for event in events {
            course.take(&event);
            assert!(course.share() >= share, "{event:?}: {} after {share}", course.share());
            share = course.share();
        }
        assert!((share - 1.0).abs() < 1e-12, "{share}");
    }

    #[test]
    fn the_time_left_counts_from_where_this_process_began() {
        let mut course = started(5);
        assert_eq!(course.remaining(Duration::from_secs(9)), None);
        let before = course.share();
        course.take(&RunEvent::PhaseStarted { phase: Phase::Training, units: 10 });
        course.take(&epoch(0, 6));
        course.take(&epoch(1, 6));
        let finished = course.share() - before;
        let wanted = 30.0 * (1.0 - course.share()) / finished;
        let left = course.remaining(Duration::from_secs(30)).unwrap().as_secs_f64();
        assert!((left - wanted).abs() < 1e-6, "{left} is not {wanted}");
    }

    #[test]
    fn a_sweep_that_is_joined_has_an_estimate_at_once() {
        let mut run = RunRecord::planned(RunId("run-0".into()), Weighting::corner(0, 2), 10);
        (run.epochs_done, run.state) = (5, RunState::Training);
        let course = Course::joined(&plan(), &[run], 1, Some(Phase::Training), 0.0);
        // Half of the training took a minute; the other half, and all evaluations but the base's, are left.
        let (trained, left) = (0.5 * course.training, 1.0 - course.share());
        let found = course.remaining(Duration::from_mins(1)).unwrap().as_secs_f64();
        assert!((found - 60.0 * left / trained).abs() < 1e-6, "{found}");
    }

    #[test]
    fn the_time_left_is_said_to_the_minute() {
        let cases = [
            (20, "less than a minute"),
            (90, "about 2 min"),
            (3560, "about 59 min"),
            (3599, "about 1 h 0 min"),
            (7500, "about 2 h 5 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(to_the_minute(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn scores_are_shown_by_name() {
        let mut course = started(0);
        course.take(&epoch(1, 1));
        assert_eq!(course.runs()[1].scores(course.rewards()), "safety 0.250");
        assert_eq!(course.runs()[0].scores(course.rewards()), "");
    }
}
