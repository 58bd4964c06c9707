//! `moa tag`: words by which experiments are found again.

use std::path::PathBuf;

use moa_store::Remarks;

use super::note::layout;
use crate::error::CliError;
use crate::output::print;

/// The longest tag, in characters.
const LONGEST: usize = 40;

/// Tags an experiment, or prints its tags.
///
/// Tags are kept in the results folder; `moa list` shows them, and finds experiments by them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa tag results/my paper baseline
  moa tag results/my --remove baseline
  moa tag results/my                   print the tags
  moa list --tag paper")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// The tags
    #[arg(value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,

    /// Remove these tags instead
    #[arg(long, requires = "tags")]
    remove: bool,
}

fn tag(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().count() <= LONGEST;
    if fits && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
        Ok(text.to_owned())
    } else {
        Err(format!("give one word of at most {LONGEST} characters, without commas"))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layout = layout(&arguments.results)?;
    let mut remarks = Remarks::read(&layout)?;
    if arguments.remove {
        if let Some(absent) = arguments.tags.iter().find(|tag| !remarks.tags.contains(tag)) {
            let known = if remarks.tags.is_empty() { "none".into() } else { remarks.tags.join(", ") };
            return Err(
                CliError::usage(format!("there is no tag `{absent}` to remove")).hint(format!("tags are: {known}"))
            );
        }
        for tag in &arguments.tags {
            remarks.untag(tag);
        }
    } else {
        arguments.tags.iter().for_each(|tag| remarks.tag(tag));
    }
    if !arguments.tags.is_empty() {
        remarks.write(&layout)?;
    }
    print(remarks.tags.iter().map(|tag| format!("{tag}\n")).collect::<Vec<_>>().concat())
}
