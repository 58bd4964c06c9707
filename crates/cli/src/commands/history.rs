//! `moa history`: the versions of adapters that are trained online.

use std::fmt::Write as _;
use std::path::PathBuf;

use moa_core::{ExperimentSpec, RunId};
use moa_store::{Arrivals, Layout, Version, VersionGain, Versions, unix_now};
use serde_json::{Value, json};

use super::note::layout;
use crate::error::CliError;
use crate::output::{print, prose, say};
use crate::shell;
use crate::text::{Table, age, count};

/// Shows the versions of adapters that were trained online: what arrived, what they gain, what drifts, and which one is released.
///
/// An experiment with `online` (docs/online.md) makes a version of each run's adapter every so many epochs. One at which nothing drifts is released,
/// in DIR/released/RUN.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Columns:
  run, version  the run, and its version; numbers rise
  drifts        what an alarm is about: prompts (which holds nothing back), reward, judge, arrivals (docs/online.md)
  epochs        that it was trained
  arrived       prompts that had arrived by then, and counted
  state         released: what DIR/released has; superseded: it was, before; held: something drifts; withdrawn: taken back
  <reward>      gain over the base on the reference, with half the width of its 95 % interval
  <reward>*     the same on the prompts that arrived last

Examples:
  moa history results/my
  moa history results/my safety --json | jq '.versions[] | select(.state == \"held\") | .alarms'
  moa rollback results/my                 go back to the last sound version before the newest")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// Show these runs alone
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layout = layout(&arguments.results)?;
    let spec = online(&layout)?;
    let runs = named(&layout, &spec, &arguments.runs)?;
    let mut histories = Vec::new();
    for run in runs {
        let versions = Versions::read(&layout, &run)?;
        histories.push((run, versions));
    }
    let arrivals = Arrivals::read(&layout)?;
    if arguments.json {
        return print(format!("{:#}\n", as_json(&layout, &histories, &arrivals)));
    }
    if histories.iter().all(|(_, versions)| versions.all().is_empty()) {
        let every = spec.online.as_ref().map_or(0, |online| online.every);
        say(&format!("{}: there is no version yet; the first is made after epoch {every}", layout.root().display()));
        return Ok(());
    }
    print(prose(&text(&layout, &spec, &histories, &arrivals)))
}

/// Returns the experiment of results, in which something happens online.
///
/// # Errors
/// Says that nothing does.
pub(super) fn online(layout: &Layout) -> Result<ExperimentSpec, CliError> {
    let spec = ExperimentSpec::load_kept(&layout.experiment_file()).map_err(CliError::from)?;
    if spec.online.is_none() {
        return Err(CliError::failure(format!("{}: nothing of it is trained online", layout.root().display()))
            .hint("give online: (inbox: \"inbox.jsonl\") in an experiment (docs/online.md)"));
    }
    Ok(spec)
}

/// Returns the runs by these names; all where none is given.
///
/// # Errors
/// Says which there is not.
pub(super) fn named(layout: &Layout, spec: &ExperimentSpec, names: &[String]) -> Result<Vec<RunId>, CliError> {
    let all: Vec<RunId> = spec.weightings().into_iter().map(|(run, _)| run).collect();
    if names.is_empty() {
        return Ok(all);
    }
    let found = names.iter().map(|name| {
        all.iter().find(|run| run.as_str() == name).cloned().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(RunId::as_str).collect();
            CliError::usage(format!("{} has no run `{name}`", layout.root().display()))
                .hint(format!("its runs are {}", known.join(", ")))
        })
    });
    found.collect()
}

fn text(layout: &Layout, spec: &ExperimentSpec, histories: &[(RunId, Versions)], arrivals: &Arrivals) -> String {
    let names = spec.reward_names();
    let arrived = arrivals.until(u32::MAX).count();
    let aside: usize = arrivals.set_aside().map(|look| look.prompts.len()).sum();
    let mut head = format!("{} arrived", count(arrived as u64, "prompt"));
    if aside > 0 {
        let _ = write!(head, ", {} more are set aside", count(aside as u64, "prompt"));
    }
    let on_arrivals = names.iter().map(|name| format!("{name}*"));
    let heading = ["run", "version", "state", "drifts", "epochs", "arrived", "made"].map(str::to_owned).into_iter();
    let mut table = Table::new(heading.chain(names.iter().cloned()).chain(on_arrivals));
    let (now, mut alarms) = (unix_now(), String::new());
    for (run, versions) in histories {
        for (version, standing) in &versions.all() {
            let gain = |gains: &[VersionGain], name: &String| {
                gains.iter().find(|gain| gain.name == *name).map_or_else(|| "–".to_owned(), shown)
            };
            let own = names.iter().map(|name| gain(&version.rewards, name));
            let others = names.iter().map(|name| gain(&version.on_arrivals, name));
            let cells = [
                run.to_string(),
                version.number.to_string(),
                standing.name().to_owned(),
                drifts(version),
                version.after_epoch.to_string(),
                version.arrived.to_string(),
                format!("{} ago", age(now.saturating_sub(version.made))),
            ];
            table.row(cells.into_iter().chain(own).chain(others));
        }
        if let Some((version, _)) = versions.all().last() {
            for alarm in &version.alarms {
                let _ = writeln!(alarms, "{run} {}: {}", version.number, alarm.message);
            }
        }
    }
    let released = shell::line([&layout.root().join("released").display().to_string()]);
    let mut text = format!("{head}; what is released is in {released}\n\n{}", table.render_with_left(4));
    if !alarms.is_empty() {
        let _ = write!(text, "\nWhat drifts at the newest version of each run (--json has all):\n{alarms}");
    }
    text + "\nGains over the base with half the width of their 95 % intervals: on the reference, and with * on the prompts that arrived last.\n"
}

/// Returns what drifts in a version, each kind of alarm once.
fn drifts(version: &Version) -> String {
    let mut kinds: Vec<&str> = version.alarms.iter().map(|alarm| alarm.kind.name()).collect();
    kinds.dedup();
    if kinds.is_empty() { "–".to_owned() } else { kinds.join(", ") }
}

/// Returns a gain with half the width of its interval, where both ends are known.
fn shown(gain: &VersionGain) -> String {
    match (gain.lo, gain.hi) {
        (Some(lo), Some(hi)) => format!("{:+.3} ± {:.3}", gain.mean, (hi - lo) / 2.0),
        _ => format!("{:+.3}", gain.mean),
    }
}

fn as_json(layout: &Layout, histories: &[(RunId, Versions)], arrivals: &Arrivals) -> Value {
    let looks = arrivals
        .looks()
        .map(|look| json!({ "after_epoch": look.after_epoch, "prompts": look.prompts.len(), "refused": look.refused }));
    let mut versions = Vec::new();
    for (run, history) in histories {
        for (version, standing) in history.all() {
            let mut value = json!(version);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("run".into(), json!(run));
                fields.insert("state".into(), json!(standing.name()));
                fields.insert("folder".into(), json!(layout.version_dir(run, version.number)));
            }
            versions.push(value);
        }
    }
    json!({ "format": 1, "looks": looks.collect::<Vec<_>>(), "versions": versions })
}
