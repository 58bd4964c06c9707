//! Results folders as the command line names them: by their path, by the experiment file that they are of, or by its name.

use std::path::{Component, Path, PathBuf};

use moa_core::ExperimentSpec;
use moa_store::Layout;

use crate::error::CliError;
use crate::output::detail;
use crate::shell;
use crate::suggest::did_you_mean;

/// The variable that names the folder of all results.
pub(crate) const LIBRARY: &str = "MOA_RESULTS";

/// Returns the folder that results go into, each experiment's in one of its own: `MOA_RESULTS`, or `results`.
pub(crate) fn library() -> PathBuf {
    let given = std::env::var_os(LIBRARY).filter(|folder| !folder.is_empty());
    given.map_or_else(|| "results".into(), PathBuf::from)
}

/// Returns whether a folder is an experiment's results.
pub(crate) fn is_experiment(folder: &Path) -> bool {
    let layout = Layout::new(folder);
    layout.experiment_file().is_file() || layout.metrics_dir().is_dir()
}

/// Returns the results folders below a folder; names that begin with a dot are left out, and links are not followed.
pub(crate) fn experiments_in(folder: &Path, deep: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if has_phases(&entry.path()) {
            found.extend(experiments_in(&Layout::new(entry.path()).phases_dir(), 1));
        } else if is_experiment(&entry.path()) {
            found.push(entry.path());
        } else if deep > 1 {
            found.extend(experiments_in(&entry.path(), deep - 1));
        }
    }
    found
}

/// Finds the results that a word of the command line means. A folder means itself; an experiment file, the folder that `moa sweep`
/// makes of it; a bare name, the folder of that name among all results. What is none of these is returned as it is, for the command to
/// say what it makes of it.
///
/// # Errors
/// Says that an experiment file has no results yet, and where they would be; refuses files that are no experiment's.
pub(crate) fn find(path: &Path) -> Result<PathBuf, CliError> {
    let found = find_folder(path)?;
    check_no_phases(&found)?;
    Ok(found)
}

/// Finds several, those of experiments in phases too.
///
/// # Errors
/// As [`find`] otherwise.
pub(crate) fn find_any(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    paths.iter().map(|path| find_folder(path)).collect()
}

/// Returns whether a folder is of an experiment in phases.
pub(crate) fn has_phases(folder: &Path) -> bool {
    Layout::new(folder).phases_dir().is_dir()
}

/// Refuses the folder of an experiment in phases, whose results are those of the phases.
///
/// # Errors
/// Says so, and names the phases' folders.
pub(crate) fn check_no_phases(folder: &Path) -> Result<(), CliError> {
    if !has_phases(folder) {
        return Ok(());
    }
    let message = format!("{} is of an experiment in phases, each with results of its own", folder.display());
    Err(CliError::failure(message).hint(name_a_phase(folder)))
}

/// Returns which folders to name in place of that of an experiment in phases.
pub(crate) fn name_a_phase(folder: &Path) -> String {
    let mut phases = experiments_in(&Layout::new(folder).phases_dir(), 1);
    phases.sort();
    let phases: Vec<String> = phases.iter().map(|phase| phase.display().to_string()).collect();
    match &phases[..] {
        [] => "sweep it: no phase is begun".into(),
        phases => format!("name a phase's results: {}", phases.join(", ")),
    }
}

fn find_folder(path: &Path) -> Result<PathBuf, CliError> {
    if path.is_file() {
        return of_file(path);
    }
    if path.exists() {
        return if is_experiment(path) { Ok(path.to_path_buf()) } else { of_folder(path) };
    }
    if path.extension().is_some_and(|ending| ending == "ron") {
        return of_absent(path);
    }
    let mut parts = path.components();
    if let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) {
        let folder = library().join(name);
        if is_experiment(&folder) {
            detail(|| format!("{}: the results in {}", path.display(), folder.display()));
            return Ok(folder);
        }
    }
    Ok(path.to_path_buf())
}

/// Finds several, as [`find`] does.
///
/// # Errors
/// See [`find`].
pub(crate) fn find_all(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    paths.iter().map(|path| find(path)).collect()
}

/// Returns a folder that is no experiment's results, for the command to say so; refuses one that holds several experiments.
fn of_folder(folder: &Path) -> Result<PathBuf, CliError> {
    let mut inside = experiments_in(folder, 1);
    inside.sort();
    let Some(first) = inside.first() else { return Ok(folder.to_path_buf()) };
    let names: Vec<String> =
        inside.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into())).collect();
    Err(CliError::failure(format!("{} is a folder of experiments: {}", folder.display(), names.join(", ")))
        .hint(format!("name one, such as {}; `moa list` shows what they are", first.display())))
}

/// Returns the results of an experiment file that is not there any more.
fn of_absent(file: &Path) -> Result<PathBuf, CliError> {
    let stem = file.file_stem().unwrap_or_default();
    let folder = library().join(stem);
    if is_experiment(&folder) {
        return Ok(folder);
    }
    let entries = std::fs::read_dir(library()).into_iter().flatten().flatten();
    let known: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let meant = did_you_mean(&stem.to_string_lossy(), known.iter().map(String::as_str));
    let message = format!("{}: there is no such file, and no results in {}", file.display(), folder.display());
    Err(CliError::failure(message)
        .maybe_hint(meant.map(|name| format!("did you mean `{}`?", library().join(name).display())))
        .hint("`moa list` shows which results there are"))
}

/// Returns the results of an experiment file.
fn of_file(file: &Path) -> Result<PathBuf, CliError> {
    // The file that is kept beside results means these.
    if let Some(folder) = file.parent().filter(|folder| Layout::new(folder).experiment_file() == *file)
        && Layout::new(folder).receipt_file().is_file()
    {
        return Ok(folder.to_path_buf());
    }
    if file.extension().is_none_or(|ending| ending != "ron") {
        return Err(CliError::usage(format!("{} is neither a results folder nor an experiment file", file.display()))
            .hint("name a folder such as results/my, or the experiment file that ends in .ron"));
    }
    // A file that was broken since keeps its results: they go by its name then.
    let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = ExperimentSpec::load(file).ok().and_then(|spec| spec.name).unwrap_or_else(stem);
    let library = library();
    let own = library.join(&name);
    // A folder of experiments is swept into a folder of its name.
    let folder = file.parent().and_then(Path::file_name).map(|folder| library.join(folder).join(&name));
    let found = [Some(own.clone()), folder].into_iter().flatten().find(|folder| is_experiment(folder));
    if let Some(found) = found {
        detail(|| format!("{}: the results in {}", file.display(), found.display()));
        return Ok(found);
    }
    let sweep = shell::line(["moa", "sweep", &file.display().to_string()]);
    Err(CliError::failure(format!("{} has no results yet: there is no {}", file.display(), own.display()))
        .hint(format!("`{sweep}` makes them; if they were written elsewhere with --out, name that folder")))
}
