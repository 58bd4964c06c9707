//! `moa sweep --slurm`: the sweep as a job array and a job that gathers. No model is opened here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use moa_runner::Part;
use moa_store::{Layout, Submission, Submissions, TaskState, TaskStatus, unix_now, write_atomically};

use super::plan::{Changes, Planned};
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::output::{note, print};
use crate::shell;
use crate::slurm::Job;
use crate::slurm::client::{self, Queued};
use crate::slurm::script::{Script, Work, ranges};
use crate::text::count;

/// How many tasks there are at most, unless the user says otherwise.
const MOST_TASKS: usize = 64;

/// What `moa sweep` takes for Slurm.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Slurm (docs/clusters.md)")]
pub(super) struct Options {
    /// Submit the sweep to Slurm and return: a job array that trains, and a job that gathers the parts
    ///
    /// Each task of the array trains and evaluates a part of the runs; a task whose time is nearly up saves and goes back to the
    /// queue. The same command again submits what is missing. Arguments after `--` go to sbatch unchanged.
    #[arg(long, conflicts_with = "tui")]
    slurm: bool,

    /// Distribute the runs over N tasks [default: as submitted before, or else one for each run, 64 at most]
    #[arg(long, value_name = "N", requires = "slurm", value_parser = clap::value_parser!(u32).range(1..))]
    tasks: Option<u32>,

    /// How many tasks may work at the same time [default: all]
    #[arg(long, value_name = "P", requires = "slurm", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,

    /// Print the scripts and how they would be submitted, and change nothing
    #[arg(long, requires = "slurm")]
    dry_run: bool,

    /// Arguments of sbatch: partition, account, time, gres …
    #[arg(last = true, value_name = "SBATCH-ARGUMENTS", requires = "slurm")]
    sbatch: Vec<String>,
}

impl Options {
    /// Returns whether the sweep goes to Slurm.
    pub(super) fn is_asked(&self) -> bool {
        self.slurm
    }
}

/// Submits what is missing of one experiment, or prints what would be submitted.
///
/// # Errors
/// Says what is wrong with the experiment, the arguments or an earlier submission, and passes on what `sbatch` refuses. Where the
/// array was taken and the job that gathers was not, the record of the submission says so.
pub(super) fn run(
    options: &Options,
    files: &[PathBuf],
    planned: &[Planned],
    changes: &Changes,
    global: Global,
) -> Result<(), CliError> {
    let ([file], [Planned { experiment, out }]) = (files, planned) else {
        return Err(one_at_a_time(planned.len()));
    };
    if file.is_dir() {
        return Err(one_at_a_time(planned.len()));
    }
    refuse_ours(&options.sbatch)?;
    for device in [Some(global.device), global.reward_device].into_iter().flatten() {
        device.refuse_absent()?;
    }
    moa_runner::check_preferences(&experiment.spec)?;
    let layout = Layout::new(absolute(out)?);
    let record = Submissions::read(&layout)?;
    let statuses = TaskStatus::read_all(&layout)?;
    let runs: Vec<String> = experiment.spec.weightings().iter().map(|(id, _)| id.to_string()).collect();
    let of = number_of_tasks(options.tasks, runs.len(), record.last())?;
    let parts = missing(&statuses, of, &runs, experiment.spec.training.epochs);
    let work = Work {
        program: &program()?,
        folder: &absolute(Path::new("."))?,
        file: &absolute(file)?,
        name: experiment.name(),
        layout: &layout,
        changes: changes.arguments().collect(),
        global,
        sbatch: &options.sbatch,
        chooses: experiment.spec.next().is_some() || experiment.spec.rounds > 1,
    };
    if options.dry_run {
        return dry_run(&work, &parts, of, options.at_once);
    }
    if !client::is_there("sbatch") {
        return Err(client::no_sbatch());
    }
    refuse_while_at_work(record.last(), &statuses, out)?;
    submit(&work, record, &parts, of, options.at_once)?;
    told(&layout, out, experiment)
}

fn one_at_a_time(number: usize) -> CliError {
    let number = count(number as u64, "experiment");
    CliError::usage(format!("--slurm submits one experiment file, and this is a folder, or several files: {number}"))
        .hint("submit each file separately")
}

/// Refuses arguments for `sbatch` that would turn the submission into another.
fn refuse_ours(arguments: &[String]) -> Result<(), CliError> {
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default();
        let short = |flag: &str| argument.starts_with(flag) && !argument.starts_with("--");
        let hint = if name == "--array" || short("-a") {
            "--tasks says how many tasks there are, --at-once how many work at the same time"
        } else if name == "--wait" || short("-W") {
            "`moa slurm status` says how far they are"
        } else if name == "--wrap" {
            "moa uses its own script"
        } else {
            continue;
        };
        return Err(
            CliError::usage(format!("`{argument}` is not for sbatch: moa submits an array and returns")).hint(hint)
        );
    }
    Ok(())
}

/// Returns over how many tasks the runs are dealt out.
fn number_of_tasks(asked: Option<u32>, runs: usize, before: Option<&Submission>) -> Result<u32, CliError> {
    let fits = |tasks: &u32| *tasks as usize <= runs;
    match asked {
        Some(tasks) if !fits(&tasks) => {
            let message = format!("--tasks is {tasks}, and the experiment has {}", count(runs as u64, "run"));
            Err(CliError::usage(message).hint("a run cannot be divided: give each task at least one"))
        }
        Some(tasks) => Ok(tasks),
        None => {
            let before = before.map(|submission| submission.of).filter(fits);
            Ok(before.unwrap_or(runs.min(MOST_TASKS) as u32))
        }
    }
}

/// Returns the parts that are not finished, of so many: those with a run that no finished part has trained. Runs may have come to the
/// experiment since, or left it.
fn missing(statuses: &[TaskStatus], of: u32, runs: &[String], epochs: u32) -> Vec<u32> {
    let finished = statuses.iter().filter(|status| status.state == TaskState::Finished && status.epochs == epochs);
    let done: BTreeSet<&String> = finished.flat_map(|status| &status.runs).collect();
    let is_missing = |part: &u32| {
        let own = Part { number: *part as usize, of: of as usize }.take(runs.iter().collect());
        own.iter().any(|run| !done.contains(run))
    };
    (1..=of).filter(is_missing).collect()
}

/// Refuses to submit what an earlier submission may still be doing. Slurm is asked; where it does not answer, the files count.
fn refuse_while_at_work(last: Option<&Submission>, statuses: &[TaskStatus], out: &Path) -> Result<(), CliError> {
    let mut is_over = false;
    if let Some(last) = last {
        // The job that gathers submits the next stage.
        let own = Job::current().map(|job| job.name());
        let others = client::queued(&last.jobs(), last.cluster.as_deref())
            .map(|queued| queued.into_iter().filter(|job| Some(&job.name) != own.as_ref()).collect::<Vec<_>>());
        match others {
            Ok(queued) if queued.is_empty() => is_over = true,
            Ok(queued) => return Err(at_work(last, &states(&queued), out)),
            Err(reason) => {
                note(&format!("warning: Slurm does not say which jobs there are ({reason}): using only files"));
            }
        }
    }
    let of_last = |status: &TaskStatus| {
        let array = status.job.as_deref().and_then(|job| job.split('_').next());
        last.is_some_and(|last| array.is_some() && array == last.array.as_deref())
    };
    let now = unix_now();
    for status in statuses {
        let at_work = match status.state {
            TaskState::Running => !status.is_silent(now),
            // Only Slurm starts it again.
            TaskState::Requeued => of_last(status),
            TaskState::Finished | TaskState::Failed | TaskState::Stopped => false,
        };
        if !at_work || (is_over && of_last(status)) {
            continue;
        }
        let TaskStatus { part, of, node, .. } = status;
        let job = status.job.as_ref().map_or_else(|| format!("process {}", status.pid), |job| format!("job {job}"));
        let what = format!("part {part} of {of} is {}, by {job} on {node}", status.state.name());
        return Err(CliError::failure(format!("{} is being worked on: {what}", out.display()))
            .hint(format!("`{}` shows it; submit again when it has ended", status_command(out)))
            .hint("a task that was killed counts as running until it has been silent for three minutes"));
    }
    Ok(())
}

fn at_work(last: &Submission, states: &str, out: &Path) -> CliError {
    let of = count(u64::from(last.of), "part");
    CliError::failure(format!("{} is being worked on, in {of}: Slurm has {states}", out.display()))
        .hint(format!("`{}` shows how far that is; submit again when it has ended", status_command(out)))
        .hint(format!("or end it with `{}`: nothing that was saved is lost", cancel_command(last)))
}

/// Returns jobs as text, those of one state together: "12_2, 12_3 running; 13 pending".
fn states(queued: &[Queued]) -> String {
    let mut by_state: Vec<(&str, Vec<&str>)> = Vec::new();
    for Queued { name, state } in queued {
        match by_state.iter_mut().find(|(known, _)| known == state) {
            Some((_, names)) => names.push(name),
            None => by_state.push((state, vec![name])),
        }
    }
    let one = |(state, names): &(&str, Vec<&str>)| {
        let more = names.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more} {}", names.iter().take(4).copied().collect::<Vec<_>>().join(", "), state.to_lowercase())
    };
    by_state.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Returns the scripts: of the job array, unless no part is missing, and of the job that gathers.
fn scripts(
    work: &Work<'_>,
    parts: &[u32],
    of: u32,
    at_once: Option<u32>,
    array: Option<&str>,
) -> Result<(Option<Script>, Script), CliError> {
    let sweep = if parts.is_empty() { None } else { Some(work.sweep(parts, of, at_once)?) };
    Ok((sweep, work.gather(array, of, at_once)?))
}

fn dry_run(work: &Work<'_>, parts: &[u32], of: u32, at_once: Option<u32>) -> Result<(), CliError> {
    let (sweep, gather) = scripts(work, parts, of, at_once, None)?;
    let written = sweep.iter().chain([&gather]).map(|Script { path, text, .. }| format!("==> {path} <==\n{text}\n"));
    let mut parts: Vec<String> = written.collect();
    parts.push("==> submitted with <==\n".into());
    let mut gathering = shell::line(&gather.arguments);
    if let Some(sweep) = &sweep {
        parts.push(format!("job=$(sbatch {})\n", shell::line(&sweep.arguments)));
        // As `Work::gather` has it, with a number that is not known yet.
        let (before, script) = gather.arguments.split_at(gather.arguments.len() - 1);
        gathering = format!("{} --dependency=afterany:\"$job\" {}", shell::line(before), shell::line(script));
    }
    parts.push(format!("sbatch {gathering}\n"));
    print(parts.concat())
}

/// Writes the scripts and submits them; the record is written after each job.
fn submit(
    work: &Work<'_>,
    mut record: Submissions,
    parts: &[u32],
    of: u32,
    at_once: Option<u32>,
) -> Result<(), CliError> {
    let (sweep, gather) = scripts(work, parts, of, at_once, None)?;
    for script in sweep.iter().chain([&gather]) {
        write_atomically(Path::new(&script.path), script.text.as_bytes())?;
    }
    let mut submission = Submission {
        of,
        parts: parts.to_vec(),
        array: None,
        gather: None,
        cluster: None,
        submitted: unix_now(),
        command: shell::command_line(),
        folder: work.folder.display().to_string(),
    };
    let place = record.submissions.len();
    let keep = |record: &mut Submissions, submission: &Submission| {
        record.submissions.truncate(place);
        record.submissions.push(submission.clone());
        let jobs = submission.jobs().join(" and ");
        let unrecorded = |error| CliError::from(error).hint(format!("submitted, and not recorded: job {jobs}"));
        record.write(work.layout).map_err(unrecorded)
    };
    if let Some(sweep) = &sweep {
        let accepted = client::sbatch(&sweep.arguments, "job array")?;
        accepted.warnings.iter().for_each(|line| note(&format!("sbatch: {line}")));
        (submission.array, submission.cluster) = (Some(accepted.job), accepted.cluster);
        keep(&mut record, &submission)?;
    }
    let gather = work.gather(submission.array.as_deref(), of, at_once)?;
    let accepted = client::sbatch(&gather.arguments, "job that gathers").map_err(|error| match &submission.array {
        None => error,
        Some(array) => error.hint(format!(
            "job {array} trains nevertheless: when it has ended, the same command submits what is missing; or end it with `{}`",
            cancel_command(&submission)
        )),
    })?;
    accepted.warnings.iter().for_each(|line| note(&format!("sbatch: {line}")));
    (submission.gather, submission.cluster) = (Some(accepted.job), accepted.cluster);
    keep(&mut record, &submission)
}

/// Says what was submitted, and what can be done with it.
fn told(layout: &Layout, out: &Path, experiment: &Experiment) -> Result<(), CliError> {
    let record = Submissions::read(layout)?;
    let Some(last) = record.last() else { return Ok(()) };
    let mut lines = Vec::new();
    match &last.array {
        Some(array) => {
            let (tasks, of) = (count(last.parts.len() as u64, "task"), last.of);
            let which = if last.parts.len() == of as usize {
                String::new()
            } else {
                format!(" (parts {} of {of}: the others are finished)", ranges(&last.parts))
            };
            lines.push(("trains", format!("job {array}: {tasks}{which}, {}", count(experiment.plan.runs, "run"))));
        }
        None => lines.push(("trains", format!("nothing: all {} are finished", count(u64::from(last.of), "part")))),
    }
    if let Some(gather) = &last.gather {
        let when = if last.array.is_some() { "when all tasks have ended" } else { "at once" };
        lines.push(("gathers", format!("job {gather}: {when}")));
    }
    lines.extend([
        ("watch", status_command(out)),
        ("", shell::line(["moa", "browse", &out.display().to_string()])),
        ("logs", Layout::new(out).slurm_dir().display().to_string()),
        ("cancel", cancel_command(last)),
        ("again", "the same command submits what is missing".into()),
    ]);
    print(lines.into_iter().map(|(label, text)| format!("{label:<9}{text}\n")).collect::<Vec<_>>().concat())
}

fn status_command(out: &Path) -> String {
    shell::line(["moa", "slurm", "status", &out.display().to_string()])
}

fn cancel_command(submission: &Submission) -> String {
    let cluster = submission.cluster.as_ref().map(|cluster| format!("--clusters={cluster}"));
    let words = ["scancel"].into_iter().chain(cluster.as_deref()).chain(submission.jobs());
    shell::line(words)
}

/// Returns this program's own path, which the tasks start.
fn program() -> Result<PathBuf, CliError> {
    let unknown = |reason: String| CliError::failure(format!("failed to find this program's own file: {reason}"));
    let path = std::env::current_exe().map_err(|error| unknown(error.to_string()))?;
    if path.is_file() { Ok(path) } else { Err(unknown(format!("{} is gone or was replaced", path.display()))) }
}

/// Returns a path from the root, through the links that it goes through: other machines may have other targets behind them.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let absolute = std::path::absolute(path);
    absolute.map_err(|error| CliError::failure(format!("failed to find {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(part: u32, of: u32, state: TaskState, runs: &[&str]) -> TaskStatus {
        TaskStatus {
            format: moa_store::TASK_FORMAT,
            part,
            of,
            runs: runs.iter().map(|run| (*run).to_owned()).collect(),
            state,
            phase: None,
            epoch: 0,
            epochs: 2,
            message: None,
            node: "node7".into(),
            pid: 1,
            device: "flex".into(),
            job: None,
            restarts: 0,
            started: 0,
            updated: 0,
        }
    }

    #[test]
    fn parts_that_are_finished_are_not_submitted_again() {
        let runs = ["a", "b", "c", "d"].map(str::to_owned);
        let finished = |part, runs: &[&str]| status(part, 2, TaskState::Finished, runs);
        let missing = |statuses: &[TaskStatus], of| missing(statuses, of, &runs, 2);
        assert_eq!(missing(&[], 2), [1, 2]);
        assert_eq!(missing(&[finished(1, &["a", "c"]), finished(2, &["b", "d"])], 2), Vec::<u32>::new());
        assert_eq!(missing(&[finished(1, &["a", "c"])], 2), [2]);
        assert_eq!(missing(&[finished(2, &["b", "d"]), status(1, 2, TaskState::Failed, &["a", "c"])], 2), [1]);
        // Dealt out over another number of tasks, finished runs stay finished.
        assert_eq!(missing(&[finished(1, &["a", "c"]), finished(2, &["b", "d"])], 3), Vec::<u32>::new());
        // A run has left, another has come.
        assert_eq!(missing(&[finished(1, &["a", "x"]), finished(2, &["b", "d"])], 2), [1]);
        // More epochs are asked for.
        let shorter = |part, runs: &[&str]| TaskStatus { epochs: 1, ..finished(part, runs) };
        assert_eq!(missing(&[shorter(1, &["a", "c"]), finished(2, &["b", "d"])], 2), [1]);
    }

    #[test]
    fn arguments_that_make_another_submission_are_refused() {
        for (argument, refused) in [
            ("--array=1-3", true),
            ("-a1-3", true),
            ("--wait", true),
            ("-W", true),
            ("--wrap=x", true),
            ("--account=a", false),
            ("-A", false),
            ("--wait-all-nodes=1", false),
            ("alpha", false),
        ] {
            assert_eq!(refuse_ours(&[argument.to_owned()]).is_err(), refused, "{argument}");
        }
    }

    #[test]
    fn states_are_told_together() {
        let queued = [("12_2", "RUNNING"), ("12_3", "PENDING"), ("13", "PENDING")];
        let queued = queued.map(|(name, state)| Queued { name: name.into(), state: state.into() });
        assert_eq!(states(&queued), "12_2 running; 12_3, 13 pending");
    }
}
