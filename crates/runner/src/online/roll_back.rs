//! Going back to an earlier version.

use std::fmt::Write as _;
use std::path::Path;

use moa_core::{ExperimentSpec, RunId};
use moa_store::{ADAPTER, Arrivals, Entry, Layout, Leases, MetricStore, RunLog, Standing, Version, Versions, unix_now};

use super::{STATE, copy, release};
use crate::RunnerError;
use crate::adapters::read_adapter;

/// What goes back, and to where.
#[derive(Clone, Copy, Debug)]
pub struct RollBack<'a> {
    /// The results folder.
    pub results: &'a Path,
    /// The experiment in it.
    pub spec: &'a ExperimentSpec,
    /// The version by its number; nothing for the last sound one before the newest.
    pub to: Option<u32>,
    /// The runs; empty for all. Training goes back for all runs together.
    pub runs: &'a [RunId],
    /// Whether training stays where it is, and an earlier adapter is released alone.
    pub releases_alone: bool,
}

/// What has gone back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// Each run, with the version that is released again and its epochs.
    pub runs: Vec<(RunId, u32, u32)>,
    /// Prompts that are set aside, as training went back to before they arrived; nothing where it did not.
    pub set_aside: Option<usize>,
}

/// Releases an earlier version again, and takes training back to it: what arrived since is set aside, and the same sweep goes on from there with
/// what arrives from now on.
///
/// # Errors
/// Says which version there is not, whose training state is gone, and what cannot be read or written; a sweep in the same folder must have ended.
pub fn roll_back(request: &RollBack<'_>) -> Result<RolledBack, RunnerError> {
    let layout = Layout::new(request.results);
    let all: Vec<RunId> = request.spec.weightings().into_iter().map(|(run, _)| run).collect();
    if let Some(unknown) = request.runs.iter().find(|run| !all.contains(run)) {
        let known: Vec<&str> = all.iter().map(RunId::as_str).collect();
        let reason = format!("there is no run `{unknown}`: its runs are {}", known.join(", "));
        return Err(RunnerError::RollBack { folder: request.results.to_owned(), reason });
    }
    let runs: Vec<RunId> = if request.runs.is_empty() { all } else { request.runs.to_vec() };
    // No sweep may work on them meanwhile.
    let leases = Leases::take(&runs.iter().map(|run| layout.lease_file(run)).collect::<Vec<_>>())?;
    let mut histories = Vec::new();
    for run in runs {
        let versions = Versions::read(&layout, &run)?;
        histories.push((run, versions));
    }
    let chosen = choose(request, &layout, &histories)?;
    for ((run, _), version) in histories.iter().zip(&chosen) {
        check(request, &layout, run, version)?;
    }
    let training = !request.releases_alone;
    let set_aside = match chosen.iter().map(|version| version.after_epoch).min() {
        Some(epochs) if training => Some(Arrivals::read(&layout)?.set_aside_since(epochs, &layout)?),
        _ => None,
    };
    let mut gone_back = Vec::new();
    for ((run, versions), version) in histories.iter_mut().zip(&chosen) {
        leases.check()?;
        let folder = layout.version_dir(run, version.number);
        release(&folder, &layout.released_dir(run))?;
        if training {
            copy(&folder.join(STATE), &layout.checkpoint_file(run))?;
            let (mut log, history) = RunLog::open(&layout.log_file(moa_core::PointKind::Trained, run))?;
            if history.is_some_and(|history| history.epochs_done() > version.after_epoch || history.trained.is_some()) {
                log.append(&Entry::BackTo { epoch: version.after_epoch })?;
                log.sync()?;
            }
        }
        versions.roll_back(version.number, unix_now(), training, &layout, run)?;
        gone_back.push((run.clone(), version.number, version.after_epoch));
    }
    if training && layout.metrics_dir().exists() {
        // The index follows the logs.
        let mut store = MetricStore::open(request.results)?;
        gone_back.iter().try_for_each(|(run, ..)| store.remove(run))?;
        store.close()?;
    }
    Ok(RolledBack { runs: gone_back, set_aside })
}

/// Refuses a version whose adapter is not what it was: what others use is not exchanged for that.
fn check(request: &RollBack<'_>, layout: &Layout, run: &RunId, version: &Version) -> Result<(), RunnerError> {
    let folder = layout.version_dir(run, version.number);
    let refused = |what: &str| {
        let reason = format!("{what} ({}): restore it, or name another version by --to", folder.display());
        RunnerError::RollBack { folder: request.results.to_owned(), reason }
    };
    if !folder.join(ADAPTER).is_file() {
        return Err(refused(&format!("the adapter of version {} of `{run}` is gone", version.number)));
    }
    match read_adapter(&folder).map(|adapter| adapter.sha256()) {
        Ok(Ok(sha256)) if sha256 == version.sha256 => Ok(()),
        _ => Err(refused(&format!("the adapter of version {} of `{run}` is damaged", version.number))),
    }
}

/// Returns the version of each run that is gone back to.
fn choose(
    request: &RollBack<'_>,
    layout: &Layout,
    histories: &[(RunId, Versions)],
) -> Result<Vec<Version>, RunnerError> {
    let refused = |reason: String| RunnerError::RollBack { folder: request.results.to_owned(), reason };
    if let Some((run, _)) = histories.iter().find(|(_, versions)| versions.all().is_empty()) {
        return Err(refused(format!("`{run}` has no versions: they are made every online.every epochs of a sweep")));
    }
    let training = !request.releases_alone;
    if training && !request.runs.is_empty() && request.runs.len() < request.spec.weightings().len() {
        let way_out = "training goes back for all runs together, as all see the same prompts: leave the runs out, or give --release-only";
        return Err(refused(way_out.into()));
    }
    // Training is at the same epoch in all runs: what is chosen in the first is looked for in the others.
    let usable = |versions: &Versions, run: &RunId, epochs: u32| -> Option<Version> {
        let all = versions.all();
        let counts = |standing: Standing| standing != Standing::Withdrawn || !training;
        let of_epoch = |(version, standing): &&(&Version, Standing)| version.after_epoch == epochs && counts(*standing);
        let named = all.iter().filter(of_epoch).find(|(version, _)| Some(version.number) == request.to);
        let found = named.or_else(|| all.iter().rfind(of_epoch));
        let found = found.map(|(version, _)| (*version).clone())?;
        (!training || layout.version_dir(run, found.number).join(STATE).is_file()).then_some(found)
    };
    let (first, versions) = histories.first().ok_or_else(|| refused("it has no runs".into()))?;
    let epochs = if let Some(number) = request.to {
        let all = versions.all();
        let Some((version, standing)) = all.iter().find(|(version, _)| version.number == number) else {
            let known: Vec<String> = all.iter().map(|(version, _)| version.number.to_string()).collect();
            return Err(refused(format!("`{first}` has no version {number}: it has {}", known.join(", "))));
        };
        if training && *standing == Standing::Withdrawn {
            return Err(refused(format!(
                "version {number} was taken back before: training cannot go on from it; --release-only releases it"
            )));
        }
        version.after_epoch
    } else {
        let stand: Vec<u32> = versions
            .all()
            .into_iter()
            .filter(|(_, standing)| *standing != Standing::Withdrawn)
            .map(|(version, _)| version.after_epoch)
            .collect();
        let is_sound = |epochs: &u32| {
            let sound = |(run, versions): &(RunId, Versions)| {
                usable(versions, run, *epochs).is_some_and(|version| version.is_sound())
            };
            histories.iter().all(sound)
        };
        let (_, before) = stand.split_last().unwrap_or((&0, &[]));
        before.iter().rev().copied().find(is_sound).ok_or_else(|| {
            refused(format!(
                "no version before the newest is sound in all runs{}: name one by --to",
                if training { " and has its training state" } else { "" }
            ))
        })?
    };
    let mut chosen = Vec::new();
    for (run, versions) in histories {
        let Some(version) = usable(versions, run, epochs) else {
            let mut reason = format!("`{run}` has no version of epoch {epochs} that training could go on from");
            let with: Vec<String> = versions
                .all()
                .iter()
                .filter(|(version, standing)| {
                    *standing != Standing::Withdrawn && layout.version_dir(run, version.number).join(STATE).is_file()
                })
                .map(|(version, _)| version.number.to_string())
                .collect();
            let _ = write!(
                reason,
                ": the training state is kept of {}; --release-only releases others",
                if with.is_empty() { "none".to_owned() } else { format!("version {}", with.join(", ")) }
            );
            return Err(refused(reason));
        };
        chosen.push(version);
    }
    Ok(chosen)
}
