//! Checks on rows of numbers, made once at each public door.

use crate::ParetoError;

/// Returns the number of objectives that all rows share, or 0 for no rows.
pub(crate) fn rows<P: AsRef<[f64]>>(what: &'static str, rows: &[P]) -> Result<usize, ParetoError> {
    let Some(first) = rows.first() else {
        return Ok(0);
    };
    let expected = first.as_ref().len();
    rows_of(what, rows, expected)?;
    Ok(expected)
}

/// Checks that every row has `expected` finite values, at least one.
pub(crate) fn rows_of<P: AsRef<[f64]>>(what: &'static str, rows: &[P], expected: usize) -> Result<(), ParetoError> {
    rows.iter().enumerate().try_for_each(|(index, values)| row(what, index, values.as_ref(), expected))
}

/// Checks that one row has `expected` finite values, at least one.
pub(crate) fn row(what: &'static str, index: usize, values: &[f64], expected: usize) -> Result<(), ParetoError> {
    if values.len() != expected || values.is_empty() {
        return Err(ParetoError::Dimension { what, index, found: values.len(), expected: expected.max(1) });
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(objective) => Err(ParetoError::NotFinite { what, index, objective, value: values[objective] }),
    }
}

/// Checks that a list holds something.
pub(crate) fn not_empty<T>(what: &'static str, list: &[T]) -> Result<(), ParetoError> {
    if list.is_empty() {
        return Err(ParetoError::Empty { what });
    }
    Ok(())
}
