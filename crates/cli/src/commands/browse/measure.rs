//! Measuring soups, looking for them, and writing them: what `moa merge` does, for the UI.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moa_adapter::Merge;
use moa_analysis::{Placing, Promise, bootstrap, placings, scores};
use moa_core::EvaluationRecord;
use moa_core::experiment::judge_range;
use moa_pareto::{Answer, Constraint, Goal, Measured, Solver, Step, TradeOff};
use moa_runner::{SoupBench, Tasting};
use moa_tui::{Point, Reply, SaveFormat, Sheet};

use super::bench::{Opener, Ready};
use super::figures;
use super::preview::shared;
use crate::commands::merge::FormatName;
use crate::error::CliError;
use crate::outgoing::Outgoing;

/// Mixtures that a search measures at most.
const BUDGET: u64 = 12;
/// Images of each prompt that are kept.
const ROWS: usize = 4;

/// Whether somebody asked to stop measuring.
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
    let bench = bench(&ready)?;
    let tasting = taste(&bench, shares, "measuring", stop, say)?;
    if stop.is_asked() {
        return Ok(Reply::Stopped);
    }
    measured(&bench, root, shares, &tasting)
}

/// Looks for a soup that keeps constraints, as `moa merge` does: a surrogate proposes, measurements confirm, and all bounds
/// hold at once on other prompts, whichever mixture is picked.
///
/// # Errors
/// Says what contradicts itself, or which adapter is missing or damaged.
pub(super) fn solve(
    opener: &Opener,
    root: &Path,
    constraints: Vec<Constraint>,
    goal: Goal,
    stop: &Stop,
    say: &(dyn Fn(Reply) + Sync),
) -> Result<Reply, CliError> {
    let ready = opener.open(root)?;
    let bench = bench(&ready)?;
    let prompts = ready.experiment.prompts.held_out.len();
    let mut known: Vec<(Vec<f64>, EvaluationRecord)> =
        bench.known_records().into_iter().map(|(shares, record)| (shares, record.clone())).collect();
    let measured_so_far = |known: &[(Vec<f64>, EvaluationRecord)]| -> Result<Vec<Measured>, CliError> {
        let records: Vec<&EvaluationRecord> = known.iter().map(|(_, record)| record).collect();
        let promises = bench.promises(&records, prompts)?;
        let point = |((shares, _), promise): (&(Vec<f64>, EvaluationRecord), Promise)| Measured {
            shares: shares.clone(),
            scores: promise.means.iter().chain(&promise.gains).copied().collect(),
        };
        Ok(known.iter().zip(promises).map(point).collect())
    };
    let first = measured_so_far(&known)?;
    let scale = spreads(&first);
    let goal = match goal {
        // Gains over the base are no targets.
        Goal::Nearest(mut target) => {
            target.resize(scale.len(), None);
            Goal::Nearest(target)
        }
        goal @ Goal::Maximise(_) => goal,
    };
    let failed = |error: moa_pareto::ParetoError| CliError::usage(error.to_string());
    let trade_off = TradeOff { constraints, goal, scale, extrapolation: 0.0 };
    let mut solver = Solver::new(trade_off, first).map_err(failed)?;
    let mut count = 0;
    let mut done = false;
    while count < BUDGET {
        let Step::Measure(shares) = solver.step().map_err(failed)? else {
            done = true;
            break;
        };
        count += 1;
        let tasting = taste(&bench, &shares, &format!("looking for shares, mixture {count}"), stop, say)?;
        if stop.is_asked() {
            return Ok(Reply::Stopped);
        }
        say(measured(&bench, root, &shares, &tasting)?);
        known.push((shares, tasting.record));
        solver.tell_all(measured_so_far(&known)?).map_err(failed)?;
    }
    let (met, point) = match solver.answer() {
        Answer::Met(point) => (true, point),
        Answer::NotMet(point) => (false, point),
    };
    let name = bench.name(&point.shares);
    let found = if met {
        format!("{name} keeps what was wanted")
    } else {
        format!("no measured mixture keeps what was wanted; the nearest is {name}")
    };
    let budget = if done { "" } else { ", and the search could go on: ask again" };
    let verdict = format!("{found} ({} measured{budget})", crate::text::count(count, "mixture"));
    Ok(Reply::Solved { root: root.to_path_buf(), shares: point.shares.clone(), met, verdict })
}

/// Writes a soup's adapter where `moa merge` would.
///
/// # Errors
/// Says which adapter is missing or damaged, or what cannot be written.
pub(super) fn save(opener: &Opener, root: &Path, shares: &[f64], format: SaveFormat) -> Result<Reply, CliError> {
    let ready = opener.open(root)?;
    let bench = bench(&ready)?;
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

fn bench(ready: &Ready) -> Result<SoupBench<'_>, CliError> {
    Ok(SoupBench::open(ready.request.clone(), &ready.models, &ready.corners, Merge::default())?)
}

fn taste(
    bench: &SoupBench<'_>,
    shares: &[f64],
    label: &str,
    stop: &Stop,
    say: &(dyn Fn(Reply) + Sync),
) -> Result<Tasting, CliError> {
    let label = format!("{label}: {}", bench.name(shares));
    Ok(bench.taste(shares, &|fraction| {
        if !stop.is_asked() {
            say(Reply::Measuring { label: label.clone(), fraction });
        }
    })?)
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
        rewards: bench.scores(&tasting.record)?.iter().map(figures::score).collect(),
        judges: judges.iter().map(figures::score).collect(),
        placing: places.last().copied().unwrap_or_else(|| Placing::by_means(true)),
        warnings: Vec::new(),
    };
    let images = |prompt: &Vec<_>| prompt.iter().take(ROWS).cloned().filter_map(shared).collect();
    let sheet = Sheet::new(tasting.images.iter().map(images).collect());
    Ok(Reply::Measured { root: root.to_path_buf(), point: Box::new(point), sheet })
}

/// Returns by reward how far apart the measured points are, by which shortfalls are compared.
fn spreads(known: &[Measured]) -> Vec<f64> {
    let objectives = known.first().map_or(0, |point| point.scores.len());
    let spread = |objective: usize| {
        let means = || known.iter().map(|point| point.scores[objective].mean);
        let width = means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
        width.max(1e-3)
    };
    (0..objectives).map(spread).collect()
}
