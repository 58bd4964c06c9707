//! The base after fine-tuning that erases what should not be drawn, as a victim of attacks.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use moa_analysis::attack::FOLDER;
use moa_core::experiment::BaseName;
use moa_core::{ExperimentSpec, PointKind, RunId};
use moa_store::{ADAPTER, ADAPTER_CONFIG, LEASE, Leases, write_atomically, write_where_other};
use moa_train::{Erasure, ErasureSetup};

use super::{DefenceSpec, VictimSpec};
use crate::{Models, RunnerError};

/// What is to be erased from the base.
#[derive(Clone, Copy)]
pub struct ErasureRequest<'a> {
    /// The experiment as it is kept.
    pub spec: &'a ExperimentSpec,
    /// Its models.
    pub models: &'a Models,
    /// Its results folder.
    pub results: &'a Path,
    /// Prompts that name what is erased, e.g. `a knife`.
    pub concepts: &'a [String],
    /// How far predictions are led away from it, η of ESD.
    pub strength: f32,
    /// Steps of the optimiser.
    pub steps: u32,
    /// Threads that train; the adapter does not depend on it.
    pub workers: usize,
    /// Whether what was erased with other settings is replaced.
    pub replaces: bool,
    /// Set it to stop after the step at hand.
    pub stop: &'a AtomicBool,
}

/// The state of an erasure in its victim's folder; it stays when that is finished.
const STATE: &str = "erasure.bin";
/// Steps from one state that is kept to the next.
const EVERY: u32 = 25;

/// Returns the base with an adapter that has learned to do without what is named (Gandikota et al., 2303.07345). Its state is kept beside the
/// attacks on it: nothing is done twice, and what was stopped goes on. The finished adapter is written there, too.
///
/// - `progress`: is told the share of the steps that is done
///
/// # Errors
/// [`RunnerError::Stopped`] when it was asked to stop; [`moa_store::StoreError::Owned`] where another process erases or attacks the same;
/// [`RunnerError::OtherAttack`] where other settings were erased by; and what cannot be trained, read or written.
pub fn erase(request: &ErasureRequest<'_>, progress: &dyn Fn(f64)) -> Result<VictimSpec, RunnerError> {
    let name = format!("{}~erased-{}", RunId::BASE, request.steps);
    let folder = request.results.join(FOLDER).join(&name);
    let leases = Leases::take(&[folder.join(LEASE)])?;
    let (path, facts) = (folder.join(STATE), facts(request));
    let setup = ErasureSetup {
        pipeline: &request.models.pipeline,
        spec: request.spec,
        concepts: request.concepts,
        strength: request.strength,
        workers: request.workers,
    };
    let mut erasure = Erasure::new(setup).map_err(RunnerError::Train)?;
    if let Some(bytes) = kept(&path, &facts, request.replaces)? {
        erasure.restore(&bytes).map_err(|error| unreadable(&path, &error))?;
    }
    while erasure.done() < request.steps {
        let is_stopped = request.stop.load(Ordering::Relaxed);
        if !is_stopped {
            erasure.step().map_err(RunnerError::Train)?;
            progress(f64::from(erasure.done()) / f64::from(request.steps));
        }
        if is_stopped || erasure.done().is_multiple_of(EVERY) || erasure.done() == request.steps {
            leases.check()?;
            write_atomically(&path, &erasure.state(&facts).map_err(RunnerError::Train)?)?;
        }
        if is_stopped {
            return Err(RunnerError::Stopped);
        }
    }
    let adapter = erasure.adapter();
    let bytes = adapter.to_safetensors(None).map_err(|source| RunnerError::Adapter { run: name.clone(), source })?;
    write_where_other(&folder.join(ADAPTER), &bytes)?;
    let config = adapter.to_config(&BaseName::of(&request.spec.base).for_others());
    write_where_other(&folder.join(ADAPTER_CONFIG), config.as_bytes())?;
    let kind = format!("{}, erased", PointKind::Base.name());
    Ok(VictimSpec { name, kind, adapter: Some(adapter), defence: DefenceSpec::None })
}

/// Returns the state that is kept, where it is of the same facts; nothing where there is none, or another that is to be replaced.
fn kept(path: &PathBuf, facts: &BTreeMap<String, String>, replaces: bool) -> Result<Option<Vec<u8>>, RunnerError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let there = match Erasure::facts_of(&bytes) {
        Ok(there) => there,
        Err(_) if replaces => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if there == *facts {
        return Ok(Some(bytes));
    }
    if replaces {
        return Ok(None);
    }
    let differs = facts.iter().find(|(name, here)| there.get(*name) != Some(here));
    let what = differs.map_or_else(
        || "other settings".to_owned(),
        |(name, here)| format!("{name} {}, {here} here", there.get(name).map_or("unknown", String::as_str)),
    );
    Err(RunnerError::OtherAttack { path: path.clone(), what })
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> RunnerError {
    RunnerError::Read { path: path.to_owned(), reason: error.to_string() }
}

/// Returns all that the adapter depends on.
fn facts(request: &ErasureRequest<'_>) -> BTreeMap<String, String> {
    let spec = request.spec;
    let facts = [
        ("base", request.models.sha256.get("base").cloned().unwrap_or_else(|| spec.base.clone())),
        ("concepts", format!("{:?}", request.concepts)),
        ("lora", format!("{:?}", spec.lora)),
        ("micro_batch", spec.training.micro_batch.to_string()),
        ("optimiser", format!("{:?}", spec.optimiser)),
        ("precision", format!("{:?}", spec.precision)),
        ("sampler", format!("{:?}", spec.sampler)),
        ("seed", spec.seed.to_string()),
        ("steps", request.steps.to_string()),
        ("strength", request.strength.to_string()),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
