//! Plain text.

use std::io::{self, BufWriter, Write};

use crate::StoreError;

/// Writes one prompt per line, and returns what the writer says.
///
/// # Errors
/// [`StoreError::BrokenPrompt`], before anything is written: a line break would make two prompts of one.
pub(super) fn write(
    sets: &[(&'static str, Vec<String>)],
    writer: &mut dyn Write,
) -> Result<io::Result<()>, StoreError> {
    let prompts = || sets.iter().flat_map(|(_, prompts)| prompts);
    if let Some(broken) = prompts().find(|prompt| prompt.contains(['\n', '\r'])) {
        return Err(StoreError::BrokenPrompt { prompt: broken.clone() });
    }
    let mut buffer = BufWriter::new(writer);
    let written = prompts().try_for_each(|prompt| writeln!(buffer, "{prompt}"));
    Ok(written.and_then(|()| buffer.flush()))
}
