//! `moa explain`: what rewards look at, and what fools them.

mod card;
mod concepts;
mod files;
mod raters;

use std::path::{Path, PathBuf};

use moa_analysis::explanation::{Explanation, FORMAT};
use moa_core::NoiseKey;
use moa_device::to_host;
use moa_diffusion::Adapted;
use moa_explain::{ExplainError, Images, Lens, Meter, Settings, explain};
use moa_reward::Pictures;
use moa_runner::Models;
use moa_train::{DrawRequest, Workers, draw};

use crate::adapters::{self, NamedAdapter};
use crate::bar::work_with_bar;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::{Devices, Global};
use crate::output::{print, say};
use crate::results;
use crate::suggest::did_you_mean;
use crate::text::count;

/// Images of each prompt, where there are enough prompts.
const PER_PROMPT: usize = 2;
/// The most images of a prompt.
const MOST_PER_PROMPT: usize = 64;

/// Looks into rewards: where in the image and at which words they look, which concepts account for them, and what fools them.
///
/// Draws images of the held-out prompts and prints a report card of each reward. Heat maps are integrated gradients, or come from occlusion
/// where a reward has no gradient; each is tested by deleting what it points at. Effects are in standard deviations of the reward over the
/// images. The cards are kept in the results (explain/), as JSON, as one HTML file that needs no network, and as images; `moa report`
/// shows them.
///
/// Intervals need 64 prompts, which are 128 images.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa explain results/pareto
  moa explain my.ron --reward safety                       of an experiment that has not run yet
  moa explain results/pareto --adapter results/pareto/runs/safety -o safety-explained
  moa explain results/pareto --pairs ratings/preferences.jsonl
  moa explain results/sdxl --images 24 --maps 6            less to compute
  moa explain results/pareto --json | jq '.cards[] | {reward, explained: .concepts.explained}'")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR")]
    experiment: PathBuf,

    /// The reward to look into; may be given several times [default: all of the experiment]
    #[arg(long, short, value_name = "NAME")]
    reward: Vec<String>,

    /// Images that are drawn and scored, two of each prompt
    #[arg(long, short = 'n', value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    images: u32,

    /// Images that get a heat map
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    maps: u32,

    /// What draws the images in place of the base: the folder of a run or soup, or an adapter file
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<PathBuf>,

    /// Concepts by which to account for scores: a file with a phrase per line [default: a list of moa's]
    #[arg(long, value_name = "FILE")]
    concepts: Option<PathBuf>,

    /// Pairs that people or AI judges decided, to compare with: a preferences.jsonl
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,

    /// The folder to write [default: explain in the results; without results, the experiment's name with -explain]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Print the cards as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let Found { experiment, results, folder } = find(arguments)?;
    let chosen = chosen(arguments, &experiment)?;
    let listed = arguments.concepts.as_deref().map(moa_explain::read_concepts).transpose()?;
    let pairs = arguments.pairs.as_deref().map(raters::open).transpose()?;
    if folder.exists() && !folder.is_dir() {
        return Err(CliError::usage(format!("-o {}: it is a file", folder.display())).hint("name a folder"));
    }
    let device = experiment.device(global)?;
    let models = experiment.models(&device)?;
    if let Some(results) = &results {
        models.take_last_fit(&experiment.spec, results)?;
    }
    let adapter = arguments.adapter.as_deref().map(|path| adapters::read_one(path, None)).transpose()?;
    let set = images(arguments, &experiment, &models, &device, adapter.as_ref(), global)?;
    let pairs = pairs.map(|pairs| raters::read(&pairs, &experiment, &models)).transpose()?.unwrap_or_default();
    let dictionary = work_with_bar("embedding concepts", global.quiet, |tell| {
        concepts::dictionary(listed, &experiment, &device, &set, &Meter::new(&|share| tell(share)))
    })?;

    let settings = Settings { maps: arguments.maps as usize, ..Settings::default() };
    let mut cards = Vec::with_capacity(chosen.len());
    for place in chosen {
        let reward = &experiment.spec.rewards[place];
        let explained = work_with_bar(&format!("explaining {}", reward.name), global.quiet, |tell| {
            let tell = |share| tell(share);
            let meter = Meter::new(&tell);
            let lens = Lens::new(&models.scorer, place, reward.kind.compares(), &meter);
            explain(&lens, &set, dictionary.as_ref(), &pairs, settings)
        })?;
        cards.push(files::write(&folder, explained, &set)?);
    }
    let explanation = Explanation {
        format: FORMAT,
        experiment: experiment.name().to_owned(),
        base: experiment.spec.base.clone(),
        drawn_by: adapter.map_or_else(|| "base".to_owned(), |adapter| adapter.name),
        images: set.len(),
        prompts: set.prompt_count(),
        cards,
    };
    files::finish(&folder, &explanation)?;
    let labels = experiment.spec.reward_labels();
    print(if arguments.json { explanation.to_json() } else { card::as_text(&explanation, &labels) })?;
    say(&format!("wrote {} and {}", folder.join("card.html").display(), folder.join("card.json").display()));
    Ok(())
}

/// What is explained.
struct Found {
    experiment: Experiment,
    /// Its results; nothing of an experiment that has not run.
    results: Option<PathBuf>,
    /// Where the cards go.
    folder: PathBuf,
}

/// Returns what is explained.
fn find(arguments: &Arguments) -> Result<Found, CliError> {
    let path = &arguments.experiment;
    let of_file = |path: &Path| {
        let experiment = Experiment::load(path, &crate::setting::Settings::default())?;
        let folder = PathBuf::from(format!("{}-explain", experiment.name()));
        Ok::<_, CliError>((experiment, None, folder))
    };
    let is_file = path.is_file() && path.extension().is_some_and(|ending| ending == "ron");
    let (experiment, results, default) = match results::find(path) {
        Ok(folder) if results::is_experiment(&folder) => {
            let default = folder.join("explain");
            (Experiment::load_kept(&folder)?, Some(folder), default)
        }
        // An experiment that has not run yet.
        _ if is_file => of_file(path)?,
        Ok(folder) => {
            let what = if folder.exists() { "holds no experiment's results" } else { "is not there" };
            return Err(CliError::usage(format!("{} {what}", folder.display()))
                .hint("name an experiment file, or an experiment's results"));
        }
        Err(error) => return Err(error),
    };
    Ok(Found { experiment, results, folder: arguments.output.clone().unwrap_or(default) })
}

/// Returns the places of the rewards that are asked for, in the experiment's order.
fn chosen(arguments: &Arguments, experiment: &Experiment) -> Result<Vec<usize>, CliError> {
    let names = experiment.spec.reward_names();
    if let Some(name) = arguments.reward.iter().find(|name| !names.contains(name)) {
        let meant = did_you_mean(name, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
        let message = format!("--reward {name}: the experiment has no such reward, but {}", names.join(", "));
        return Err(CliError::usage(message).maybe_hint(meant));
    }
    let wanted = |name: &String| arguments.reward.is_empty() || arguments.reward.contains(name);
    Ok((0..names.len()).filter(|place| wanted(&names[*place])).collect())
}

/// Draws the images that are looked at: the first ones of the experiment's evaluation.
fn images(
    arguments: &Arguments,
    experiment: &Experiment,
    models: &Models,
    device: &OpenDevice,
    adapter: Option<&NamedAdapter>,
    global: Global,
) -> Result<Images, CliError> {
    let Experiment { spec, prompts, .. } = experiment;
    let wanted = arguments.images as usize;
    let shown = wanted.div_ceil(PER_PROMPT).min(prompts.held_out.len());
    let per_prompt = wanted.div_ceil(shown.max(1)).clamp(PER_PROMPT, MOST_PER_PROMPT);
    let [height, width] = models.pipeline.picture_size();
    Images::check_size(shown * per_prompt, height, width)?;
    let request = DrawRequest {
        prompts: &prompts.held_out[..shown],
        per_prompt,
        rules: &models.pipeline.schedule().evaluation(spec.evaluation.steps as usize),
        guidance: spec.evaluation.guidance,
        key: NoiseKey::new(spec.evaluation.seed).named("evaluation"),
        micro_batch: spec.training.micro_batch as usize,
        workers: &Workers::new(device.workers),
        stop: None,
    };
    let base = || Ok(Adapted { pipeline: models.pipeline.clone(), bank: None });
    let Adapted { pipeline, bank } = adapter.map_or_else(base, |named| named.on(&models.pipeline, &spec.base))?;
    let label = format!("drawing {}", count((shown * per_prompt) as u64, "image"));
    let drawn = work_with_bar(&label, global.quiet, |tell| draw(&pipeline, bank.as_ref(), &request, &tell))?;
    let pictures: Pictures = drawn.into_iter().next().ok_or(ExplainError::Images("there are no prompts"))?;
    if to_host(pictures.pixels()).iter().any(|value| !value.is_finite()) {
        let message = format!("the base draws values that are not numbers in precision {}", spec.precision.name());
        return Err(CliError::failure(message).hint("set another `precision`, or check the files of the base model"));
    }
    Ok(Images::new(&pictures)?)
}

impl From<ExplainError> for CliError {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Score(error) => error.into(),
            error @ (ExplainError::Concepts { .. } | ExplainError::TooMany { .. }) => {
                Self::usage(format!("failed to {error}"))
            }
            error => Self::failure(format!("failed to {error}")),
        }
    }
}
