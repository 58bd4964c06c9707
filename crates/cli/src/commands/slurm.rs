//! `moa slurm`: what became of a sweep that was submitted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use moa_store::{Layout, Submission, Submissions, TaskState, TaskStatus, unix_now};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::print;
use crate::results;
use crate::shell;
use crate::slurm::script::ranges;
use crate::text::{Table, duration};

/// Shows the tasks of a sweep that was submitted to Slurm with `moa sweep --slurm`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa sweep my.ron --slurm -- --partition=gpu --time=4:00:00   submit
  moa slurm status results/my                                  watch
  moa sweep my.ron --slurm -- --partition=gpu --time=4:00:00   submit again: what is missing")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(StatusArguments),
}

/// Shows how far the tasks are, and what to do next.
///
/// It reads only files in the results, and works wherever they can be read: Slurm is not asked. A task that was killed cannot report it;
/// it is marked as silent after three minutes without a sign of life.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
States:
  waiting   submitted, not begun
  starting  begun, no report yet; the message is the last line of its log
  running   running; `silent` after three minutes without a sign of life
  requeued  saved when its time was nearly up; Slurm starts it again
  finished  all of its runs are trained and evaluated
  failed    ended before that; the message says why, and its log has details
  stopped   stopped by a user; its work is saved

Examples:
  moa slurm status results/my
  watch -n 10 moa slurm status results/my
  moa slurm status results/my --format json | jq '.tasks[] | select(.state == \"failed\") | .part'")]
struct StatusArguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// How to write it
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let Command::Status(StatusArguments { results, format }) = &arguments.command;
    let results = &results::find(results)?;
    let layout = Layout::new(results);
    let record = Submissions::read(&layout)?;
    let statuses = TaskStatus::read_all(&layout)?;
    if record.last().is_none() && statuses.is_empty() {
        return Err(CliError::failure(format!("{}: nothing was submitted, and no task has begun", results.display()))
            .hint("`moa sweep my.ron --slurm` submits a sweep; `moa front` shows one that ran without Slurm"));
    }
    let tasks = Tasks::of(record.last(), statuses, &layout, unix_now());
    print(match format {
        Format::Table => tasks.table(&layout),
        Format::Json => tasks.json(),
    })
}

/// The tasks of the last submission, or whatever has said something where nothing was submitted.
struct Tasks<'a> {
    submission: Option<&'a Submission>,
    parts: Vec<Task>,
    /// How many parts were begun when the runs were dealt out otherwise.
    of_others: usize,
    now: u64,
}

/// A part of the sweep.
enum Task {
    /// It was submitted, and has said nothing yet.
    Waiting {
        part: u32,
        of: u32,
        /// The last line of its log, where Slurm has begun one.
        log: Option<String>,
        /// How it ended when it was submitted before.
        before: Option<TaskState>,
    },
    /// It has begun.
    Begun(TaskStatus),
}

impl<'a> Tasks<'a> {
    fn of(submission: Option<&'a Submission>, statuses: Vec<TaskStatus>, layout: &Layout, now: u64) -> Self {
        let Some(last) = submission else {
            return Self { submission, parts: statuses.into_iter().map(Task::Begun).collect(), of_others: 0, now };
        };
        let of = last.of;
        let (mut statuses, others): (Vec<_>, Vec<_>) = statuses.into_iter().partition(|status| status.of == of);
        let mut task = |part| {
            let status =
                statuses.iter().position(|status| status.part == part).map(|place| statuses.swap_remove(place));
            let before = status.as_ref().map(|status| status.state);
            match status.filter(|status| !is_from_before(status, last)) {
                Some(status) => Task::Begun(status),
                None => Task::Waiting { part, of, log: log(layout, last, part), before },
            }
        };
        let parts = (1..=of).map(&mut task).collect();
        Self { submission, parts, of_others: others.len(), now }
    }

    fn begun(&self) -> impl Iterator<Item = &TaskStatus> {
        self.parts.iter().filter_map(|task| match task {
            Task::Begun(status) => Some(status),
            Task::Waiting { .. } => None,
        })
    }

    /// Returns the job of a task, as far as it is known: of one that has not begun, the one that it was submitted as.
    fn job(&self, part: u32) -> Option<String> {
        let submission = self.submission.filter(|submission| submission.parts.contains(&part))?;
        Some(format!("{}_{part}", submission.array.as_ref()?))
    }

    fn table(&self, layout: &Layout) -> String {
        let heading = ["part", "state", "runs", "epoch", "node", "job", "restarts", "last sign", "message"];
        let mut table = Table::new(heading);
        for task in &self.parts {
            match task {
                Task::Waiting { part, of, log, before } => {
                    let job = self.job(*part).unwrap_or_else(|| "–".into());
                    let state = if log.is_some() { "starting" } else { "waiting" };
                    let before = before.map(|state| format!("before: {}", state.name()));
                    let message = log.clone().or(before).unwrap_or_default();
                    table.row([&format!("{part}/{of}"), state, "–", "–", "–", &job, "–", "–", &message]);
                }
                Task::Begun(status) => table.row(self.row(status)),
            }
        }
        let mut text = table.render_with_left(heading.len());
        text.push('\n');
        if self.of_others > 0 {
            text += "tasks of an earlier submission with another number of tasks are not shown\n";
        }
        text + &self.advice(layout).join("\n") + "\n"
    }

    fn row(&self, status: &TaskStatus) -> [String; 9] {
        let state = if status.is_silent(self.now) { "silent" } else { status.state.name() };
        let runs = match &status.runs[..] {
            [one, other, rest @ ..] if !rest.is_empty() => format!("{one}, {other} +{}", rest.len()),
            few => few.join(", "),
        };
        let phase = status.phase.filter(|_| status.state == TaskState::Running);
        let message = status.message.as_deref().and_then(|message| message.lines().next());
        [
            format!("{}/{}", status.part, status.of),
            state.into(),
            runs,
            format!("{} of {}", status.epoch, status.epochs),
            status.node.clone(),
            status.job.clone().unwrap_or_else(|| "–".into()),
            status.restarts.to_string(),
            format!("{} ago", duration(Duration::from_secs(self.now.saturating_sub(status.updated)))),
            message.map(str::to_owned).or(phase.map(|phase| format!("{phase:?}").to_lowercase())).unwrap_or_default(),
        ]
    }

    /// Says what to do next.
    fn advice(&self, layout: &Layout) -> Vec<String> {
        let parts = |wanted: &dyn Fn(&TaskStatus) -> bool| -> Vec<u32> {
            self.begun().filter(|status| wanted(status)).map(|status| status.part).collect()
        };
        let waiting = self.parts.iter().filter(|task| matches!(task, Task::Waiting { .. })).count();
        let silent = parts(&|status| status.is_silent(self.now));
        let ended = parts(&|status| matches!(status.state, TaskState::Failed | TaskState::Stopped));
        let at_work = parts(&|status| {
            matches!(status.state, TaskState::Running | TaskState::Requeued) && !status.is_silent(self.now)
        });
        let results = layout.root().display().to_string();
        let jobs = self.submission.map(|submission| submission.jobs().join(",")).filter(|jobs| !jobs.is_empty());
        let queue = jobs.map_or("squeue --me".into(), |jobs| format!("squeue --jobs {jobs}"));
        let mut lines = Vec::new();
        if !silent.is_empty() {
            lines.push(format!("silent: part {}; `{queue}` says whether Slurm still runs it", ranges(&silent)));
        }
        if !ended.is_empty() {
            let logs = layout.slurm_dir();
            lines.push(format!("ended too early: part {}; why is in the logs in {}", ranges(&ended), logs.display()));
        }
        if silent.is_empty() && ended.is_empty() && at_work.is_empty() && waiting == 0 {
            let gather = self.submission.and_then(|submission| submission.gather.as_ref());
            let gather = gather.map_or(String::new(), |job| format!("job {job} gathers them, or has done so: "));
            lines.push(format!("all parts are finished; {gather}{}", shell::line(["moa", "front", &results])));
            lines.push(format!("to gather them here: {}", shell::line(["moa", "gather", &results])));
            return lines;
        }
        if waiting > 0 || !at_work.is_empty() {
            let why = if waiting > 0 { format!("; `{queue}` says why they wait") } else { String::new() };
            lines.push(format!("{} at work, {waiting} waiting{why}", at_work.len()));
        }
        if let Some(Submission { command, folder, .. }) = self.submission {
            let here = std::env::current_dir().is_ok_and(|here| here == Path::new(folder));
            let place = if here { String::new() } else { format!("cd {} && ", shell::quoted(folder)) };
            lines.push(format!("when no job is left, the same command submits what is missing:\n  {place}{command}"));
        }
        lines
    }

    fn json(&self) -> String {
        let tasks = self.parts.iter().map(|task| match task {
            Task::Waiting { part, of, log, before } => json!({
                "part": part,
                "of": of,
                "state": if log.is_some() { "starting" } else { "waiting" },
                "silent": false,
                "job": self.job(*part),
                "message": log,
                "before": before.map(TaskState::name),
            }),
            Task::Begun(status) => json!({
                "part": status.part,
                "of": status.of,
                "state": status.state.name(),
                "silent": status.is_silent(self.now),
                "runs": status.runs,
                "phase": status.phase.map(|phase| format!("{phase:?}").to_lowercase()),
                "epoch": status.epoch,
                "epochs": status.epochs,
                "message": status.message,
                "node": status.node,
                "pid": status.pid,
                "device": status.device,
                "job": status.job,
                "restarts": status.restarts,
                "started": status.started,
                "updated": status.updated,
                "age": self.now.saturating_sub(status.updated),
            }),
        });
        let submission = self.submission.map(|submission| {
            json!({
                "of": submission.of,
                "parts": submission.parts,
                "array": submission.array,
                "gather": submission.gather,
                "cluster": submission.cluster,
                "submitted": submission.submitted,
                "command": submission.command,
                "folder": submission.folder,
            })
        });
        let all = json!({ "submission": submission, "tasks": tasks.collect::<Vec<Value>>() });
        format!("{all:#}\n")
    }
}

/// Returns whether a task speaks of an earlier submission, and its part was submitted again.
fn is_from_before(status: &TaskStatus, last: &Submission) -> bool {
    let array = status.job.as_deref().and_then(|job| job.split('_').next());
    last.parts.contains(&status.part) && array.is_some() && array != last.array.as_deref()
}

/// Returns the last line of a task's log; nothing where Slurm has not begun it, or writes it elsewhere.
fn log(layout: &Layout, last: &Submission, part: u32) -> Option<String> {
    let file = layout.slurm_dir().join(format!("sweep-{}_{part}.log", last.array.as_ref()?));
    let text = fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned())
}
