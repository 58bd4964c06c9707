//! What is said beside results, on standard error.

use std::io::{self, Write};

/// Writes a line to standard error. There is nobody to tell if that fails.
pub(crate) fn note(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{line}");
}
