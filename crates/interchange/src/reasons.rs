//! Why rows are left out, by kind.

use std::fmt;

/// Kinds that are told.
const MOST_KINDS: usize = 12;
/// Characters of a value in a message.
const LONGEST_VALUE: usize = 60;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column or field, and what is wrong with it.
    problem: String,
    /// What would be accepted, or what to do; faults with the same one are told together.
    way_out: String,
}

impl Fault {
    pub(crate) fn new(problem: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { problem: problem.into(), way_out: way_out.into() }
    }

    /// Returns the fault of a column's value.
    pub(crate) fn value(column: &str, value: &str, way_out: impl Into<String>) -> Self {
        Self::new(format!("{column} is {}", quoted(value)), way_out)
    }
}

/// Why rows are left out: the first one of a kind, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Where the first one is, such as "row 7".
    pub first: String,
    /// What is wrong with the first one: the column, its value, and what would be accepted.
    pub problem: String,
    /// How many there are.
    pub count: u64,
    way_out: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.first, self.problem)?;
        if self.count > 1 { write!(f, "; and {} more", self.count - 1) } else { Ok(()) }
    }
}

/// All reasons, the most frequent kinds of which are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    kinds: Vec<Reason>,
    /// Faults of further kinds.
    beyond: u64,
}

impl Reasons {
    pub(crate) fn add(&mut self, place: &str, fault: Fault) {
        if let Some(reason) = self.kinds.iter_mut().find(|reason| reason.way_out == fault.way_out) {
            reason.count += 1;
        } else if self.kinds.len() < MOST_KINDS {
            let problem = format!("{}: {}", fault.problem, fault.way_out);
            self.kinds.push(Reason { first: place.to_owned(), problem, count: 1, way_out: fault.way_out });
        } else {
            self.beyond += 1;
        }
    }

    /// Returns how many there are in all.
    pub fn count(&self) -> u64 {
        self.kinds.iter().map(|reason| reason.count).sum::<u64>() + self.beyond
    }

    /// Returns the kinds in the order in which they were met, at most 12; [`Reasons::count`] counts all.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.kinds.iter()
    }
}

/// Returns a text in quotes, in one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut escaped: String = text.chars().take(LONGEST_VALUE).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST_VALUE).is_some() {
        escaped.push('…');
    }
    format!("\"{escaped}\"")
}
