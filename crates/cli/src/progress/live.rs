//! Progress on a terminal: one line for each run and a bar for the whole, redrawn in place.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use moa_core::experiment::Plan;
use moa_core::{Course, EventSink, OnlineNews, RunCourse, RunEvent};

use crate::paint;
use crate::wrap::wrapped;

/// The bar's length in parts; its position is a share of it.
const PARTS: u64 = 10_000;
/// Lines that the screen keeps for the bar and what is said above it.
const SPARE_LINES: usize = 4;

/// Redraws lines for runs and a bar for the whole sweep.
pub(super) struct Live {
    course: Course,
    began: Instant,
    screen: MultiProgress,
    bar: ProgressBar,
    /// One line for each run that the screen has room for.
    lines: Vec<ProgressBar>,
    /// Says how many runs the screen has no room for.
    rest: Option<ProgressBar>,
    /// Where people judge.
    address: Option<String>,
}

impl Live {
    pub(super) fn new(plan: &Plan, screen: MultiProgress) -> Self {
        let bar = screen.add(ProgressBar::new(PARTS));
        bar.set_style(style("{prefix:19} {bar:32} {percent:>3} %  {msg}"));
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            course: Course::new(plan),
            began: Instant::now(),
            screen,
            bar,
            lines: Vec::new(),
            rest: None,
            address: None,
        }
    }

    /// Makes a line for each run, as far as the screen has room.
    fn make_lines(&mut self) {
        let room =
            crossterm::terminal::size().map_or(24, |(_, rows)| usize::from(rows)).saturating_sub(SPARE_LINES).max(1);
        let runs = self.course.runs();
        let width = runs.iter().map(|run| run.id.as_str().len()).max().unwrap_or(0);
        let all = runs.len() <= room;
        for run in runs.iter().take(if all { room } else { room - 1 }) {
            let line = self.screen.insert_before(&self.bar, ProgressBar::new_spinner());
            line.set_style(style("{prefix}  {msg}"));
            line.set_prefix(format!("{:width$}", run.id.as_str()));
            self.lines.push(line);
        }
        if !all {
            let line = self.screen.insert_before(&self.bar, ProgressBar::new_spinner());
            line.set_style(style("{msg}"));
            line.set_message(format!("… and {} more", runs.len() - self.lines.len()));
            line.tick();
            self.rest = Some(line);
        }
    }

    fn redraw(&self) {
        for (line, run) in self.lines.iter().zip(self.course.runs()) {
            line.set_message(message(run, self.course.rewards()));
            line.tick();
        }
        self.bar.set_prefix(self.course.activity());
        self.bar.set_message(match (self.course.judging(), self.course.waiting()) {
            (Some(judging), _) => format!("{} of {} pairs judged", judging.answered, judging.wanted),
            (None, Some((arrived, wanted))) => format!("{arrived} of {wanted} prompts arrived"),
            (None, None) => self.course.left(self.began.elapsed()),
        });
        self.bar.set_position((self.course.share() * PARTS as f64) as u64);
    }

    fn clear(&mut self) {
        for line in self.lines.drain(..).chain(self.rest.take()) {
            line.finish_and_clear();
        }
        self.bar.finish_and_clear();
    }
}

impl EventSink for Live {
    fn emit(&mut self, event: &RunEvent) {
        self.course.take(event);
        match event {
            RunEvent::SweepStarted { .. } => self.make_lines(),
            RunEvent::Judging(judging) if judging.address.as_ref() != self.address.as_ref() => {
                // A new page, or none any more; what comes in is said beside the bar.
                self.address.clone_from(&judging.address);
                let _ = self.screen.println(super::judging_line(judging));
            }
            // What is waited for is said beside the bar.
            RunEvent::Online(news) if !matches!(news, OnlineNews::Waiting { .. }) => {
                let _ = self.screen.println(news.to_string());
            }
            RunEvent::Warned(warning) => {
                if let Some(line) = super::warning_line(warning) {
                    let width = crossterm::terminal::size().ok().map(|(columns, _)| columns.into());
                    let line = paint::label(&wrapped(&line, width), paint::on_error());
                    // A bar that is gone cannot be drawn over.
                    let _ = self.screen.println(line);
                }
            }
            RunEvent::SweepFinished | RunEvent::Interrupted { .. } => return self.clear(),
            _ => {}
        }
        self.redraw();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

fn message(run: &RunCourse, rewards: &[String]) -> String {
    format!("{:>3}/{}  {}", run.epochs_done, run.epochs, run.scores(rewards))
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ")
}
