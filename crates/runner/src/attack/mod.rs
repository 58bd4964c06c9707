//! Attacks on base, adapters and soups: what makes them draw what they should not, and what they make of safe prompts.
//!
//! Each attack on each point is a file of its own in the results, a line for each goal. A line is written when the goal is done, and what is
//! there is not done again: stopped at any moment, the same request goes on and ends with the same files.

mod erased;
mod log;
mod safe;
mod victims;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use moa_analysis::attack::{FOLDER, FORMAT, GoalOutcome, Head, LevelOutcome, SAFE};
use moa_attack::{Access, Attack, AttackKind, Attempt, Eye, Found, Goal, Siege, SiegeSetup, Victim, Witness, verify};
use moa_core::experiment::Prompts;
use moa_core::{ExperimentSpec, NoiseKey, PointKind, RunId};
use moa_store::{ADAPTER, LEASE, Layout, Leases};
use rayon::prelude::*;

pub use erased::{ErasureRequest, erase};
pub use victims::{DefenceSpec, VictimSpec, victims};

use self::log::Log;
use crate::evaluation::short_hash_in;
use crate::{Models, RunnerError};

/// Whose eyes look at images.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    /// The attacker's.
    pub attacker: &'a dyn Eye,
    /// That which decides, and that nothing was trained or attacked on.
    pub judge: &'a dyn Eye,
    /// That of a filter in front of users.
    pub filter: &'a dyn Eye,
    /// What they are, for the record.
    pub name: &'a str,
}

/// What to attack, and how.
pub struct AttackRequest<'a> {
    /// The experiment as it is kept.
    pub spec: &'a ExperimentSpec,
    /// Its prompts.
    pub prompts: &'a Prompts,
    /// Its models.
    pub models: &'a Models,
    /// Its results folder.
    pub results: &'a Path,
    /// Whose eyes look.
    pub eyes: Eyes<'a>,
    /// What is attacked.
    pub victims: &'a [VictimSpec],
    /// The attacks.
    pub attacks: &'a [AttackKind],
    /// What should not be drawn.
    pub goals: &'a [Goal],
    /// What should be.
    pub safe: &'a [String],
    /// Passes through the denoiser that an attacker may spend on a goal.
    pub budget: u64,
    /// Images that decide on each attempt, and images of each safe prompt.
    pub images: u32,
    /// Names all noise.
    pub seed: u64,
    /// Words that prompts may not have, lower case.
    pub blocked: &'a [String],
    /// Goals that are attacked beside each other; outcomes do not depend on it.
    pub workers: usize,
    /// Whether what was made with other settings is replaced.
    pub replaces: bool,
    /// Set it to stop after the image at hand.
    pub stop: &'a AtomicBool,
}

/// Levels of the budget at which success is looked at, as parts of it.
const LEVELS: [u64; 4] = [8, 4, 2, 1];

/// Makes what is missing of a request; `progress` is told the share that is there.
///
/// # Errors
/// [`RunnerError::Stopped`] when it was asked to stop; [`moa_store::StoreError::Owned`] where another process attacks the same;
/// [`RunnerError::OtherAttack`] where files are of other settings; and what cannot be read, drawn or written. What was finished before stays.
pub fn attack(request: &AttackRequest<'_>, progress: &dyn Fn(f64)) -> Result<(), RunnerError> {
    let vocabulary = vocabulary(request.prompts);
    let each = request.attacks.len() * request.goals.len() + request.safe.len();
    let all = (request.victims.len() * each).max(1) as f64;
    let mut done = 0;
    for spec in request.victims {
        let victim = spec.open(request)?;
        let digests = Digests { victim: spec.digest()?, adapter: adapter_of(request.results, &spec.name)? };
        let folder = request.results.join(FOLDER).join(&spec.name);
        // Another process would write the same lines.
        let leases = Leases::take(&[folder.join(LEASE)])?;
        if !request.safe.is_empty() {
            let head = head(request, spec, &digests, SAFE, "black box", 0);
            let log = Log::open(&folder.join(format!("{SAFE}.jsonl")), &head, request.replaces)?;
            safe::outcomes(request, spec, &victim, log, &mut |prompts| progress((done + prompts) as f64 / all))?;
            done += request.safe.len();
        }
        for kind in request.attacks {
            let attack = kind.attack();
            let head = head(request, spec, &digests, attack.name(), access(&*attack), request.budget);
            let mut log = Log::open(&folder.join(format!("{}.jsonl", attack.name())), &head, request.replaces)?;
            let known: Vec<String> = log.read::<GoalOutcome>()?.into_iter().map(|outcome| outcome.goal).collect();
            let open: Vec<&Goal> = request.goals.iter().filter(|goal| !known.contains(&goal.prompt)).collect();
            done += request.goals.len() - open.len();
            for together in open.chunks(request.workers.max(1)) {
                let outcomes: Result<Vec<GoalOutcome>, moa_attack::AttackError> =
                    together.par_iter().map(|goal| outcome(request, &victim, &*attack, goal, &vocabulary)).collect();
                let outcomes = outcomes.map_err(|error| RunnerError::attacking(&spec.name, error))?;
                leases.check()?;
                outcomes.iter().try_for_each(|outcome| log.append(outcome))?;
                done += together.len();
                progress(done as f64 / all);
                if request.stop.load(Ordering::Relaxed) {
                    return Err(RunnerError::Stopped);
                }
            }
        }
    }
    Ok(())
}

fn access(attack: &dyn Attack) -> &'static str {
    match attack.access() {
        Access::BlackBox => "black box",
        Access::WhiteBox => "white box",
    }
}

/// Attacks a victim for one goal, and has decided what was found by each level of the budget.
fn outcome(
    request: &AttackRequest<'_>,
    victim: &Victim<'_>,
    attack: &dyn Attack,
    goal: &Goal,
    vocabulary: &[String],
) -> Result<GoalOutcome, moa_attack::AttackError> {
    // The same noise for every victim.
    let key = NoiseKey::new(request.seed).named("attack").named(&goal.prompt);
    let mut siege = Siege::new(SiegeSetup {
        victim,
        eye: request.eyes.attacker,
        goal,
        blocked: request.blocked,
        vocabulary,
        budget: request.budget,
        key: key.named(attack.name()),
        stop: Some(request.stop),
    });
    attack.run(&mut siege)?;
    let found = siege.into_found();
    let witness = Witness { eye: request.eyes.judge, images: request.images as usize, key: key.named("verify") };
    let mut levels: Vec<LevelOutcome> = Vec::new();
    let mut last: Option<(usize, LevelOutcome)> = None;
    for part in LEVELS {
        let passes = request.budget / part;
        let Some(place) = found.iter().rposition(|found| found.passes <= passes) else {
            levels.push(LevelOutcome { passes, prompt: None, images: Vec::new() });
            continue;
        };
        let level = match last.take() {
            Some((same, level)) if same == place => LevelOutcome { passes, ..level },
            _ => decided(victim, goal, &found[place], passes, &witness)?,
        };
        levels.push(level.clone());
        last = Some((place, level));
    }
    Ok(GoalOutcome { goal: goal.prompt.clone(), concept: goal.concept(), levels })
}

fn decided(
    victim: &Victim<'_>,
    goal: &Goal,
    found: &Found,
    passes: u64,
    witness: &Witness<'_>,
) -> Result<LevelOutcome, moa_attack::AttackError> {
    let verified = verify(victim, goal, &found.attempt, witness)?;
    let prompt = match &found.attempt {
        Attempt::Prompt(prompt) | Attempt::Noise(prompt, _) => Some(prompt.clone()),
        Attempt::Context(_) => None,
    };
    let images = verified.looks.iter().map(|look| look.map(|look| [look.harm, look.asked])).collect();
    Ok(LevelOutcome { passes, prompt, images })
}

/// Returns the words that edits of prompts draw from: those of the experiment's prompts, sorted.
pub(crate) fn vocabulary(prompts: &Prompts) -> Vec<String> {
    let words = prompts.train.iter().chain(&prompts.held_out).flat_map(|prompt| prompt.split_whitespace());
    let trimmed = words.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
    let mut words: Vec<String> = trimmed.filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// What tells a victim from others.
struct Digests {
    /// Of adapter and defence.
    victim: String,
    /// Of the adapter in the folder of the point that it is, or was made of; empty of the base.
    adapter: String,
}

/// Returns the digest of the adapter in the folder of the point that a victim is, or was made of.
fn adapter_of(results: &Path, victim: &str) -> Result<String, RunnerError> {
    let (layout, point) = (Layout::new(results), RunId(victim.split('~').next().unwrap_or_default().to_owned()));
    let folders = [PointKind::Trained, PointKind::Given, PointKind::Soup].map(|kind| layout.point_dir(kind, &point));
    let digest = folders.iter().find(|folder| folder.join(ADAPTER).is_file()).map(|folder| short_hash_in(folder));
    Ok(digest.transpose()?.unwrap_or_default())
}

/// Returns the first line of a file.
fn head(
    request: &AttackRequest<'_>,
    spec: &VictimSpec,
    digests: &Digests,
    attack: &str,
    access: &str,
    budget: u64,
) -> Head {
    let digest = &digests.victim;
    let evaluation = &request.spec.evaluation;
    let facts = format!(
        "{digest} {} {:?} {} {:?} {:?} {}",
        evaluation.steps,
        evaluation.guidance,
        request.eyes.name,
        request.spec.precision,
        request.models.sha256,
        if attack == SAFE { request.safe.join("\n") } else { String::new() }
    );
    Head {
        format: FORMAT,
        victim: spec.name.clone(),
        kind: spec.kind.clone(),
        attack: attack.to_owned(),
        access: access.to_owned(),
        budget,
        images: request.images,
        seed: request.seed,
        blocked: request.blocked.to_vec(),
        facts: format!("{:016x}", NoiseKey::new(0).named(&facts).bits(0)),
        adapter: digests.adapter.clone(),
    }
}
