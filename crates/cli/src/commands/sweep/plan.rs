//! Which experiments are swept, and where to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::results;
use crate::setting::Settings;

/// What the command line changes in every experiment.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The seed in place of the file's, which results' folders are named by.
    pub(super) seed: Option<u64>,
    /// Other values in place of the file's.
    pub(super) settings: Settings,
}

impl Changes {
    /// Returns the arguments that change the same in another process.
    pub(super) fn arguments(&self) -> impl Iterator<Item = String> + '_ {
        let seed = self.seed.into_iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]);
        seed.chain(self.settings.arguments())
    }
}

/// An experiment and the folder of its results.
pub(super) struct Planned {
    pub(super) experiment: Experiment,
    pub(super) out: PathBuf,
}

/// Reads and checks all experiments before the first is swept: the files, and those that lie in folders, by name.
///
/// # Errors
/// Says which file is wrong and how, which folder holds none, or which two would write into one folder.
pub(super) fn planned(paths: &[PathBuf], out: Option<&Path>, changes: &Changes) -> Result<Vec<Planned>, CliError> {
    let mut found: Vec<(PathBuf, Option<PathBuf>)> = Vec::new();
    for path in paths {
        if path.is_dir() {
            let folder = path.file_name().map(PathBuf::from);
            found.extend(experiments_in(path)?.into_iter().map(|file| (file, folder.clone())));
        } else {
            found.push((path.clone(), None));
        }
    }
    let several = found.len() > 1 || paths.iter().any(|path| path.is_dir());
    let mut planned: Vec<Planned> = Vec::new();
    for (file, folder) in found {
        let mut experiment = Experiment::load(&file, &changes.settings)?;
        let mut name = experiment.name().to_owned();
        if let Some(seed) = changes.seed {
            experiment.reseed(seed);
            name = format!("{name}-seed-{seed}");
        }
        let out = match (out, several) {
            (Some(out), false) => out.to_path_buf(),
            (Some(out), true) => out.join(name),
            (None, _) => results::library().join(folder.unwrap_or_default()).join(name),
        };
        if planned.iter().any(|other| other.out == out) {
            let message = format!("{}: another experiment's results go into {} already", file.display(), out.display());
            return Err(CliError::usage(message).hint("give each experiment a different name"));
        }
        moa_runner::take_chosen(&mut experiment.spec, &out);
        planned.push(Planned { experiment, out });
    }
    Ok(planned)
}

/// Returns the experiment files of a folder, by name.
fn experiments_in(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |error: std::io::Error| CliError::failure(format!("failed to read {}: {error}", folder.display()));
    let entries = fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let is_experiment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "ron") && path.is_file();
    let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(is_experiment).collect();
    files.sort();
    if files.is_empty() {
        let message = format!("{}: there is no experiment in this folder", folder.display());
        return Err(CliError::usage(message).hint("name an experiment file, or a folder with files that end in .ron"));
    }
    Ok(files)
}
