//! `moa attack`: what can be made to draw what it should not.

mod erasing;
mod eyes;
mod goals;
mod plot;
mod table;

use std::path::PathBuf;

use moa_analysis::attack::{AttackLog, AttackReport};
use moa_analysis::bootstrap;
use moa_attack::AttackKind;
use moa_runner::{AttackRequest, DefenceSpec, ErasureRequest, RunnerError, VictimSpec, attack, victims};

use self::eyes::OwnedEyes;
use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::interrupt;
use crate::output::{print, say};
use crate::results;
use crate::suggest::did_you_mean;

/// Attacks base, adapters and soups: says which can be made to draw what they should not, by which prompts, how often.
///
/// Each attack spends a budget of passes through the denoiser on each goal, guided by an eye of its own; what it finds is decided on other
/// noise by a judge that nothing was trained or attacked on, which also checks that the image shows what was asked for. What the models make
/// of safe prompts is measured beside it: safety that draws nothing is none. Everything is kept in the results (attacks/), is not done
/// twice, and goes on where it was stopped.
///
/// This is for testing one's own models. What holds on a small model says nothing of a large one, and an attack that finds nothing proves
/// nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Attacks:
  plain       asks for the goal as it is
  paraphrase  synonyms, misspellings, other languages, templates, added context
  evolution   edits prompts, keeps the edits that come nearer, and edits those
  noise       asks again and again, from other noise
  embedding   exchanges tokens by gradients through the text encoder alone
  gradient    exchanges tokens by gradients through the denoiser
  soft        climbs on embeddings that no text has: an upper bound

Examples:
  moa attack results/my                                  base, adapters and soups, by every attack
  moa attack results/my --victim safety --attack evolution --budget 2000
  moa attack results/my --filter --negative \"a knife, a bomb\"    with defences in front of them, too
  moa attack results/my --erased 200                     the base without unsafe objects, too
  moa attack results/my --block knife --block knives     prompts with these words are refused
  moa attack results/sd --goals goals.txt --safety safety --judge checker
  moa attack results/my --json | jq '.victims[] | {name, attacks}'")]
pub(crate) struct Arguments {
    /// The experiment's results
    #[arg(value_name = "DIR")]
    experiment: PathBuf,

    /// What to attack: base, a run or a soup; may be given several times [default: all of them]
    #[arg(long, value_name = "NAME")]
    victim: Vec<String>,

    /// The attack; may be given several times [default: all]
    #[arg(long, short, value_name = "NAME")]
    attack: Vec<String>,

    /// Passes through the denoiser that an attack may spend on a goal; a backward pass counts as two
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(8..=10_000_000))]
    budget: u64,

    /// What should not be drawn: a file with a prompt per line [default: each unsafe object of the built-in scenes on each
    /// background, then two of each]
    #[arg(long, value_name = "FILE")]
    goals: Option<PathBuf>,

    /// The most goals; intervals by resampling need 64
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most_goals: u32,

    /// Safe prompts that are drawn to see what safety costs: a file with a prompt per line [default: the held-out prompts; with
    /// the built-in base those that name nothing unsafe]
    #[arg(long, value_name = "FILE")]
    safe: Option<PathBuf>,

    /// Images that decide on each attempt, and images of each safe prompt, of which there are two at least
    #[arg(long, short = 'n', value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    images: u32,

    /// A word that prompts may not have, as a filter of words would refuse it; may be given several times
    #[arg(long, value_name = "WORD")]
    block: Vec<String>,

    /// Attack each model behind a filter that withholds unsafe images, too
    #[arg(long)]
    filter: bool,

    /// Attack each model with this negative prompt, too
    #[arg(long, value_name = "TEXT")]
    negative: Option<String>,

    /// The strength of guidance with a negative prompt
    #[arg(long, value_name = "X", default_value_t = 3.0, requires = "negative")]
    guidance: f32,

    /// Attack each adapter at this share of its strength, too; may be given several times
    #[arg(long, value_name = "X")]
    scaled: Vec<f32>,

    /// Attack each adapter after so many steps of fine-tuning on what the base draws of safe training prompts, too; may be given several times
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tuned: Vec<u32>,

    /// Attack the base, too, after so many steps of fine-tuning that erase what should not be drawn; may be given several times
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    erased: Vec<u32>,

    /// What is erased, e.g. "a knife"; may be given several times [default: each unsafe object of the built-in scenes]
    #[arg(long, value_name = "TEXT", requires = "erased")]
    concept: Vec<String>,

    /// How far erasing leads away from what is named; 0 leads to what is drawn without a prompt
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "erased")]
    strength: f32,

    /// With other bases than the built-in one: the reward that guides the attacker, low where an image is unsafe, as NAME<SCORE
    #[arg(long, value_name = "NAME<SCORE")]
    safety: Option<String>,

    /// With other bases: the reward that decides, as NAME<SCORE; not one that anything was trained on
    #[arg(long, value_name = "NAME<SCORE")]
    judge: Option<String>,

    /// With other bases: the reward that says whether an image shows what was asked for, as NAME>SCORE
    #[arg(long, value_name = "NAME>SCORE")]
    asked: Option<String>,

    /// The seed of searches and noise
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Replace what was made with other settings
    #[arg(long)]
    again: bool,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let results = results::find(&arguments.experiment)?;
    if !results::is_experiment(&results) {
        return Err(CliError::usage(format!("{} holds no experiment's results", results.display()))
            .hint("`moa sweep my.ron` makes them; `moa list` shows which there are"));
    }
    let experiment = Experiment::load_kept(&results)?;
    let attacks = attacks(arguments)?;
    let mut chosen = chosen(arguments, victims(&experiment.spec, &results)?)?;
    let goals = goals::goals(arguments, &experiment)?;
    let safe = goals::safe(arguments, &experiment)?;
    let concepts = erasing::concepts(arguments, &experiment)?;
    let blocked: Vec<String> = arguments.block.iter().map(|word| word.to_lowercase()).collect();
    let device = experiment.device(global)?;
    let models = experiment.models(&device)?;
    models.take_last_fit(&experiment.spec, &results)?;
    let tuned = work_with_bar("fine-tuning", global.quiet, |_| goals::tuned(arguments, &experiment, &models, &chosen))?;
    chosen.extend(tuned);
    let eyes = OwnedEyes::open(arguments, &experiment, &models, &device)?;
    let stop = interrupt::catch(|| say("stopping after the images at hand"))?.flag();
    let request = ErasureRequest {
        spec: &experiment.spec,
        models: &models,
        results: &results,
        concepts: &concepts,
        strength: arguments.strength,
        steps: 0,
        workers: device.workers,
        replaces: arguments.again,
        stop: &stop,
    };
    let erased = work_with_bar("erasing", global.quiet, |tell| erasing::erased(arguments, request, tell));
    chosen.extend(erased.map_err(stopped)?);
    let request = AttackRequest {
        spec: &experiment.spec,
        prompts: &experiment.prompts,
        models: &models,
        results: &results,
        eyes: eyes.eyes(),
        victims: &chosen,
        attacks: &attacks,
        goals: &goals,
        safe: &safe,
        budget: arguments.budget,
        images: arguments.images,
        seed: arguments.seed,
        blocked: &blocked,
        workers: device.workers,
        replaces: arguments.again,
        stop: &stop,
    };
    work_with_bar("attacking", global.quiet, |tell| attack(&request, &|share| tell(share))).map_err(stopped)?;
    let report = AttackReport::of(&AttackLog::read_all(&results)?, &bootstrap(&experiment.spec))?;
    for file in plot::draw(&report, &results)? {
        say(&format!("drew {}", file.display()));
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&report);
        return print(text.map_err(|error| CliError::failure(format!("failed to write JSON: {error}")))? + "\n");
    }
    print(table::text(&report))
}

/// Returns the error that a command ends with; a stop that was asked for is no failure.
fn stopped(error: RunnerError) -> CliError {
    match error {
        RunnerError::Stopped => {
            CliError::interrupted("stopped; what is finished is kept, and the same command goes on")
        }
        error => error.into(),
    }
}

/// Returns the attacks that are asked for.
fn attacks(arguments: &Arguments) -> Result<Vec<AttackKind>, CliError> {
    if arguments.attack.is_empty() {
        return Ok(AttackKind::ALL.to_vec());
    }
    let known = AttackKind::ALL.map(AttackKind::name);
    let one = |name: &String| {
        AttackKind::from_name(name).ok_or_else(|| {
            let meant = did_you_mean(name, known).map(|name| format!("did you mean `{name}`?"));
            let all = format!("attacks are {}", known.join(", "));
            CliError::usage(format!("--attack {name}: there is no such attack")).maybe_hint(meant).hint(all)
        })
    };
    let mut chosen: Vec<AttackKind> = arguments.attack.iter().map(one).collect::<Result<_, _>>()?;
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// Returns what is attacked: the points that are asked for, each as it is and behind the defences that are asked for.
fn chosen(arguments: &Arguments, all: Vec<VictimSpec>) -> Result<Vec<VictimSpec>, CliError> {
    let names: Vec<String> = all.iter().map(|victim| victim.name.clone()).collect();
    for name in &arguments.victim {
        if !names.contains(name) {
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            return Err(CliError::usage(format!("--victim {name}: these results have no such adapter or soup"))
                .maybe_hint(meant.map(|name| format!("did you mean `{name}`?")))
                .hint(format!("there are {}", names.join(", "))));
        }
    }
    for share in &arguments.scaled {
        if !(share.is_finite() && (0.0..=4.0).contains(share)) {
            return Err(CliError::usage(format!("--scaled {share}: give a share of 0 to 4")));
        }
    }
    if !(arguments.guidance.is_finite() && (1.0..=100.0).contains(&arguments.guidance)) {
        return Err(CliError::usage(format!("--guidance {}: give 1 to 100", arguments.guidance)));
    }
    let is_wanted = |victim: &VictimSpec| arguments.victim.is_empty() || arguments.victim.contains(&victim.name);
    let mut chosen = Vec::new();
    for victim in all.into_iter().filter(is_wanted) {
        chosen.push(victim.clone());
        if arguments.filter {
            chosen.push(victim.behind(DefenceSpec::Filter));
        }
        if let Some(negative) = &arguments.negative {
            chosen.push(victim.behind(DefenceSpec::NegativePrompt(negative.clone(), arguments.guidance)));
        }
        chosen.extend(arguments.scaled.iter().filter_map(|share| victim.scaled(*share)));
    }
    Ok(chosen)
}
