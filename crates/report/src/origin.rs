//! Where results come from: the receipt, and the experiment as it was run.

use std::io::ErrorKind;
use std::path::Path;

use moa_store::Layout;
use serde_json::Value;

use crate::ReportError;
use crate::data::Origin;

/// Reads both; of a sweep that has just begun either may not be there.
///
/// # Errors
/// Names the file that cannot be read.
pub(crate) fn read(layout: &Layout) -> Result<Origin, ReportError> {
    let path = layout.receipt_file();
    let mut receipt = Vec::new();
    if let Some(text) = text(&path)? {
        let value: Value = serde_json::from_str(&text).map_err(|error| ReportError::Read {
            path,
            reason: format!("no receipt ({error}): restore the file, or remove it"),
        })?;
        list("", &value, &mut receipt);
    }
    Ok(Origin { receipt, experiment: text(&layout.experiment_file())?.unwrap_or_else(String::new) })
}

fn text(path: &Path) -> Result<Option<String>, ReportError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ReportError::Read { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// Lists the values of an object by their names, those of objects inside of it as `sha256 of base`.
fn list(of: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if of.is_empty() { name.clone() } else { format!("{of} of {name}") };
                list(&name, value, into);
            }
        }
        Value::String(text) => into.push((of.to_owned(), text.clone())),
        Value::Null => {}
        other => into.push((of.to_owned(), other.to_string())),
    }
}
