//! Models that `huggingface_hub` has downloaded already: `hf:org/name`, looked up in its cache. Nothing is downloaded.
//!
//! The cache holds `models--org--name/refs/<revision>`, a file with a commit, and
//! `models--org--name/snapshots/<commit>/`, the files as links into `blobs/`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Deeper folders are no pipeline's.
const DEEPEST: usize = 4;

/// A model on the hub: `org/name`, perhaps `@revision` (a branch, tag or commit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    name: String,
    revision: Option<String>,
}

/// Why a model of the hub cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The name cannot be a model's.
    #[error("`{0}` names no model of the hub: write hf:org/name, or hf:org/name@revision")]
    Name(String),
    /// The cache has no such model.
    #[error("{model} is not in {}: download it with `{}`", cache.display(), model.download())]
    NotDownloaded {
        /// The model.
        model: HubModel,
        /// The cache.
        cache: PathBuf,
    },
    /// The cache has the model, and not the revision.
    #[error(
        "{model}: revision {revision} is not in {}: download it with `{}`", folder.display(), model.download()
    )]
    NoRevision {
        /// The model.
        model: HubModel,
        /// The revision, `main` unless given.
        revision: String,
        /// The model's folder in the cache.
        folder: PathBuf,
    },
    /// Nothing says which of several snapshots is meant.
    #[error(
        "{model}: {} has no refs/main and several snapshots: name one of them as the revision: {}",
        folder.display(), commits.join(", ")
    )]
    Ambiguous {
        /// The model.
        model: HubModel,
        /// The model's folder in the cache.
        folder: PathBuf,
        /// The snapshots.
        commits: Vec<String>,
    },
    /// Files of the snapshot are missing.
    #[error(
        "{model}: the download in {} is incomplete ({}): complete it with `{}`",
        snapshot.display(), missing, model.download()
    )]
    Incomplete {
        /// The model.
        model: HubModel,
        /// The snapshot's folder.
        snapshot: PathBuf,
        /// What is missing.
        missing: String,
    },
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.name)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl HubModel {
    /// Reads a base's name; nothing where it does not begin with `hf:`.
    ///
    /// # Errors
    /// Refuses names that cannot be on the hub.
    pub fn parse(base: &str) -> Option<Result<Self, HubError>> {
        let rest = base.strip_prefix("hf:")?;
        let (name, revision) = match rest.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (rest, None),
        };
        let part = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && !part.contains("--") && part.chars().all(known)
        };
        let of_hub = name.split('/').count() <= 2 && name.split('/').all(part);
        if !of_hub || revision.is_some_and(|revision| !revision.split('/').all(part)) {
            return Some(Err(HubError::Name(base.to_owned())));
        }
        Some(Ok(Self { name: name.to_owned(), revision: revision.map(str::to_owned) }))
    }

    /// Returns the folder of the model's snapshot in `cache`, the folder that holds `models--org--name`.
    ///
    /// # Errors
    /// Says that the model or its revision was not downloaded, or not wholly, and the command that does it.
    pub fn find(&self, cache: &Path) -> Result<PathBuf, HubError> {
        let folder = cache.join(format!("models--{}", self.name.replace('/', "--")));
        if !folder.is_dir() {
            return Err(HubError::NotDownloaded { model: self.clone(), cache: cache.to_owned() });
        }
        let snapshot = folder.join("snapshots").join(self.commit(&folder)?);
        let mut missing = Vec::new();
        let files = scan(&snapshot, &snapshot, 0, &mut missing);
        missing.sort();
        let missing = match missing.as_slice() {
            [] if files == 0 => "it has no files".to_owned(),
            [] => return Ok(snapshot),
            [one] => format!("{one} is missing"),
            [first, rest @ ..] => format!("{first} and {} more are missing", rest.len()),
        };
        Err(HubError::Incomplete { model: self.clone(), snapshot, missing })
    }

    /// Returns the commit that the revision stands for.
    fn commit(&self, folder: &Path) -> Result<String, HubError> {
        let revision = self.revision.as_deref().unwrap_or("main");
        let is_snapshot = |commit: &str| !commit.is_empty() && folder.join("snapshots").join(commit).is_dir();
        let named = fs::read_to_string(folder.join("refs").join(revision)).ok();
        if let Some(commit) = named.as_deref().map(str::trim).filter(|commit| is_snapshot(commit)) {
            return Ok(commit.to_owned());
        }
        if self.revision.is_some() && is_snapshot(revision) {
            return Ok(revision.to_owned());
        }
        let mut commits = snapshots(folder);
        match commits.len() {
            1 if self.revision.is_none() && named.is_none() => Ok(commits.remove(0)),
            2.. if self.revision.is_none() && named.is_none() => {
                Err(HubError::Ambiguous { model: self.clone(), folder: folder.to_owned(), commits })
            }
            _ => {
                let (model, revision) = (self.clone(), revision.to_owned());
                Err(HubError::NoRevision { model, revision, folder: folder.to_owned() })
            }
        }
    }

    fn download(&self) -> String {
        let revision = self.revision.as_ref().map(|revision| format!(" --revision {revision}")).unwrap_or_default();
        format!("hf download {}{revision}", self.name)
    }
}

/// Returns the commits in a model's folder, sorted.
fn snapshots(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("snapshots")).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut commits: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    commits.sort();
    commits
}

/// Counts a snapshot's files, and collects those that are links to nothing.
fn scan(snapshot: &Path, folder: &Path, depth: usize, missing: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += if depth < DEEPEST { scan(snapshot, &path, depth + 1, missing) } else { 0 };
        } else if path.is_file() {
            files += 1;
        } else {
            missing.push(path.strip_prefix(snapshot).unwrap_or(&path).display().to_string());
        }
    }
    files
}
