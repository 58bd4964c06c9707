//! What can go wrong with rewards from outside.

use std::fmt;

/// Why a reward from outside gave no scores.
#[derive(Debug, thiserror::Error)]
#[error("reward `{reward}`: {peer} {problem}")]
pub struct ExternalError {
    /// The reward's name.
    pub reward: String,
    /// Who was asked, e.g. "the program `python score.py`".
    pub peer: String,
    /// What went wrong, with a hint.
    pub problem: Problem,
}

/// What went wrong, with a hint; reads after the name of the program or service.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The program cannot be started.
    #[error(
        "cannot be started in {folder}: {source}; check `command`, whose program is looked up in PATH, or relative to that folder"
    )]
    Start {
        /// The folder that it would run in.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program ended, or closed its stdout.
    #[error("ended ({status}) before it answered{}{last_words}", again(*tries))]
    Ended {
        /// How it ended.
        status: String,
        /// How often it was tried.
        tries: u32,
        /// What it wrote to stderr last.
        last_words: LastWords,
    },
    /// No answer came in time.
    #[error(
        "gave no answer within {seconds} s{}: raise `{field}` if it is slow, and let it flush every answer{last_words}",
        again(*tries)
    )]
    Silent {
        /// How long it was waited for.
        seconds: u32,
        /// The setting that says so.
        field: &'static str,
        /// How often it was tried.
        tries: u32,
        /// What it wrote to stderr last.
        last_words: LastWords,
    },
    /// An answer is no JSON of the form wanted.
    #[error("answered {found:?}, which is no {wanted}: {reason}")]
    Nonsense {
        /// The answer, shortened.
        found: String,
        /// What was asked for.
        wanted: &'static str,
        /// The parser's message, with a hint.
        reason: String,
    },
    /// An answer is longer than any that can be meant.
    #[error("answered with more than {limit} bytes: answer with one line of scores, {{\"id\": …, \"scores\": […]}}")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The greeting is of another version of the protocol.
    #[error("speaks version {found} of the protocol, and moa speaks {}: see docs/reward-protocol.md", super::PROTOCOL)]
    Version {
        /// The version that it speaks.
        found: u64,
    },
    /// An answer belongs to no request that waits.
    #[error("answered request {found}, but {waiting} waits: answer with the request's own `id`, and once")]
    OtherId {
        /// The answer's id.
        found: u64,
        /// The ids that wait.
        waiting: String,
    },
    /// There are too few or too many scores.
    #[error("gave {found} scores for {wanted} images: give one for each image, in their order")]
    Count {
        /// Scores that came.
        found: usize,
        /// Images that were sent.
        wanted: usize,
    },
    /// A score is no finite number.
    #[error("gave {found} for image {picture} (prompt {prompt:?}): give a finite number, or answer with an error")]
    Score {
        /// The score.
        found: String,
        /// The image's place in the batch that moa scores.
        picture: usize,
        /// Its prompt.
        prompt: String,
    },
    /// It says itself that it failed.
    #[error("answered with an error: {0}")]
    Reported(String),
    /// The service answered with a status other than success.
    #[error("answered with status {status} ({body}){}", again(*tries))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The body, shortened.
        body: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The service cannot be reached.
    #[error("cannot be reached{}: {reason}; is it running, and is `url` right?", again(*tries))]
    Unreachable {
        /// What the system says.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The model does not fit the settings, or cannot be read or run.
    #[error("{0}")]
    Model(String),
    /// An image cannot be encoded.
    #[error("gets no images, because one cannot be encoded as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

fn again(tries: u32) -> String {
    if tries > 1 { format!(", {tries} times in a row") } else { String::new() }
}

impl Problem {
    /// Returns whether another try may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Ended { .. } | Self::Silent { .. } | Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Returns the problem with the number of tries that met it.
    pub(super) fn after(mut self, met: u32) -> Self {
        if let Self::Ended { tries, .. }
        | Self::Silent { tries, .. }
        | Self::Status { tries, .. }
        | Self::Unreachable { tries, .. } = &mut self
        {
            *tries = met;
        }
        self
    }
}

/// The end of what a program wrote to stderr; empty where it wrote nothing, or is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastWords(pub(super) Vec<String>);

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str("; the last lines of its stderr:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// Returns a text as messages quote it: one line, shortened.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LONGEST)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
