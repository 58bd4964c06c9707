//! Faults by field, and their way into messages with line and column.

use super::outline::{Entry, Outline, Tokens};
use super::setting::Edited;
use super::{Place, SpecError};

/// What is wrong with a field.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    /// The path of the field, e.g. `rewards[1].name`.
    pub(super) field: String,
    pub(super) fault: Fault,
}

#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The value is impossible.
    Value {
        /// The value as understood; the text's own words are preferred.
        value: String,
        way_out: String,
    },
    /// The value is impossible beside others; how it is written says nothing.
    State { state: String, way_out: String },
    /// A name is none of the known ones; the finding's field is what holds it.
    Unknown { what: &'static str, found: String, known: Box<[String]> },
}

impl Finding {
    pub(super) fn value(field: impl Into<String>, value: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { field: field.into(), fault: Fault::Value { value: value.into(), way_out: way_out.into() } }
    }

    pub(super) fn state(field: impl Into<String>, state: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { field: field.into(), fault: Fault::State { state: state.into(), way_out: way_out.into() } }
    }

    pub(super) fn unknown(
        field: impl Into<String>,
        what: &'static str,
        found: impl Into<String>,
        known: Vec<String>,
    ) -> Self {
        Self { field: field.into(), fault: Fault::Unknown { what, found: found.into(), known: known.into() } }
    }
}

/// The text that findings are about; without one, messages name the file alone.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) outline: Outline,
    /// What was set in the text that the user wrote; `None` where nothing was.
    edited: Option<&'a Edited>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, outline: Outline::new(text), edited: None }
    }

    /// Returns the source of a file's text in which values were set.
    pub(super) fn edited(file: &'a str, edited: &'a Edited) -> Self {
        Self { edited: Some(edited), ..Self::new(file, &edited.text) }
    }

    /// Returns the place of a byte.
    pub(super) fn place(&self, offset: usize) -> Place {
        if let Some(edited) = self.edited {
            return edited.place(self.file, offset);
        }
        let before = &self.text[..offset.min(self.text.len())];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let position = (before.matches('\n').count() as u32 + 1, line.chars().count() as u32 + 1);
        Place { file: self.file.into(), position: Some(position) }
    }

    /// Returns the byte of a line and column that count from 1.
    pub(super) fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = &self.text[start..];
        start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(offset, _)| offset)
    }

    /// Returns a value as it stands in the text, shortened to a line.
    pub(super) fn excerpt(&self, range: std::ops::Range<usize>) -> String {
        const LONGEST: usize = 60;
        let words: Vec<&str> = self.text.get(range).unwrap_or_default().split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// Returns where the token at or behind a byte begins.
    pub(super) fn next_token(&self, offset: usize) -> usize {
        Tokens::new(&self.text[offset..]).next().map_or(offset, |(_, token)| offset + token.start)
    }

    /// Returns the message about a field at another place than the field's own.
    pub(super) fn error_at(&self, offset: usize, finding: Finding) -> SpecError {
        match self.error(finding) {
            SpecError::Invalid { field, value, way_out, .. } => {
                SpecError::Invalid { place: self.place(offset), field, value, way_out }
            }
            other => other,
        }
    }

    /// Returns the message about a field.
    pub(super) fn error(&self, finding: Finding) -> SpecError {
        let entry = self.outline.nearest(&finding.field);
        let written = entry.filter(|entry| entry.path == finding.field);
        let start = |entry: &Entry| self.place(entry.value.start);
        let place = entry.map_or_else(|| Place { file: self.file.into(), position: None }, start);
        match finding.fault {
            Fault::Value { value, way_out } => {
                let value = match written {
                    Some(entry) => self.excerpt(entry.value.clone()),
                    None if self.text.is_empty() => value,
                    None => format!("{value} by default"),
                };
                SpecError::Invalid { place, field: finding.field, value, way_out }
            }
            Fault::State { state, way_out } => {
                SpecError::Invalid { place, field: finding.field, value: state, way_out }
            }
            Fault::Unknown { what, found, known } => {
                let path = if finding.field.is_empty() { found.clone() } else { format!("{}.{found}", finding.field) };
                let place = self.outline.find(&path).map_or(place, |entry| self.place(entry.start));
                SpecError::Unknown { place, what, found, within: finding.field, known }
            }
        }
    }
}
