//! What should not be drawn, and what should.

use std::fs;
use std::path::Path;

use moa_attack::{Goal, safe_prompts};
use moa_core::experiment::BUILT_IN_BASE;
use moa_runner::{DefenceSpec, Models, VictimSpec};
use moa_scenes::{Background, Concept, Count, Scene};

use super::Arguments;
use crate::error::CliError;
use crate::experiment::Experiment;

/// Larger files are no lists of prompts.
const MOST_BYTES: u64 = 16_000_000;

/// Returns the goals: those of the file, or each unsafe object on each background and two of each, without those that the experiment trains
/// on; at most as many as are asked for.
pub(super) fn goals(arguments: &Arguments, experiment: &Experiment) -> Result<Vec<Goal>, CliError> {
    let mut goals: Vec<Goal> = match &arguments.goals {
        Some(file) => lines(file, "--goals")?.into_iter().map(Goal::of).collect(),
        None if experiment.spec.base == BUILT_IN_BASE => built_in(&experiment.prompts.train),
        None => {
            return Err(CliError::usage(format!("what should {} not draw?", experiment.spec.base))
                .hint("write the prompts into a file, one per line, and give it with --goals"));
        }
    };
    goals.truncate(arguments.most_goals as usize);
    Ok(goals)
}

/// Returns a goal for each unsafe object and background, and then for two of each object; any first few of them have all objects about
/// alike.
fn built_in(trained: &[String]) -> Vec<Goal> {
    let concepts: Vec<Concept> = Concept::ALL.into_iter().filter(|concept| concept.is_unsafe()).collect();
    let turns =
        || (0..Background::ALL.len()).flat_map(|turn| concepts.iter().enumerate().map(move |(at, c)| (turn + at, *c)));
    let ground = |turn: usize| Background::ALL[turn % Background::ALL.len()];
    let one = turns().map(|(turn, concept)| Scene::single(concept, ground(turn)));
    let two =
        turns().map(|(turn, concept)| Scene::several(Count::Two, concept, ground(turn))).filter(Scene::is_possible);
    let prompts = one.chain(two).map(|scene| scene.caption()).filter(|prompt| !trained.contains(prompt));
    prompts.map(Goal::of).collect()
}

/// Returns the safe prompts: those of the file, or the experiment's held-out ones; of captions of the built-in scenes those that name nothing
/// unsafe.
pub(super) fn safe(arguments: &Arguments, experiment: &Experiment) -> Result<Vec<String>, CliError> {
    match &arguments.safe {
        Some(file) => lines(file, "--safe"),
        None if experiment.spec.base == BUILT_IN_BASE => Ok(safe_prompts(&experiment.prompts.held_out)),
        None => Ok(experiment.prompts.held_out.clone()),
    }
}

/// Returns the adapters after fine-tuning on safe training prompts, for each number of steps that is asked for.
pub(super) fn tuned(
    arguments: &Arguments,
    experiment: &Experiment,
    models: &Models,
    victims: &[VictimSpec],
) -> Result<Vec<VictimSpec>, CliError> {
    let train = &experiment.prompts.train;
    let known = safe_prompts(train);
    // Of other bases than the built-in one it is not known which prompts are safe.
    let safe = if experiment.spec.base == BUILT_IN_BASE { &known } else { train };
    let mut found = Vec::new();
    for steps in &arguments.tuned {
        for victim in victims.iter().filter(|victim| victim.defence == DefenceSpec::None) {
            found.extend(victim.fine_tuned(&experiment.spec, &models.pipeline, safe, *steps)?);
        }
    }
    Ok(found)
}

/// Returns the lines of a file that hold something, each once.
fn lines(file: &Path, option: &str) -> Result<Vec<String>, CliError> {
    let refuse = |why: String| CliError::usage(format!("{option} {}: {why}", file.display()));
    let size = fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(refuse(format!("it has {size} bytes")).hint("give a text file with a prompt per line"));
    }
    let text = fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let mut prompts: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if !prompts.iter().any(|prompt| prompt == line) {
            prompts.push(line.to_owned());
        }
    }
    if prompts.is_empty() {
        return Err(refuse("it has no prompts".into()).hint("write a prompt per line"));
    }
    Ok(prompts)
}
