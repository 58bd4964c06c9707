//! Writing to the terminal: what was asked for goes to standard output, everything else to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::error::CliError;
pub(crate) use crate::notes::{detail, note, say, warn};
use crate::wrap::wrapped;

/// Writes to standard output. A reader that has closed it (`moa front … | head`) is not an error.
///
/// # Errors
/// Says why the output cannot be written, e.g. to a full disk.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::failure(format!("failed to write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether standard error is a terminal that redraws lines.
pub(crate) fn is_live_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns how many columns a line of standard output has, if it is a terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    let (columns, _) = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok())??;
    Some(columns.into())
}

/// Returns prose for standard output, broken between words to the terminal's width if it is one.
pub(crate) fn prose(text: &str) -> String {
    wrapped(text, terminal_width())
}
