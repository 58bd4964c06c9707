//! Calls of Slurm's commands. They do the talking with Slurm, and what they refuse is passed on in their words.

use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use crate::error::CliError;

/// A job that Slurm took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its number.
    pub(crate) job: String,
    /// The cluster, where Slurm names it.
    pub(crate) cluster: Option<String>,
    /// What `sbatch` said beside that.
    pub(crate) warnings: Vec<String>,
}

/// A job or a task of one that is in the queue, waiting or at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    /// Its name: `12`, `12_3`.
    pub(crate) name: String,
    /// Its state, as Slurm has it: `RUNNING`, `PENDING` …
    pub(crate) state: String,
}

/// Returns whether a program is on the search path.
pub(crate) fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Returns what is wrong where there is no `sbatch`.
pub(crate) fn no_sbatch() -> CliError {
    CliError::failure("there is no `sbatch` on this machine's search path")
        .hint("run this where jobs are submitted: a login node of a cluster with Slurm (some need `module load slurm`)")
        .hint("`--dry-run` prints what would be submitted; without --slurm the sweep runs here")
}

/// Submits a job; the arguments end with its script. `what` is what messages call it.
///
/// # Errors
/// Passes on what `sbatch` says where it takes no job.
pub(crate) fn sbatch(arguments: &[String], what: &str) -> Result<Accepted, CliError> {
    let mut command = Command::new("sbatch");
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if is_inherited(&name.to_string_lossy(), std::env::var_os("SLURM_JOB_ID").is_some()) {
            command.env_remove(name);
        }
    }
    let output = match said(&mut command) {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_sbatch()),
        Err(error) => return Err(CliError::failure(format!("failed to run sbatch: {error}"))),
    };
    let warnings = lines(&output.stderr);
    match accepted(&output, warnings) {
        Ok(accepted) => Ok(accepted),
        Err(reason) => Err(CliError::failure(format!("sbatch refuses the {what}: {reason}"))
            .hint("arguments after `--` go to sbatch unchanged: partition, account, time, gres …")),
    }
}

fn accepted(output: &Output, warnings: Vec<String>) -> Result<Accepted, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    // `12`, or `12;cluster`.
    let (job, cluster) = text.trim().split_once(';').map_or((text.trim(), None), |(job, name)| (job, Some(name)));
    let is_number = !job.is_empty() && job.chars().all(|c| c.is_ascii_digit());
    if output.status.success() && is_number {
        return Ok(Accepted { job: job.to_owned(), cluster: cluster.map(str::to_owned), warnings });
    }
    if !warnings.is_empty() {
        return Err(warnings.join("; "));
    }
    Err(match output.status.code() {
        Some(0) => "it names no job".to_owned(),
        Some(code) => format!("it ends with exit code {code} and no message"),
        None => "it was killed".to_owned(),
    })
}

/// Returns whether a variable of the environment belongs to the job that this process is in, or would turn the submission into
/// another; `sbatch` would hand it on to jobs that it is not true of.
///
/// Where Slurm's configuration lies stays, as do a user's defaults for `sbatch` (account, partition …).
fn is_inherited(name: &str, in_job: bool) -> bool {
    let of_job = in_job && name.starts_with("SLURM") && name != "SLURM_CONF";
    of_job || matches!(name, "SBATCH_ARRAY_INX" | "SBATCH_WAIT")
}

/// Returns which of these jobs are still in the queue, each task by itself.
///
/// # Errors
/// Says why Slurm does not answer.
pub(crate) fn queued(jobs: &[&str], cluster: Option<&str>) -> Result<Vec<Queued>, String> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = squeue(&["--array", "--jobs", &jobs.join(","), "--format", "%i %T"]);
    if let Some(cluster) = cluster {
        command.args(["--clusters", cluster]);
    }
    let text = match answer(&mut command) {
        Ok(text) => text,
        // Slurm forgets jobs some minutes after they have ended.
        Err(reason) if reason.contains("Invalid job id") => String::new(),
        Err(reason) => return Err(reason),
    };
    let queued = text.lines().filter_map(|line| {
        let (name, state) = line.trim().split_once(' ')?;
        Some(Queued { name: name.to_owned(), state: state.trim().to_owned() })
    });
    Ok(queued.filter(|task| jobs.contains(&task.name.split('_').next().unwrap_or_default())).collect())
}

/// Returns the number of a job or task that runs, by its name; `None` where Slurm does not say.
pub(crate) fn number_of(name: &str) -> Option<String> {
    let text = answer(&mut squeue(&["--jobs", name, "--format", "%A"])).ok()?;
    let number = text.trim();
    (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then(|| number.to_owned())
}

/// Has Slurm stop a job and start it again later.
///
/// # Errors
/// Says why it refuses.
pub(crate) fn requeue(name: &str) -> Result<(), String> {
    answer(Command::new("scontrol").args(["requeue", name])).map(drop)
}

fn squeue(arguments: &[&str]) -> Command {
    let mut command = Command::new("squeue");
    command.arg("--noheader").args(arguments);
    // A user's filters would hide jobs.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SQUEUE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command and returns its standard output, or what it says went wrong.
fn answer(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = said(command).map_err(|error| format!("failed to run {name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = lines(&output.stderr).join("; ");
    Err(if said.is_empty() { format!("{name} ends with {} and no message", output.status) } else { said })
}

fn said(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Returns what a command of Slurm's says, line by line, without its name in front.
fn lines(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let stripped = text.lines().map(|line| {
        let line = line.trim();
        let known = ["sbatch: ", "squeue: ", "scontrol: "].iter().find_map(|name| line.strip_prefix(name));
        let line = known.unwrap_or(line);
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    });
    stripped.filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_enclosing_job_is_told_apart() {
        for (name, in_job, inherited) in [
            ("SLURM_ARRAY_TASK_ID", true, true),
            ("SLURM_RESTART_COUNT", true, true),
            ("SLURMD_NODENAME", true, true),
            ("SLURM_CONF", true, false),
            ("SBATCH_ACCOUNT", true, false),
            ("SLURM_CLUSTERS", false, false),
            ("SBATCH_ARRAY_INX", false, true),
            ("PATH", true, false),
        ] {
            assert_eq!(is_inherited(name, in_job), inherited, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_job_is_taken_only_with_its_number() {
        use std::os::unix::process::ExitStatusExt;
        use std::process::ExitStatus;
        let answer = |code: i32, stdout: &str, stderr: &str| {
            let status = ExitStatus::from_raw(code << 8);
            let output = Output { status, stdout: stdout.into(), stderr: stderr.into() };
            accepted(&output, lines(&output.stderr)).map(|accepted| (accepted.job, accepted.cluster))
        };
        assert_eq!(answer(0, "12\n", "sbatch: nodes set to 1\n"), Ok(("12".into(), None)));
        assert_eq!(answer(0, "12;north\n", ""), Ok(("12".into(), Some("north".into()))));
        let refused = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed\n";
        let said = "invalid partition specified: nope; Batch job submission failed";
        assert_eq!(answer(1, "", refused), Err(said.into()));
        assert_eq!(answer(0, "Submitted batch job 12\n", ""), Err("it names no job".into()));
        assert_eq!(answer(0, "", "sbatch: Job 12 to start at noon\n"), Err("Job 12 to start at noon".into()));
        assert_eq!(answer(255, "", ""), Err("it ends with exit code 255 and no message".into()));
    }
}
