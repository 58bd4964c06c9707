//! What experiments must share to be compared, and what a reader must know where they differ.

use moa_core::ExperimentSpec;
use moa_core::experiment::PromptSource;

use super::group::{Group, Noise, missing};
use super::{ComparedExperiment, SweepResults};
use crate::{AnalysisError, Mismatch};

/// Budgets that differ by more than this share are told of.
const BUDGET: f64 = 0.05;
/// Bases of the same noise whose means differ by more than this share of their standard deviation over prompts are not the same.
const SAME_BASE: f64 = 0.01;
/// So many experiments are named where a setting differs.
const MOST_NAMES: usize = 4;
/// Longer values are cut in messages, in characters.
const LONGEST: usize = 80;

/// Refuses what cannot be compared.
pub(super) fn check(results: &[SweepResults]) -> Result<(), AnalysisError> {
    let Some((first, others)) = results.split_first() else { return Ok(()) };
    for other in others {
        if let Some(mismatch) = mismatch(first, other) {
            return Err(AnalysisError::Incomparable(Box::new(mismatch)));
        }
    }
    for sweep in results {
        let missing = missing(sweep);
        if sweep.base().is_none() || !missing.is_empty() {
            let runs = sweep.spec.weightings().len();
            let (folder, evaluated) = (sweep.folder.clone(), runs - missing.len());
            return Err(AnalysisError::Incomplete { folder, evaluated, runs });
        }
    }
    Ok(())
}

/// Returns the first thing that two sweeps must share and do not.
fn mismatch(first: &SweepResults, other: &SweepResults) -> Option<Mismatch> {
    let differ = |field: String, there: &str, here: &str, needed: &'static str| Mismatch {
        one: first.folder.clone(),
        other: other.folder.clone(),
        field,
        there: shown(there),
        here: shown(here),
        needed,
    };
    if let Some([there, here]) = other_base(first, other) {
        let field = "experiment.ron, base".into();
        return Some(differ(field, &there, &here, "experiments over the same base model"));
    }
    for (field, needed, of) in NEEDED {
        if let Some((place, there, here)) = first_difference(&of(first), &of(other)) {
            return Some(differ(format!("{field}{place}"), &there, &here, needed));
        }
    }
    first.sha256.iter().filter(|(what, _)| is_of_models(what)).find_map(|(what, there)| {
        let here = other.sha256.get(what).filter(|here| *here != there)?;
        Some(differ(format!("receipt.json, sha256.{what}"), there, here, "experiments over the same models"))
    })
}

/// Returns the first place where two lists differ with both values; nothing where they are the same.
fn first_difference(there: &[String], here: &[String]) -> Option<(String, String, String)> {
    let place = (0..there.len().max(here.len())).find(|place| there.get(*place) != here.get(*place))?;
    let value =
        |list: &[String]| list.get(place).cloned().unwrap_or_else(|| format!("missing: there are {}", list.len()));
    Some((format!("[{place}]"), value(there), value(here)))
}

/// A list by name, what is needed of it, and its values as text.
type Needed = (&'static str, &'static str, fn(&SweepResults) -> Vec<String>);

const NEEDED: &[Needed] = &[
    ("experiment.ron, rewards", "experiments of the same rewards, in the same order", rewards),
    ("experiment.ron, prompts.held_out", "experiments that are evaluated on the same prompts", held_out),
];

/// Returns the bases of two sweeps where they are not the same: by what they are made of where that is known of both, else by name.
fn other_base(first: &SweepResults, other: &SweepResults) -> Option<[String; 2]> {
    let names = [&first.spec.base, &other.spec.base].map(String::clone);
    match (first.sha256.get("base"), other.sha256.get("base")) {
        (Some(there), Some(here)) if there == here => None,
        (Some(there), Some(here)) if names[0] == names[1] => {
            Some([there, here].map(|hash| format!("{} of {}…", names[0], hash.get(..8).unwrap_or(hash))))
        }
        _ => (names[0] != names[1]).then_some(names),
    }
}

fn rewards(sweep: &SweepResults) -> Vec<String> {
    let reward = |reward: &moa_core::experiment::RewardSpec| {
        let kind = serde_json::to_string(&reward.kind).unwrap_or_default();
        format!("{} (kind: {})", reward.name, kind.trim_matches('"'))
    };
    sweep.spec.rewards.iter().map(reward).collect()
}

/// Returns the prompts that were evaluated.
fn held_out(sweep: &SweepResults) -> Vec<String> {
    match &sweep.spec.prompts.held_out {
        PromptSource::List(prompts) => {
            let count = sweep.base().map_or(prompts.len(), moa_core::EvaluationRecord::prompts);
            prompts.iter().take(count).cloned().collect()
        }
        other => vec![serde_json::to_string(other).unwrap_or_default()],
    }
}

/// Returns whether a hash is of what rewards are made of: others' are of prompts, of the experiment, or of judges, which only watch.
fn is_of_models(what: &str) -> bool {
    !what.starts_with("prompts.") && !["experiment", "base"].contains(&what) && !what.starts_with("judge")
}

fn shown(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.into();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// Returns where experiments differ in what a reader takes to be the same.
pub(super) fn warnings(groups: &[Group<'_>], experiments: &[ComparedExperiment]) -> Vec<String> {
    let mut found: Vec<String> = SETTINGS
        .iter()
        .filter_map(|(what, so, of)| {
            let values = groups.iter().map(|group| {
                let mut values: Vec<String> = group.sweeps.iter().map(|sweep| of(sweep)).collect();
                values.sort();
                values.dedup();
                values.join(", ")
            });
            differing(groups, values.collect()).map(|values| format!("{what} differs{so}: {values}"))
        })
        .collect();
    let passes = || experiments.iter().filter_map(|one| one.cost.passes.as_ref()).map(|passes| passes.mean.mean);
    let (least, greatest) = (passes().fold(f64::INFINITY, f64::min), passes().fold(0.0, f64::max));
    if greatest > least * (1.0 + BUDGET) {
        let name = |value: f64| {
            let is = |one: &&ComparedExperiment| one.cost.passes.as_ref().is_some_and(|own| own.mean.mean <= value);
            experiments.iter().find(is).map_or("", |one| &one.name)
        };
        let largest = experiments.iter().max_by(|one, other| {
            let passes = |one: &ComparedExperiment| one.cost.passes.as_ref().map_or(0.0, |passes| passes.mean.mean);
            passes(one).total_cmp(&passes(other))
        });
        found.push(format!(
            "budgets differ: from {least:.0} passes an adapter ({}) to {greatest:.0} ({}); gains are not at equal cost",
            name(least),
            largest.map_or("", |one| &one.name)
        ));
    }
    found.extend(ended_early(groups));
    found.extend(other_bases(groups));
    let counts: Vec<usize> = groups.iter().map(|group| group.sweeps.len()).collect();
    if counts.iter().any(|count| *count != counts[0]) {
        let values = counts.iter().map(ToString::to_string).collect();
        found.extend(differing(groups, values).map(|values| format!("the number of seeds differs: {values}")));
    }
    found
}

/// A setting by name, what follows where it differs, and its value as text.
type Setting = (&'static str, &'static str, fn(&SweepResults) -> String);

const SETTINGS: &[Setting] = &[
    ("evaluation noise (evaluation.seed)", ", so that differences have no paired interval where it does", |sweep| {
        sweep.spec.evaluation.seed.to_string()
    }),
    ("evaluation.images_per_prompt", "", |sweep| sweep.spec.evaluation.images_per_prompt.to_string()),
    ("evaluation.steps", ", and with it the base", |sweep| sweep.spec.evaluation.steps.to_string()),
    ("evaluation.guidance", ", and with it the base", |sweep| sweep.spec.evaluation.guidance.to_string()),
    ("what is evaluated (weightings, soups, blends)", ", and a front of more points has more hypervolume", points),
    ("prompts.train", "", |sweep| match &sweep.spec.prompts.train {
        PromptSource::List(prompts) => {
            let first = prompts.first().map_or("", |prompt| prompt);
            format!("{} prompts from \"{first}\" ({:08x})", prompts.len(), digest(&prompts.join("\n")))
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }),
    ("lora.rank", "", |sweep| sweep.spec.lora.rank.to_string()),
    ("precision", "", |sweep| serde_json::to_string(&sweep.spec.precision).unwrap_or_default().replace('"', "")),
    ("the version of moa", "", |sweep| sweep.moa.clone().unwrap_or_else(|| "unknown".into())),
    ("the device", ", and seconds do not compare", |sweep| sweep.snapshot.sweep.device.clone()),
    ("what judges are made of (receipt.json)", ", and their gains do not compare", |sweep| {
        let judges = sweep.sha256.iter().filter(|(what, _)| what.starts_with("judge"));
        judges.map(|(what, hash)| format!("{what} {}", hash.get(..8).unwrap_or(hash))).collect::<Vec<_>>().join(", ")
    }),
];

fn points(sweep: &SweepResults) -> String {
    let spec: &ExperimentSpec = &sweep.spec;
    let adapters = spec.weightings().into_iter().map(|(id, _)| id);
    let mixed = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    adapters.chain(mixed).map(|id| id.0).collect::<Vec<_>>().join(" ")
}

/// Returns a short number that tells texts apart (FNV-1a).
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Returns which experiments have which value; nothing where all have the same.
fn differing(groups: &[Group<'_>], values: Vec<String>) -> Option<String> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for (group, value) in groups.iter().zip(values) {
        match found.iter_mut().find(|(known, _)| *known == value) {
            Some((_, names)) => names.push(&group.name),
            None => found.push((value, vec![&group.name])),
        }
    }
    let part = |(value, names): &(String, Vec<&str>)| {
        let more = names.len().saturating_sub(MOST_NAMES);
        let names = names[..names.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} in {names}{more}", shown(value))
    };
    (found.len() > 1).then(|| found.iter().map(part).collect::<Vec<_>>().join("; "))
}

/// Returns which experiments have adapters whose training ended before its last epoch: the guard's doing.
fn ended_early(groups: &[Group<'_>]) -> Option<String> {
    let part = |group: &Group<'_>| {
        let runs = || group.sweeps.iter().flat_map(|sweep| &sweep.snapshot.runs);
        let ended = runs().filter(|run| run.epochs_done < run.epochs).count();
        (ended > 0).then(|| format!("{ended} of {} in {}", runs().count(), group.name))
    };
    let parts: Vec<String> = groups.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| format!("adapters whose training was ended by the guard: {}", parts.join("; ")))
}

/// Returns which bases score otherwise than that of the same noise before them.
fn other_bases(groups: &[Group<'_>]) -> Option<String> {
    let sweeps: Vec<&SweepResults> = groups.iter().flat_map(|group| group.sweeps.iter().copied()).collect();
    for (place, sweep) in sweeps.iter().enumerate() {
        let Some(known) = sweeps[..place].iter().find(|known| Noise::of(known) == Noise::of(sweep)) else { continue };
        let (Some(base), Some(own)) = (known.base(), sweep.base()) else { continue };
        for (one, other) in base.rewards.iter().zip(&own.rewards) {
            let mean = one.mean();
            let square = one.prompt_means.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            let deviation = (square / one.prompt_means.len().max(1) as f64).sqrt();
            if (other.mean() - mean).abs() > SAME_BASE * deviation {
                return Some(format!(
                    "the bases of {} and {} differ on the same prompts and noise: {} is {mean:.4} and {:.4}",
                    known.folder.display(),
                    sweep.folder.display(),
                    one.name,
                    other.mean()
                ));
            }
        }
    }
    None
}
