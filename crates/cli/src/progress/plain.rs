//! Progress as lines one after the other, for logs.

use std::time::Instant;

use moa_core::experiment::Plan;
use moa_core::{Course, EventSink, RunEvent};

use crate::output::note;

/// Writes one line for each run's epoch, evaluation and finding.
pub(super) struct Plain {
    course: Course,
    began: Instant,
    /// What the sweep was last said to do.
    activity: &'static str,
}

impl Plain {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { course: Course::new(plan), began: Instant::now(), activity: "" }
    }

    fn line(&mut self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::PhaseStarted { .. } => {
                // What goes on after a look at something else was said before.
                let (before, now) = (self.activity, self.course.activity());
                self.activity = now;
                (now != before).then(|| now.to_owned())
            }
            RunEvent::EpochFinished(epoch) => {
                let run = self.course.runs().iter().find(|run| run.id == epoch.run)?;
                Some(format!("epoch {}/{}  {}: {}", epoch.epoch, run.epochs, run.id, run.scores(self.course.rewards())))
            }
            RunEvent::Checkpointed { epoch } => {
                Some(format!("epoch {epoch} saved, {}", self.course.left(self.began.elapsed())))
            }
            RunEvent::Evaluated(point) => {
                let means = point.rewards.iter().map(|column| format!("{} {:.3}", column.name, column.mean()));
                Some(format!("evaluated {}: {}", point.id, means.collect::<Vec<_>>().join("  ")))
            }
            RunEvent::Judging(judging) => Some(super::judging_line(judging)),
            RunEvent::Online(news) => Some(news.to_string()),
            RunEvent::Warned(warning) => super::warning_line(warning),
            _ => None,
        }
    }
}

impl EventSink for Plain {
    fn emit(&mut self, event: &RunEvent) {
        self.course.take(event);
        if let Some(line) = self.line(event) {
            note(&line);
        }
    }
}
