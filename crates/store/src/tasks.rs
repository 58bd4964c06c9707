//! What the tasks of a sweep say of themselves: a file for each part, which its process writes and everybody may read.
//!
//! A part is done by one process at a time, on whatever machine, and nothing else need be alive for its file to be read: a
//! cluster's queue is never asked. What a file cannot say is that its process is gone; it only gets old
//! ([`TaskStatus::is_silent`]).

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use moa_core::Phase;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Layout, StoreError, write_atomically};

/// The format of status files that this version writes, and the newest that it reads.
pub const TASK_FORMAT: u32 = 1;

/// How long a task may say nothing, in seconds, before it counts as silent.
const SILENCE: u64 = 180;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its process is at work, or was killed without a word.
    Running,
    /// It has saved its work, and its queue starts it again.
    Requeued,
    /// All of its runs are trained and evaluated.
    Finished,
    /// It has ended without what it was to do; the message says why.
    Failed,
    /// It was stopped; its work is saved.
    Stopped,
}

impl TaskState {
    /// Returns the state as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Requeued => "requeued",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// What the process of one part of a sweep says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// The file's format.
    pub format: u32,
    /// Which part it does, from 1.
    pub part: u32,
    /// Of how many parts.
    pub of: u32,
    /// The runs of that part, by name.
    pub runs: Vec<String>,
    /// How it stands.
    pub state: TaskState,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// The last epoch that its runs have finished.
    pub epoch: u32,
    /// How many epochs they train.
    pub epochs: u32,
    /// What went wrong, or what else is to be known of it.
    pub message: Option<String>,
    /// The machine that it runs on, by name.
    pub node: String,
    /// Its process on that machine.
    pub pid: u32,
    /// The device that it computes on, by name.
    pub device: String,
    /// Its job in the cluster's queue, `<array>_<task>` or a number; `None` outside of one.
    pub job: Option<String>,
    /// How often the queue has started it again.
    pub restarts: u32,
    /// When its process began, in seconds since 1970.
    pub started: u64,
    /// When it last gave a sign of life, in seconds since 1970.
    pub updated: u64,
}

impl TaskStatus {
    /// Writes the status to its part's file, whole or not at all.
    ///
    /// # Errors
    /// Names the file when it cannot be written; the status before is untouched then.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        write_json(&layout.task_file(self.part, self.of), self)
    }

    /// Reads the status of every part, sorted by number of parts and part; none where no task has begun.
    ///
    /// # Errors
    /// Names the file that is unreadable, damaged, or of a newer moa.
    pub fn read_all(layout: &Layout) -> Result<Vec<Self>, StoreError> {
        let folder = layout.tasks_dir();
        let unreadable = |source| StoreError::read(&folder, source);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            // Somebody may clear the folder at this moment.
            let Some(status) = read_json::<Self>(&path, TASK_FORMAT, "status of a task")? else { continue };
            if layout.task_file(status.part, status.of) != path {
                let reason = format!("it says that it is of part {} of {}", status.part, status.of);
                return Err(StoreError::malformed(&path, "status of a task", reason));
            }
            found.push(status);
        }
        found.sort_by_key(|status| (status.of, status.part));
        Ok(found)
    }

    /// Returns whether the task should be at work and has given no sign of life for three minutes: its process was killed, its
    /// machine is gone, or the file system does not show what it writes. `now` is in seconds since 1970.
    pub fn is_silent(&self, now: u64) -> bool {
        self.state == TaskState::Running && now.saturating_sub(self.updated) >= SILENCE
    }
}

/// Returns the time in seconds since 1970, as files have it.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The part of a file that every version of moa can read.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// Reads a JSON file that carries its format; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(
    path: &Path,
    supported: u32,
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::read(path, error)),
    };
    let malformed = |error: serde_json::Error| StoreError::malformed(path, what, error.to_string());
    let Header { format } = serde_json::from_slice(&text).map_err(malformed)?;
    if format > supported {
        return Err(StoreError::Newer { path: path.to_path_buf(), found: format, supported });
    }
    serde_json::from_slice(&text).map(Some).map_err(malformed)
}

/// Writes a JSON file, whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| StoreError::write(path, error.into()))?;
    text.push(b'\n');
    write_atomically(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(part: u32, of: u32) -> TaskStatus {
        TaskStatus {
            format: TASK_FORMAT,
            part,
            of,
            runs: vec!["safety".into(), "centre".into()],
            state: TaskState::Running,
            phase: Some(Phase::Training),
            epoch: 3,
            epochs: 32,
            message: None,
            node: "node7".into(),
            pid: 4711,
            device: "flex".into(),
            job: Some(format!("12_{part}")),
            restarts: 1,
            started: 1_000,
            updated: 2_000,
        }
    }

    #[test]
    fn what_tasks_write_is_read_in_the_order_of_parts() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        assert_eq!(TaskStatus::read_all(&layout).unwrap(), []);
        for part in [10, 2, 1] {
            status(part, 10).write(&layout).unwrap();
        }
        let later = TaskStatus { state: TaskState::Finished, epoch: 32, ..status(2, 10) };
        later.write(&layout).unwrap();
        assert_eq!(TaskStatus::read_all(&layout).unwrap(), [status(1, 10), later, status(10, 10)]);
    }

    #[test]
    fn leftovers_of_a_killed_writer_are_no_status() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        status(1, 2).write(&layout).unwrap();
        fs::write(layout.tasks_dir().join(".2-of-2.json.77-0.moa-tmp"), "{").unwrap();
        assert_eq!(TaskStatus::read_all(&layout).unwrap().len(), 1);
    }

    #[test]
    fn damaged_misplaced_and_newer_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        status(1, 2).write(&layout).unwrap();
        let file = layout.task_file(1, 2);
        let whole = fs::read_to_string(&file).unwrap();
        let newer = whole.replace("\"format\": 1", "\"format\": 2").replace("\"node\"", "\"machine\"");
        for (text, words) in [
            (&whole[..whole.len() / 2], "not a status of a task"),
            ("", "not a status of a task"),
            (&whole.replace("\"part\": 1", "\"part\": 2"), "part 2 of 2"),
            (&whole.replace("running", "dancing"), "dancing"),
            (&newer, "format 2, and this moa reads formats up to 1"),
        ] {
            fs::write(&file, text).unwrap();
            let error = TaskStatus::read_all(&layout).unwrap_err().to_string();
            assert!(error.contains("1-of-2.json") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn only_what_should_be_at_work_falls_silent() {
        let running = status(1, 2);
        for (now, silent) in [(1_990, false), (2_000, false), (2_179, false), (2_180, true)] {
            assert_eq!(running.is_silent(now), silent, "{now}");
        }
        for state in [TaskState::Requeued, TaskState::Finished, TaskState::Failed, TaskState::Stopped] {
            assert!(!TaskStatus { state, ..running.clone() }.is_silent(9_000), "{}", state.name());
        }
    }
}
