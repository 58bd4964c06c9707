//! What is wrong with lines, summed up by kind.

use std::fmt;

/// Lines that are named beside the first of a kind.
const NAMED: usize = 5;
/// Kinds that are told of one file.
const MOST_KINDS: usize = 6;
/// Characters of a value in a message.
const LONGEST_VALUE: usize = 60;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Faults of equal kind are told together.
    pub(crate) kind: String,
    /// What was found, e.g. `weight is -1`.
    pub(crate) problem: String,
    /// What would be accepted, or what to do.
    pub(crate) way_out: String,
    /// The column, from 1, where reading stopped there.
    pub(crate) column: Option<usize>,
}

impl Fault {
    /// Returns the fault of a field's value.
    pub(crate) fn value(field: &str, value: &str, way_out: impl Into<String>) -> Self {
        let way_out = way_out.into();
        Self {
            kind: format!("{} {way_out}", generic(field)),
            problem: format!("{field} is {value}"),
            way_out,
            column: None,
        }
    }

    /// Returns the fault of a line that says nothing of a field.
    pub(crate) fn missing(field: &str, way_out: impl Into<String>) -> Self {
        let (kind, problem) = (format!("{} is missing", generic(field)), format!("{field} is missing"));
        Self { kind, problem, way_out: way_out.into(), column: None }
    }

    /// Returns the fault of a name that is none of the known ones; `within` is empty where the name says enough.
    pub(crate) fn unknown(what: &str, found: &str, within: &str, known: &[&str]) -> Self {
        let place = if within.is_empty() { String::new() } else { format!(" in {within}") };
        let problem = format!("unknown {what} `{}`{place}", shortened(&escaped(found)));
        let way_out = format!("known {what}s are {}", known.join(", "));
        Self { kind: format!("{problem}{}", generic(within)), problem, way_out, column: None }
    }

    /// Returns the fault of a line that is no record at all.
    pub(crate) fn line(problem: impl Into<String>, way_out: impl Into<String>, column: Option<usize>) -> Self {
        let way_out = way_out.into();
        Self { kind: way_out.clone(), problem: problem.into(), way_out, column }
    }
}

/// Returns a field's path without its indices.
fn generic(field: &str) -> String {
    field.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// Returns a text in quotes, in one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(&escaped(text)))
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).collect()
}

/// Returns a text that is not too long for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// All that is wrong with a file's lines, by kind; the first of each kind is told, and where the others are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    kinds: Vec<Kind>,
    /// Faults of further kinds.
    beyond: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    line: usize,
    first: Fault,
    others: usize,
    /// The first lines of the others.
    named: Vec<usize>,
}

impl Faults {
    pub(crate) fn add(&mut self, line: usize, fault: Fault) {
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.first.kind == fault.kind) {
            kind.others += 1;
            if kind.named.len() < NAMED && kind.named.last().unwrap_or(&kind.line) != &line {
                kind.named.push(line);
            }
        } else if self.kinds.len() < MOST_KINDS {
            self.kinds.push(Kind { line, first: fault, others: 0, named: Vec::new() });
        } else {
            self.beyond += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Returns how many faults there are.
    pub fn count(&self) -> usize {
        self.kinds.iter().map(|kind| 1 + kind.others).sum::<usize>() + self.beyond
    }

    /// Returns the line of the first fault of each kind, from 1.
    pub fn lines(&self) -> impl Iterator<Item = usize> {
        self.kinds.iter().map(|kind| kind.line)
    }

    /// Writes one line for each kind.
    pub(crate) fn write(&self, file: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.kinds.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{file}:{}", kind.line)?;
            if let Some(column) = kind.first.column {
                write!(f, ":{column}")?;
            }
            write!(f, ": {}: {}", kind.first.problem, kind.first.way_out)?;
            if kind.others > 0 {
                write!(f, "; and {} more", kind.others)?;
                if let [first, rest @ ..] = &kind.named[..] {
                    let lines = rest.iter().fold(first.to_string(), |lines, line| format!("{lines}, {line}"));
                    let dots = if kind.others > kind.named.len() { " …" } else { "" };
                    write!(f, " (line{} {lines}{dots})", if kind.others == 1 { "" } else { "s" })?;
                }
            }
        }
        if self.beyond > 0 {
            write!(f, "\n{file}: and {} more of other kinds", self.beyond)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown<'a>(&'a Faults);

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.write("p.jsonl", f)
        }
    }

    #[test]
    fn faults_of_a_kind_are_one_message() {
        let mut faults = Faults::default();
        for line in 3..20 {
            faults.add(line, Fault::value("weight", &format!("-{line}"), "give at least 0"));
        }
        faults.add(20, Fault::missing("who", "name the rater"));
        assert_eq!(
            Shown(&faults).to_string(),
            "p.jsonl:3: weight is -3: give at least 0; and 16 more (lines 4, 5, 6, 7, 8 …)\n\
             p.jsonl:20: who is missing: name the rater"
        );
        assert_eq!(faults.count(), 18);
    }

    #[test]
    fn many_kinds_are_counted() {
        let mut faults = Faults::default();
        for line in 1..=100 {
            faults.add(line, Fault::unknown("field", &format!("{}\n", "x".repeat(line)), "", &["id"]));
        }
        let text = Shown(&faults).to_string();
        assert_eq!(text.lines().count(), MOST_KINDS + 1);
        assert!(text.ends_with("p.jsonl: and 94 more of other kinds"), "{text}");
        assert!(text.starts_with("p.jsonl:1: unknown field `x\\n`: known fields are id\n"), "{text}");
    }
}
