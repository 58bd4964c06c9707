//! Measuring soups, looking for them, and writing them: what `moa merge` does, for the UI.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moa_adapter::Merge;
use moa_analysis::{AnalysisError, End, Placing, Search, bootstrap, placings, scores};
use moa_core::EvaluationRecord;
use moa_core::experiment::judge_range;
use moa_pareto::{Constraint, Goal};
use moa_runner::{RunnerError, SoupBench, SweepRequest, Tasting};
use moa_tui::{Point, Reply, SaveFormat, Sheet};

use super::bench::{Opener, Ready};
use super::preview::shared;
use crate::commands::merge::FormatName;
use crate::error::CliError;
use crate::outgoing::Outgoing;

/// Mixtures that a search measures at most.
const BUDGET: usize = 12;
/// Images of each prompt that are kept.
const ROWS: usize = 4;

/// Whether a stop of the measurement was requested.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Measures a soup on the held-out prompts, which joins the experiment; one that was measured before is found.
///
/// # Errors
/// Says which adapter is missing or damaged.
pub(super) fn evaluate(
    opener: &Opener,
    root: &Path,
    shares: &[f64],
    stop: &Stop,
    say: &(dyn Fn(Reply) + Sync),
) -> Result<Reply, CliError> {
    let ready = opener.open(root)?;
    let bench = bench(&ready, stop)?;
    let Some(tasting) = taste(&bench, shares, "measuring", stop, say)? else { return Ok(Reply::Stopped) };
    measured(&bench, root, shares, &tasting)
}

/// Looks for a soup that keeps constraints, as `moa merge` does.
///
/// # Errors
/// Says what contradicts itself, or which adapter is missing or damaged.
pub(super) fn solve(
    opener: &Opener,
    root: &Path,
    constraints: &[Constraint],
    goal: Goal,
    stop: &Stop,
    say: &(dyn Fn(Reply) + Sync),
) -> Result<Reply, CliError> {
    let ready = opener.open(root)?;
    let bench = bench(&ready, stop)?;
    let known = bench.known_records().into_iter().map(|(shares, record)| (shares, record.clone())).collect();
    let search = Search {
        spec: bench.spec(),
        base: bench.base().ok_or(AnalysisError::NoBase)?,
        fresh: ready.experiment.prompts.held_out.len(),
        budget: BUDGET,
    };
    let found = search.run(known, constraints.to_vec(), goal, 0.0, |shares, number| {
        let label = format!("searching for shares, mixture {number}");
        let Some(tasting) = taste(&bench, shares, &label, stop, say)? else { return Ok(None) };
        say(measured(&bench, root, shares, &tasting)?);
        Ok::<_, CliError>(Some(tasting.record))
    })?;
    if found.end == End::Stopped {
        return Ok(Reply::Stopped);
    }
    let shares = found.answer.shares.clone();
    let name = bench.name(&shares);
    let verdict = if found.met {
        format!("{name} keeps the constraints")
    } else {
        format!("no measured mixture keeps the constraints; the nearest is {name}")
    };
    let mixtures = crate::text::count(found.measured as u64, "mixture");
    let more = if found.end == End::Budget { "; search again to continue" } else { "" };
    let rewards = bench.spec().reward_names();
    let why = found.why(constraints, &rewards, |shares| bench.name(shares));
    let why = why.first().map_or(String::new(), |why| format!("; {why}"));
    let verdict = format!("{verdict} ({mixtures} measured{more}){why}");
    Ok(Reply::Solved { root: root.to_path_buf(), shares, met: found.met, verdict })
}

/// Writes a soup's adapter where `moa merge` would.
///
/// # Errors
/// Says which adapter is missing or damaged, or what cannot be written.
pub(super) fn save(opener: &Opener, root: &Path, shares: &[f64], format: SaveFormat) -> Result<Reply, CliError> {
    let ready = opener.open(root)?;
    let bench = bench(&ready, &Stop::default())?;
    let format = match format {
        SaveFormat::Peft => FormatName::Peft,
        SaveFormat::Diffusers => FormatName::Diffusers,
        SaveFormat::Kohya => FormatName::Kohya,
    };
    let (adapter, provenance) = bench.merge(shares)?;
    let (formats, base) = ([format.format()], &ready.experiment.spec.base);
    let outgoing =
        Outgoing { adapter: &adapter, provenance: &provenance, base, formats: &formats, draw: None, worth: None };
    let folder = outgoing.free(root.join("merged").join(bench.name(shares)))?;
    outgoing.write(&folder, false)?;
    Ok(Reply::Saved(folder))
}

fn bench<'a>(ready: &'a Ready, stop: &Stop) -> Result<SoupBench<'a>, CliError> {
    let request = SweepRequest { stop: Arc::clone(&stop.0), ..ready.request.clone() };
    Ok(SoupBench::open(request, &ready.models, &ready.corners, Merge::default())?)
}

/// Measures a mixture; nothing where it was stopped.
fn taste(
    bench: &SoupBench<'_>,
    shares: &[f64],
    label: &str,
    stop: &Stop,
    say: &(dyn Fn(Reply) + Sync),
) -> Result<Option<Tasting>, CliError> {
    let label = format!("{label}: {}", bench.name(shares));
    let tasting = bench.taste(shares, &|fraction| {
        if !stop.is_asked() {
            say(Reply::Measuring { label: label.clone(), fraction });
        }
    });
    match tasting {
        Err(RunnerError::Stopped) => Ok(None),
        tasting => Ok(Some(tasting?)),
    }
}

/// Returns a measurement in the UI's form.
fn measured(bench: &SoupBench<'_>, root: &Path, shares: &[f64], tasting: &Tasting) -> Result<Reply, CliError> {
    let base = bench.base().map(|base| &base.judges[..]);
    let judges = scores(&bootstrap(bench.spec()), &tasting.record.judges, base, &judge_range)?;
    let others = bench.evaluations().iter().filter(|known| known.id != tasting.record.id);
    let mut all: Vec<&EvaluationRecord> = others.collect();
    all.push(&tasting.record);
    let places = placings(&bootstrap(bench.spec()), &all)?;
    let point = Point {
        id: tasting.record.id.clone(),
        kind: tasting.record.kind,
        weighting: tasting.record.weighting.clone(),
        shares: Some(shares.to_vec()),
        rewards: bench.scores(&tasting.record)?,
        judges,
        placing: places.last().copied().unwrap_or_else(|| Placing::by_means(true)),
        suspected_hacking: Vec::new(),
        added: tasting.record.added.is_some(),
    };
    let images = |prompt: &Vec<_>| prompt.iter().take(ROWS).cloned().filter_map(shared).collect();
    let sheet = Sheet::new(tasting.images.iter().map(images).collect());
    Ok(Reply::Measured { root: root.to_path_buf(), point: Box::new(point), sheet })
}
