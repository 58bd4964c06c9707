//! Writing to the terminal: what was asked for goes to standard output, everything else to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::error::CliError;
pub(crate) use crate::notes::note;

/// Writes to standard output. A reader that has gone (`moa front … | head`) is no error.
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

/// Whether standard output takes colours: a terminal, and its user has not said otherwise (<https://no-color.org>).
pub(crate) fn has_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns how many letters fit into a line of standard output, if it is a terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    let (columns, _) = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok())??;
    Some(columns.into())
}
