//! Prompts from files of records: CSV, TSV, and JSON with one object a line.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The column that prompts are in unless an experiment says otherwise.
const COLUMN: &str = "prompt";

/// How a file is read, which its ending says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::experiment) enum Form {
    /// Values between these bytes, the columns' names in the first line.
    Separated(u8),
    /// One JSON object a line.
    Lines,
}

impl Form {
    /// Returns the form of a file of records; none for other endings.
    pub(in crate::experiment) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Separated(b',')),
            "tsv" => Some(Self::Separated(b'\t')),
            "jsonl" | "ndjson" => Some(Self::Lines),
            _ => None,
        }
    }

    /// Returns the prompts of all records that pass the filter, trimmed.
    ///
    /// # Errors
    /// Says what is wrong in which line, with a hint.
    pub(super) fn prompts(
        self,
        text: &str,
        column: Option<&str>,
        filter: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, String> {
        let column = column.unwrap_or(COLUMN);
        let mut prompts = Vec::new();
        let mut take = |line: u64, cells: &[(&str, String)]| {
            for (name, wanted) in filter {
                if cell(cells, name).map_err(|problem| format!("line {line}: {problem}"))? != wanted {
                    return Ok(());
                }
            }
            let prompt = cell(cells, column).map_err(|problem| format!("line {line}: {problem}"))?.trim();
            if prompt.is_empty() {
                return Err(format!("line {line}: has no prompt: write one, or delete the line"));
            }
            prompts.push(prompt.to_owned());
            Ok(())
        };
        match self {
            Self::Separated(separator) => separated(text, separator, &mut take)?,
            Self::Lines => lines(text, &mut take)?,
        }
        if prompts.is_empty() && !filter.is_empty() {
            return Err("no record has the values of `where`: check them, letter for letter".into());
        }
        Ok(prompts)
    }
}

/// Takes a record with the number of its line.
type Take<'a> = dyn FnMut(u64, &[(&str, String)]) -> Result<(), String> + 'a;

fn separated(text: &str, separator: u8, take: &mut Take<'_>) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| format!("cannot be read: {error}"))?.clone();
    for record in reader.records() {
        let record = record.map_err(|error| format!("cannot be read: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() > names.len() {
            let problem = format!("{} values for {} columns: put quotes around values that", record.len(), names.len());
            let separator = if separator == b'\t' { "tabs" } else { "commas" };
            return Err(format!("line {line}: {problem} hold {separator}"));
        }
        // Values that are left out at a line's end are empty.
        let values = record.iter().chain(std::iter::repeat(""));
        let cells: Vec<_> = names.iter().zip(values).map(|(name, value)| (name.trim(), value.to_owned())).collect();
        take(line, &cells)?;
    }
    Ok(())
}

fn lines(text: &str, take: &mut Take<'_>) -> Result<(), String> {
    for (index, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line = index as u64 + 1;
        let value: Value = serde_json::from_str(text).map_err(|error| format!("line {line}: no JSON: {error}"))?;
        let Value::Object(fields) = value else {
            return Err(format!(
                "line {line}: not a JSON object: give one per line, such as {{\"prompt\": \"a cat\"}}"
            ));
        };
        let cells: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), plain(value))).collect();
        take(line, &cells)?;
    }
    Ok(())
}

/// Returns a text as it is, and other JSON as it is written.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Returns the value in a column: the one of exactly this name, or else the first that differs by letter case alone.
fn cell<'a>(cells: &'a [(&str, String)], column: &str) -> Result<&'a str, String> {
    let exact = cells.iter().find(|(name, _)| *name == column);
    let found = exact.or_else(|| cells.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)));
    found.map(|(_, value)| value.as_str()).ok_or_else(|| {
        let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
        format!("no column `{column}`: there are {}", if names.is_empty() { "none".into() } else { names.join(", ") })
    })
}
