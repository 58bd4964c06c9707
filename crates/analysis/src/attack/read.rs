//! Attacks in files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_core::{PointKind, RunId};
use moa_store::{Layout, RunHistory};
use serde::de::DeserializeOwned;

use super::{FOLDER, FORMAT, GoalOutcome, Head, SAFE, SafeOutcome};
use crate::AnalysisError;

/// Larger files are no such files.
const MOST_BYTES: u64 = 256_000_000;

/// What was found out about one victim by one attack, or by safe prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackLog {
    /// Of what it depends on.
    pub head: Head,
    /// By goal, in the order of the file; nothing of safe prompts.
    pub goals: Vec<GoalOutcome>,
    /// By safe prompt.
    pub safe: Vec<SafeOutcome>,
    /// Whether the point has another adapter by now.
    pub is_stale: bool,
}

impl AttackLog {
    /// Reads all files in the results' folder of attacks, by victim and attack; nothing where there are none.
    ///
    /// # Errors
    /// Names a file that cannot be read or is of another version.
    pub fn read_all(results: &Path) -> Result<Vec<Self>, AnalysisError> {
        let mut logs = Vec::new();
        for folder in listed(&results.join(FOLDER))? {
            for file in listed(&folder)?.into_iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")) {
                logs.extend(Self::read(&file)?);
            }
        }
        let layout = Layout::new(results);
        // By point, of which several attacks are kept.
        let mut adapters: BTreeMap<String, Option<String>> = BTreeMap::new();
        for log in logs.iter_mut().filter(|log| !log.head.adapter.is_empty()) {
            let point = log.head.victim.split('~').next().unwrap_or_default();
            let current = match adapters.entry(point.to_owned()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unread) => {
                    let adapter = adapter_of(&layout, &RunId(point.to_owned()))?;
                    unread.insert(adapter)
                }
            };
            log.is_stale = current.as_ref().is_some_and(|current| *current != log.head.adapter);
        }
        Ok(logs)
    }

    /// Reads one file; nothing where it is not there or was just begun.
    ///
    /// # Errors
    /// As [`AttackLog::read_all`].
    pub fn read(path: &Path) -> Result<Option<Self>, AnalysisError> {
        let refuse = |reason: String| AnalysisError::Attacks { path: path.to_owned(), reason };
        match fs::metadata(path) {
            Ok(found) if found.len() > MOST_BYTES => return Err(refuse(format!("it has {} bytes", found.len()))),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error.to_string())),
        }
        let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let Some((head, rest)) = text.split_once('\n') else { return Ok(None) };
        let head: Head = serde_json::from_str(head).map_err(|error| refuse(error.to_string()))?;
        if head.format != FORMAT {
            return Err(refuse(format!("its format is {}, and this version of moa reads {FORMAT}", head.format)));
        }
        let (goals, safe) = if head.attack == SAFE {
            (Vec::new(), parse_lines(rest).map_err(refuse)?)
        } else {
            (parse_lines(rest).map_err(refuse)?, Vec::new())
        };
        Ok(Some(Self { head, goals, safe, is_stale: false }))
    }
}

/// Returns the digest of the adapter that a point was last evaluated with; nothing of one that is not evaluated.
fn adapter_of(layout: &Layout, point: &RunId) -> Result<Option<String>, AnalysisError> {
    for kind in [PointKind::Trained, PointKind::Soup] {
        let history = RunHistory::read(&layout.log_file(kind, point))?;
        if let Some((settings, _)) = history.and_then(|history| history.evaluation) {
            return Ok(settings.split_once(' ').map(|(_, adapters)| adapters.to_owned()));
        }
    }
    Ok(None)
}

/// Returns what lines hold. A last line without an end was torn by a kill, and is no line.
///
/// # Errors
/// Says which line is none of its kind, counted from the second of the file.
pub fn parse_lines<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 2))).collect()
}

/// Returns what is in a folder, sorted; nothing of one that is not there.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, AnalysisError> {
    let refuse = |error: std::io::Error| AnalysisError::Attacks { path: folder.to_owned(), reason: error.to_string() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(refuse(error)),
    };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(refuse)?;
    paths.sort();
    Ok(paths)
}
