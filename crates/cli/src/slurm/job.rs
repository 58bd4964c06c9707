//! The job that this process is part of.

use moa_store::{Layout, TaskState, TaskStatus, unix_now};

use super::client;
use crate::error::CliError;
use crate::output::note;

/// A job in Slurm's queue, or a task of an array of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its number, which for an array's last task is the number of the whole array.
    number: String,
    /// The array's number and the task's in it.
    task: Option<(String, String)>,
    /// How often Slurm has started it again.
    pub(crate) restarts: u32,
}

impl Job {
    /// Returns the job that this process is part of; `None` outside of Slurm.
    pub(crate) fn current() -> Option<Self> {
        Self::of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(Self {
            number: variable("SLURM_JOB_ID")?,
            task: variable("SLURM_ARRAY_JOB_ID").zip(variable("SLURM_ARRAY_TASK_ID")),
            // Unset as long as it was never started again.
            restarts: variable("SLURM_RESTART_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0),
        })
    }

    /// Returns the name by which Slurm's commands mean this job and no other: `<array>_<task>`, or a number.
    pub(crate) fn name(&self) -> String {
        match &self.task {
            Some((array, task)) => format!("{array}_{task}"),
            None => self.number.clone(),
        }
    }

    /// Has Slurm stop this job and start it again later: this one alone, and no other task of its array. What it does is
    /// saved; Slurm ends this process within moments.
    ///
    /// # Errors
    /// Says why Slurm refuses; the job then continues.
    pub(crate) fn requeue(&self, layout: &Layout) -> Result<(), CliError> {
        let name = self.own_name();
        // Before Slurm knows: afterwards there may be no time.
        tell(layout, &self.name(), TaskState::Requeued, None);
        client::requeue(&name).map_err(|reason| {
            tell(layout, &self.name(), TaskState::Stopped, Some(format!("Slurm does not requeue it: {reason}")));
            CliError::failure(format!("failed to requeue job {name}: {reason}")).hint(format!(
                "its work is saved in {}: the same command resumes from there, in this job or another",
                layout.root().display()
            ))
        })
    }

    /// Returns the job's name, made sure of: a job that was submitted from within an array's task inherits the variables that
    /// say so, and would requeue that task in place of itself.
    fn own_name(&self) -> String {
        let inherited =
            self.task.is_some() && client::number_of(&self.name()).is_some_and(|found| found != self.number);
        if inherited { self.number.clone() } else { self.name() }
    }
}

/// Returns the name of the machine that this process runs on, as Slurm has it, or else as the machine itself does.
pub(crate) fn node() -> String {
    let told = std::env::var("SLURMD_NODENAME").ok().filter(|name| !name.is_empty());
    told.or_else(host_name).unwrap_or_else(|| "unknown".into())
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Changes what this process has said of itself, if it does a part of a sweep.
fn tell(layout: &Layout, job: &str, state: TaskState, message: Option<String>) {
    let changed = || {
        let own = |status: &TaskStatus| status.pid == std::process::id() && status.job.as_deref() == Some(job);
        let Some(status) = TaskStatus::read_all(layout)?.into_iter().find(own) else { return Ok(()) };
        TaskStatus { state, message, updated: unix_now(), ..status }.write(layout)
    };
    // Whoever watches is misled for some minutes at worst, and the job must go on.
    if let Err(error) = changed() {
        note(&format!("warning: failed to {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> Option<Job> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Job::of(find)
    }

    #[test]
    fn a_task_is_named_by_its_array_and_a_job_by_its_number() {
        assert_eq!(job(&[("SLURM_ARRAY_JOB_ID", "7")]), None);
        let plain = job(&[("SLURM_JOB_ID", "20")]).unwrap();
        assert_eq!((plain.name(), plain.restarts), ("20".into(), 0));
        // The last task of an array has the array's number.
        let last = [("SLURM_JOB_ID", "7"), ("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "4")];
        let last = job(&[&last[..], &[("SLURM_RESTART_COUNT", "2")]].concat()).unwrap();
        assert_eq!((last.name(), last.restarts), ("7_4".into(), 2));
    }

    #[test]
    fn a_process_changes_its_own_status_alone() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let status = |part: u32, pid: u32| TaskStatus {
            format: moa_store::TASK_FORMAT,
            part,
            of: 2,
            runs: vec!["safety".into()],
            state: TaskState::Running,
            phase: None,
            epoch: 1,
            epochs: 2,
            message: None,
            node: "node7".into(),
            pid,
            device: "flex".into(),
            job: Some("7_1".into()),
            restarts: 0,
            started: 0,
            updated: 0,
        };
        let (own, other) = (status(1, std::process::id()), status(2, u32::MAX));
        own.write(&layout).unwrap();
        other.write(&layout).unwrap();
        tell(&layout, "7_1", TaskState::Requeued, None);
        tell(&layout, "7_2", TaskState::Failed, None);
        let found = TaskStatus::read_all(&layout).unwrap();
        assert_eq!(found[0].state, TaskState::Requeued);
        assert!(found[0].updated > 0);
        assert_eq!(found[1], other);
    }
}
