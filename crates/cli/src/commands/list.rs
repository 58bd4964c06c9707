//! `moa list`: which experiments there are.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moa_analysis::{Scales, mean_volume};
use moa_core::{EvaluationRecord, ExperimentSpec, RunId, RunState};
use moa_store::{Layout, Remarks, ResultTable, Snapshot, Source, TaskState, TaskStatus, unix_now};
use serde_json::json;

use crate::error::CliError;
use crate::output::{print, say};
use crate::paint;
use crate::results;
use crate::text::{Table, age, count, memory};

/// Lists the experiments under results/: how far they are, how good, how old, how large.
///
/// The latest comes first. Experiments that were swept as a folder (results/survey/…) are listed by folder and name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Columns:
  state    complete, running, stopped, or damaged
  points   evaluated, of those that the experiment asks for; +N were added later
  front    points on the front beyond noise, when the sweep last drew it
  volume   hypervolume of the means, on the experiment's own scale
  remarks  tags, and how many notes there are (`moa note DIR` prints them)

Fields of JSON, which keep their names: folder, name, state, reason (of a damaged one), evaluated, expected, added, front, hypervolume, \
modified (seconds since 1970), bytes, tags, notes. What is not known is null.

Examples:
  moa list
  moa list --tag paper
  moa list /mnt/results --json | jq -r '.[] | select(.state == \"stopped\") | .folder'")]
pub(crate) struct Arguments {
    /// The folder of results
    #[arg(value_name = "DIR", default_value = "results", env = results::LIBRARY, hide_env_values = true)]
    folder: PathBuf,

    /// List only experiments with this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// One experiment.
struct Entry {
    folder: PathBuf,
    /// Its name below the folder that is listed.
    name: String,
    state: State,
    /// Points that the experiment asks for: evaluated, and all; and those that were added later.
    points: [usize; 3],
    front: Option<usize>,
    hypervolume: Option<f64>,
    modified: u64,
    bytes: u64,
    remarks: Option<Remarks>,
}

enum State {
    Complete,
    Running,
    Stopped,
    Damaged(String),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Damaged(_) => "damaged",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let Arguments { folder, tag, json } = arguments;
    if !folder.is_dir() {
        return Err(CliError::failure(format!("{}: there is no such folder", folder.display()))
            .hint("`moa sweep experiments/quick.ron` makes first results in a minute"));
    }
    let mut found = Vec::new();
    for root in experiments_in(folder, 2) {
        let remarks = Remarks::read(&Layout::new(&root));
        let tags = remarks.as_ref().map(|remarks| &remarks.tags[..]).unwrap_or_default();
        if tag.iter().all(|wanted| tags.contains(wanted)) {
            found.push(entry(folder, root, remarks.ok()));
        }
    }
    found.sort_by(|one, other| other.modified.cmp(&one.modified).then_with(|| one.name.cmp(&other.name)));
    if *json {
        return print(as_json(&found));
    }
    if found.is_empty() {
        say(&format!(
            "{}: there is no experiment{}",
            folder.display(),
            if tag.is_empty() { "" } else { " with these tags" }
        ));
        return Ok(());
    }
    print(table(&found))
}

/// Returns the results folders below a folder; names that begin with a dot are left out, and links are not followed.
fn experiments_in(folder: &Path, deep: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if results::is_experiment(&entry.path()) {
            found.push(entry.path());
        } else if deep > 1 {
            found.extend(experiments_in(&entry.path(), deep - 1));
        }
    }
    found
}

fn entry(library: &Path, root: PathBuf, remarks: Option<Remarks>) -> Entry {
    let layout = Layout::new(&root);
    let (bytes, modified) = size(&root);
    let mut entry = Entry {
        name: root.strip_prefix(library).unwrap_or(&root).display().to_string(),
        state: State::Stopped,
        points: [0; 3],
        front: front(&layout),
        hypervolume: None,
        modified: modified.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs(),
        bytes,
        remarks,
        folder: root,
    };
    let spec = match ExperimentSpec::load_kept(&layout.experiment_file()) {
        Ok(spec) => spec,
        Err(error) => {
            entry.state = State::Damaged(error.to_string());
            return entry;
        }
    };
    let snapshot = match Snapshot::read(&entry.folder) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            entry.state = State::Damaged(format!("failed to {error}"));
            return entry;
        }
    };
    entry.points = points(&spec, &snapshot.evaluations);
    let scales = Scales::read(&layout, &spec, &snapshot.evaluations).ok();
    let means: Vec<Vec<f64>> = snapshot.evaluations.iter().map(EvaluationRecord::reward_means).collect();
    entry.hypervolume = scales.and_then(|scales| mean_volume(&means, &scales));
    let at_work = |status: &TaskStatus| status.state == TaskState::Running && !status.is_silent(unix_now());
    let tasks = TaskStatus::read_all(&layout).unwrap_or_else(|_| Vec::new());
    let [evaluated, expected, _] = entry.points;
    let trained = snapshot.runs.iter().all(|run| run.state == RunState::Evaluated);
    entry.state = if snapshot.source == Source::Live || tasks.iter().any(at_work) {
        State::Running
    } else if trained && evaluated >= expected {
        State::Complete
    } else {
        State::Stopped
    };
    entry
}

/// Returns how many of the points that an experiment asks for are evaluated, how many there are, and how many others were added.
fn points(spec: &ExperimentSpec, evaluations: &[EvaluationRecord]) -> [usize; 3] {
    let base = [RunId(RunId::BASE.into())];
    let trained = spec.weightings().into_iter().map(|(id, _)| id);
    let mixed = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let asked: std::collections::BTreeSet<RunId> = base.into_iter().chain(trained).chain(mixed).collect();
    let evaluated = evaluations.iter().filter(|evaluation| asked.contains(&evaluation.id)).count();
    [evaluated, asked.len(), evaluations.len() - evaluated]
}

/// Returns how many points were on the front when it was last drawn.
fn front(layout: &Layout) -> Option<usize> {
    let text = fs::read_to_string(layout.table_file(ResultTable::Front, "csv")).ok()?;
    let mut lines = text.lines();
    let column = lines.next()?.split(',').position(|name| name == "on_front")?;
    Some(lines.filter(|line| line.split(',').nth(column) == Some("true")).count())
}

/// Returns the bytes of a folder, and when something in it was last written; what links lead to does not count.
fn size(folder: &Path) -> (u64, SystemTime) {
    let (mut bytes, mut modified) = (0, UNIX_EPOCH);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let (inner, latest) = size(&entry.path());
            (bytes, modified) = (bytes + inner, modified.max(latest));
        } else {
            bytes += metadata.len();
            // Remarks say nothing of when a sweep wrote.
            if entry.file_name() != "remarks.json" {
                modified = modified.max(metadata.modified().unwrap_or(UNIX_EPOCH));
            }
        }
    }
    (bytes, modified)
}

/// Returns tags, and how many notes there are.
fn remarks(remarks: &Remarks) -> String {
    let notes = remarks.notes.len() as u64;
    let notes = (notes > 0).then(|| format!("({})", count(notes, "note")));
    remarks.tags.iter().cloned().chain(notes).collect::<Vec<_>>().join(" ")
}

fn table(entries: &[Entry]) -> String {
    let mut table = Table::new(["experiment", "state", "points", "front", "volume", "age", "size", "remarks"]);
    for entry in entries {
        let [evaluated, expected, added] = entry.points;
        let added = if added > 0 { format!(" +{added}") } else { String::new() };
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "–".into());
        table.row([
            entry.name.clone(),
            entry.state.name().into(),
            format!("{evaluated}/{expected}{added}"),
            or_unknown(entry.front.map(|front| front.to_string())),
            or_unknown(entry.hypervolume.map(|volume| format!("{volume:.3}"))),
            age(unix_now().saturating_sub(entry.modified)),
            memory(entry.bytes),
            entry.remarks.as_ref().map(remarks).unwrap_or_default(),
        ]);
    }
    let mut text = paint::table(&table.render_with_left(2), |_| false);
    for entry in entries {
        if let State::Damaged(reason) = &entry.state {
            let _ = writeln!(text, "{}: {reason}", entry.name);
        }
    }
    text
}

fn as_json(entries: &[Entry]) -> String {
    let entry = |entry: &Entry| {
        let [evaluated, expected, added] = entry.points;
        let notes = entry.remarks.iter().flat_map(|remarks| &remarks.notes).map(|note| &note.text);
        json!({
            "folder": entry.folder.display().to_string(),
            "name": entry.name,
            "state": entry.state.name(),
            "reason": match &entry.state { State::Damaged(reason) => Some(reason), _ => None },
            "evaluated": evaluated,
            "expected": expected,
            "added": added,
            "front": entry.front,
            "hypervolume": entry.hypervolume,
            "modified": entry.modified,
            "bytes": entry.bytes,
            "tags": entry.remarks.as_ref().map(|remarks| &remarks.tags),
            "notes": notes.collect::<Vec<_>>(),
        })
    };
    let all: Vec<_> = entries.iter().map(entry).collect();
    format!("{:#}\n", serde_json::Value::Array(all))
}
