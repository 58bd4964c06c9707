//! `moa note`: the user's own words on an experiment.

use std::path::{Path, PathBuf};

use moa_store::{Layout, Remarks, unix_now};

use crate::error::CliError;
use crate::output::{print, prose, say};
use crate::results;
use crate::text::age;

/// Keeps a note on an experiment, or prints its notes.
///
/// Notes are kept in the results folder, and shown by `moa front`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa note results/my \"twice the prompts, same seed\"
  moa note results/my                print the notes
  moa note results/my --remove 1     remove the first one")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// What to note
    #[arg(value_name = "TEXT", conflicts_with = "remove")]
    text: Option<String>,

    /// Remove a note, by its number
    #[arg(long, value_name = "N")]
    remove: Option<usize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layout = layout(&arguments.results)?;
    let mut remarks = Remarks::read(&layout)?;
    if let Some(number) = arguments.remove {
        let count = remarks.notes.len();
        if !(1..=count).contains(&number) {
            return Err(CliError::usage(format!(
                "--remove is {number}, of {}",
                crate::text::count(count as u64, "note")
            ))
            .hint("`moa note DIR` prints them with their numbers"));
        }
        let removed = remarks.notes.remove(number - 1);
        remarks.write(&layout)?;
        say(&format!("removed: {}", removed.text));
        return Ok(());
    }
    match arguments.text.as_deref().map(str::trim) {
        Some("") => Err(CliError::usage("the note is empty").hint("say what to note")),
        Some(text) => {
            remarks.note(text);
            remarks.write(&layout)?;
            say(&format!("noted in {}", layout.remarks_file().display()));
            Ok(())
        }
        None => {
            let now = unix_now();
            let lines = (1..).zip(&remarks.notes).map(|(number, note)| {
                let ago = age(now.saturating_sub(note.written));
                format!("{number}  {ago} ago  {}\n", note.text)
            });
            print(prose(&lines.collect::<String>()))
        }
    }
}

/// Returns the layout of the results that a word of the command line means.
///
/// # Errors
/// Says that there are none.
pub(super) fn layout(path: &Path) -> Result<Layout, CliError> {
    let folder = results::find(path)?;
    if results::is_experiment(&folder) {
        return Ok(Layout::new(folder));
    }
    Err(CliError::failure(format!("{}: there are no results of an experiment", folder.display()))
        .hint("`moa list` shows which there are"))
}

/// Returns tags and notes as lines, for the head of a front.
pub(super) fn head(layout: &Layout) -> Result<String, CliError> {
    let Remarks { notes, tags, .. } = &Remarks::read(layout)?;
    let now = unix_now();
    let tags = (!tags.is_empty()).then(|| format!("tags      {}\n", tags.join(" ")));
    let notes = notes.iter().map(|note| {
        let ago = age(now.saturating_sub(note.written));
        format!("note      {} ({ago} ago)\n", note.text)
    });
    let text: String = tags.into_iter().chain(notes).collect();
    Ok(if text.is_empty() { text } else { prose(&text) + "\n" })
}
