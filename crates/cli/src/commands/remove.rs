//! `moa remove`: results that are not wanted any more.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;

use moa_core::{PointKind, RunId};
use moa_store::{Layout, remove_experiment, remove_points};

use super::note::layout;
use crate::error::CliError;
use crate::output::{print, say};
use crate::shell;
use crate::suggest::did_you_mean;
use crate::text::count;

/// Removes an experiment's results, or some of its runs, soups and blends.
///
/// Removal is final. The command asks first, unless --yes is given; without a terminal, --yes is needed. It is refused while a sweep works on the results. Links are
/// removed, and what they lead to stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa remove results/my                          the whole experiment
  moa remove results/my soup-centre --dry-run    say what would be removed
  moa remove results/my safety --yes             one run; the next `moa sweep` trains it again")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// Runs, soups and blends, by name [default: the whole experiment]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Remove without asking
    #[arg(long, short)]
    yes: bool,

    /// Say what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layout = layout(&arguments.results)?;
    let root = layout.root();
    if root.is_symlink() {
        return Err(CliError::usage(format!("{} is a link, and what it leads to stays", root.display()))
            .hint("name the folder that it leads to, or remove the link with rm"));
    }
    let points = points(&layout, &arguments.names)?;
    let folders: Vec<PathBuf> = match &points[..] {
        [] => vec![root.to_path_buf()],
        some => some.iter().map(|(kind, id)| layout.point_dir(*kind, id)).collect(),
    };
    let list = folders.iter().map(|folder| format!("{}\n", folder.display())).collect::<Vec<_>>().concat();
    if arguments.dry_run {
        return print(format!("would remove:\n{list}"));
    }
    if !arguments.yes && !is_confirmed(&list)? {
        say("nothing was removed");
        return Ok(());
    }
    if points.is_empty() {
        remove_experiment(root)?;
        say(&format!("removed {}", root.display()));
        return Ok(());
    }
    remove_points(root, &points)?;
    let repair = shell::line(["moa", "repair", &root.display().to_string()]);
    say(&format!(
        "removed {}; tables and plots still show them: `{repair}` draws them again",
        list.trim().replace('\n', ", ")
    ));
    Ok(())
}

/// Returns what the names mean, in their order.
fn points(layout: &Layout, names: &[String]) -> Result<Vec<(PointKind, RunId)>, CliError> {
    let known = layout.logs()?;
    let mut points = Vec::new();
    for name in names {
        let found = known.iter().find(|(_, id, _)| id.as_str() == name);
        match found {
            Some((PointKind::Base, ..)) => {
                return Err(CliError::usage("all points are compared with the base, so it cannot be removed alone")
                    .hint("name runs, soups or blends, or none for the whole experiment"));
            }
            Some((kind, id, _)) if !points.contains(&(*kind, id.clone())) => points.push((*kind, id.clone())),
            Some(_) => {}
            None => {
                let names: Vec<&str> = known.iter().map(|(_, id, _)| id.as_str()).collect();
                let meant = did_you_mean(name, names.iter().copied());
                let hint = meant.map_or_else(
                    || format!("there are {}", names.join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("{} has no run, adapter, soup or blend `{name}`", layout.root().display());
                return Err(CliError::usage(message).hint(hint));
            }
        }
    }
    Ok(points)
}

/// Asks whether to remove what is listed.
fn is_confirmed(list: &str) -> Result<bool, CliError> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        let what = count(list.lines().count() as u64, "folder");
        return Err(CliError::usage(format!("there is no terminal to ask on whether to remove {what}"))
            .hint("--yes removes without asking, --dry-run says what"));
    }
    print(format!("{list}Remove this for good? [y/N] "))?;
    let _ = stdout().flush();
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| CliError::failure(format!("failed to read the answer: {error}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
