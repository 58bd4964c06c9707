//! Why a judge does not answer.

use std::path::PathBuf;

use moa_rating::RatingError;

/// Why a judge does not answer. No message holds the key.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A setting that cannot be.
    #[error("{field} is {value}: {accepted}")]
    Setting {
        /// The setting, or the environment variable.
        field: String,
        /// What it is.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The rubric cannot be read.
    #[error("{}: {problem}", path.display())]
    Rubric {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The service refuses all questions: the key, the address, the model.
    #[error("the judge at {address} {problem}")]
    Refused {
        /// The address without user, password and query.
        address: String,
        /// What it says, and what to do.
        problem: String,
    },
    /// The service declines this question, such as one whose images are too large for the model.
    #[error("the judge at {address} {problem}")]
    Declined {
        /// The address without user, password and query.
        address: String,
        /// What it says.
        problem: String,
    },
    /// The service did not answer this question, after all repetitions.
    #[error("the judge at {address} {problem}")]
    Unanswered {
        /// The address without user, password and query.
        address: String,
        /// What went wrong, and how often it was tried.
        problem: String,
    },
    /// The model's answer is none, also after it was reminded of the form.
    #[error("the judge answered {found} instead of {wanted}")]
    Nonsense {
        /// The answer, shortened.
        found: String,
        /// The form that was asked for.
        wanted: String,
    },
    /// An image that cannot be sent.
    #[error("the image cannot be sent to a judge: {problem}")]
    Image {
        /// What is wrong with it.
        problem: String,
    },
    /// No question is answered any more.
    #[error("{failures} questions in a row got no answer; the last: {last}")]
    GaveUp {
        /// How many.
        failures: u32,
        /// Why the last one did not.
        last: Box<JudgeError>,
    },
    /// A budget is spent.
    #[error("the budget of {what} is spent")]
    Spent {
        /// "questions", "tokens" or "seconds".
        what: &'static str,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// An image cannot be read, or an answer cannot be written.
    #[error(transparent)]
    Rating(#[from] RatingError),
}

impl JudgeError {
    /// Returns whether other questions cannot be answered either.
    pub(crate) fn ends_all(&self) -> bool {
        !matches!(self, Self::Unanswered { .. }) && !self.is_about_question()
    }

    /// Returns whether asking the same question again would not help.
    pub(crate) fn is_about_question(&self) -> bool {
        matches!(self, Self::Declined { .. } | Self::Nonsense { .. } | Self::Image { .. })
    }
}
