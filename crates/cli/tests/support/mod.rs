//! Runs the real binary in a folder of its own.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder that commands run in.
pub(crate) struct Desk {
    folder: TempDir,
}

/// What the tester's own environment may say to moa.
pub(crate) const VARIABLES: [&str; 7] =
    ["MOA_RESULTS", "MOA_DEVICE", "MOA_REWARD_DEVICE", "MOA_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"];

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// An experiment file that ships with moa.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").join(name)
}

/// A fixture of another crate.
pub(crate) fn fixture(of: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("tests/fixtures").join(name)
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moa"));
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("COLUMNS", "100")
            // Every epoch is safe at once.
            .env("MOA_SAVE_SECONDS", "0")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn moa<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Starts a command and leaves it running.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts that the command did what it was asked to, and returns its standard output.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Returns what was said of a command that failed without a bug.
    #[allow(dead_code, reason = "not every file of tests needs it")]
    pub(crate) fn failure(self) -> String {
        assert!(matches!(self.code, Some(1 | 2)), "{:?}\n{}\n{}", self.code, self.stdout, self.stderr);
        self.stderr
    }

    /// Asserts that the command refused with one message that holds these words, and nothing of the machinery's.
    #[track_caller]
    pub(crate) fn refusal(&self, code: i32, words: &[&str]) {
        let Self { stdout, stderr, .. } = self;
        assert_eq!(self.code, Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "one message:\n{stderr}");
        for word in words {
            assert!(stderr.contains(word), "`{word}` is not in:\n{stderr}");
        }
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace", "unwrap", "has a bug"] {
            assert!(!stderr.contains(word), "`{word}` is in:\n{stderr}");
        }
    }
}
