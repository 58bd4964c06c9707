//! Why an experiment file is refused.

use std::fmt;

/// A position in an experiment file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named to us.
    pub file: String,
    /// Line and column, where the fault has one.
    pub position: Option<(u32, u32)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Why an experiment file is refused.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file cannot be read at all.
    #[error("{file}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it, with a hint.
        problem: String,
    },
    /// The text is no RON, or a value has the wrong form.
    #[error("{place}: {problem}")]
    Malformed {
        /// Where reading stopped.
        place: Place,
        /// What was found and what was expected.
        problem: String,
    },
    /// A field of earlier versions, which is written otherwise today.
    #[error("{place}: {field} is a field of earlier versions of moa: write {today} instead")]
    Moved {
        /// Where it is.
        place: Place,
        /// The field's path, e.g. `training.train_steps`.
        field: String,
        /// What is written today.
        today: String,
    },
    /// Results hold the experiment of an earlier version.
    #[error(
        "{place}: {field} is a field of earlier versions of moa, and one of them made these results: read them with the version that \
         receipt.json names beside it, or sweep again into another folder with `--out`; nothing here was changed"
    )]
    EarlierResults {
        /// Where it is.
        place: Place,
        /// The field's path, e.g. `training.train_steps`.
        field: String,
    },
    /// A name is none of the known ones.
    #[error("{place}: unknown {what} `{found}`{}: known {} are {}", in_field(within), plural(what), known.join(", "))]
    Unknown {
        /// Where it is.
        place: Place,
        /// What sort of name it is, e.g. "reward kind".
        what: &'static str,
        /// The name as written.
        found: String,
        /// The path of what holds the name, empty where the name says enough.
        within: String,
        /// The names that would do.
        known: Box<[String]>,
    },
    /// A field without a default is missing.
    #[error("{place}: {field} is missing: {way_out}")]
    Missing {
        /// The struct that lacks it.
        place: Place,
        /// The field's path, e.g. `rewards`.
        field: String,
        /// What to write.
        way_out: String,
    },
    /// A value is impossible.
    #[error("{place}: {} is {value}: {way_out}", or_whole(field))]
    Invalid {
        /// Where the value is.
        place: Place,
        /// The field's path, e.g. `sampler.steps` or `rewards[1].name`; empty for the whole experiment.
        field: String,
        /// The value as understood.
        value: String,
        /// What would be accepted.
        way_out: String,
    },
}

fn in_field(within: &str) -> String {
    if within.is_empty() { String::new() } else { format!(" in {within}") }
}

/// Returns "kinds" for "reward kind" and for "kind of weightings".
fn plural(what: &str) -> String {
    let noun = if what.contains(" of ") { what.split(' ').next() } else { what.split(' ').next_back() };
    format!("{}s", noun.unwrap_or_default())
}

fn or_whole(field: &str) -> &str {
    if field.is_empty() { "the experiment" } else { field }
}
