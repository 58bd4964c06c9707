//! A child process that is sent lines and sends lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::group;
use crate::external::error::{LastWords, Problem, excerpt};
use crate::external::protocol::LONGEST_ANSWER;

/// What a program gets to end by itself once its stdin is closed.
const GRACE: Duration = Duration::from_secs(2);
/// What is waited for the end of a program whose stdout is closed, and for the last of its stderr.
const MOMENT: Duration = Duration::from_millis(500);
/// Bytes of stderr that are kept.
const TAIL: usize = 4096;
/// Lines of stderr that errors show.
const LAST_LINES: usize = 8;

/// A running program; it is ended when this is dropped.
pub(super) struct Process {
    child: Child,
    requests: Option<SyncSender<Vec<u8>>>,
    answers: Receiver<Answered>,
    stderr: Stderr,
    /// Whether it has failed: then it is killed at once.
    failed: bool,
}

enum Answered {
    Line(Vec<u8>),
    TooLong,
}

impl Process {
    /// Starts a command in a folder; up to `capacity` lines may wait to be written to it.
    pub(super) fn start(command: &[String], folder: &Path, capacity: usize) -> std::io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let path = Path::new(program);
        // Whether a relative path counts from here or from the program's folder is up to the system, unless we say.
        let path = if path.components().count() > 1 { folder.join(path) } else { path.to_path_buf() };
        let mut command = Command::new(path);
        command.args(arguments).current_dir(folder).env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = group::start(&mut command)?;
        let missing = || std::io::Error::other("a pipe is missing");
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (to_write, requests) = sync_channel(capacity);
        let (found, answers) = sync_channel(capacity);
        let stderr = Stderr::keep(stderr.ok_or_else(missing)?);
        let (stdin, stdout) = (stdin.ok_or_else(missing)?, stdout.ok_or_else(missing)?);
        thread::spawn(move || write(stdin, &requests));
        thread::spawn(move || read(stdout, &found));
        Ok(Self { child, requests: Some(to_write), answers, stderr, failed: false })
    }

    /// Sends a line. What goes wrong shows when the answer is asked for.
    pub(super) fn send(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        if let Some(requests) = &self.requests {
            let _ = requests.send(line);
        }
    }

    /// Returns the next line, waited for as many seconds as the setting `field` says.
    ///
    /// # Errors
    /// Fails where the program ends, is silent, or does not end the line.
    pub(super) fn receive(&mut self, seconds: u32, field: &'static str) -> Result<Vec<u8>, Problem> {
        let answer = self.answers.recv_timeout(Duration::from_secs(seconds.into()));
        self.failed = !matches!(answer, Ok(Answered::Line(_)));
        match answer {
            Ok(Answered::Line(line)) => Ok(line),
            Ok(Answered::TooLong) => Err(Problem::TooLong { limit: LONGEST_ANSWER }),
            Err(RecvTimeoutError::Timeout) => {
                Err(Problem::Silent { seconds, field, tries: 1, last_words: self.stderr.last_words() })
            }
            Err(RecvTimeoutError::Disconnected) => {
                let by_itself = within(MOMENT, || group::has_ended(&mut self.child));
                let status = match group::end(&mut self.child) {
                    Ok(status) if by_itself => status.to_string(),
                    _ => "it closed its stdout".into(),
                };
                within(MOMENT, || self.stderr.thread.is_finished());
                Err(Problem::Ended { status, tries: 1, last_words: self.stderr.last_words() })
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.requests = None;
        if !self.failed {
            within(GRACE, || group::has_ended(&mut self.child));
        }
        let _ = group::end(&mut self.child);
    }
}

/// Waits until something holds, and returns whether it did in time.
fn within(time: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes lines until there are no more, or the program stops reading; then stdin is closed.
fn write(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Passes lines on until there are no more, or the receiver is gone. Blank lines are skipped.
fn read(stdout: ChildStdout, answers: &SyncSender<Answered>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let answer = match (&mut stdout).take(LONGEST_ANSWER + 1).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.len() as u64 > LONGEST_ANSWER => Answered::TooLong,
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => Answered::Line(line),
        };
        let last = matches!(answer, Answered::TooLong);
        if answers.send(answer).is_err() || last {
            return;
        }
    }
}

/// The end of a program's stderr, which is read to its end so that the program never waits for it.
struct Stderr {
    tail: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Stderr {
    fn keep(mut stderr: ChildStderr) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&tail);
        let thread = thread::spawn(move || {
            let mut bytes = [0; TAIL];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&bytes[..count]);
                let surplus = kept.len().saturating_sub(TAIL);
                kept.drain(..surplus);
            }
        });
        Self { tail, thread }
    }

    /// Returns the last lines; of a progress bar, which goes back to the line's start, the last state.
    fn last_words(&self) -> LastWords {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shown =
            |line: &[u8]| excerpt(line.trim_ascii_end().rsplit(|byte| *byte == b'\r').next().unwrap_or_default());
        let lines: Vec<String> = tail.split(|byte| *byte == b'\n').map(shown).filter(|line| !line.is_empty()).collect();
        LastWords(lines[lines.len().saturating_sub(LAST_LINES)..].to_vec())
    }
}
