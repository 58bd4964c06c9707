//! `moa sample`: images of the base model and of adapters for any prompt.

use std::path::PathBuf;

use moa_core::NoiseKey;
use moa_core::experiment::Precision;
use moa_device::to_host;
use moa_diffusion::Adapted;
use moa_plot::{GridRow, draw_picture_grid};
use moa_train::{DrawRequest, Workers, draw};

use crate::adapters;
use crate::base;
use crate::error::CliError;
use crate::global::{Global, OneDevice};
use crate::output::say;
use crate::pictures::{rgb, scale};

/// Draws images of any prompt, by the base model and by adapters.
///
/// The grid has a row for the base model and one for each adapter, all from the same noise.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa sample --prompt \"a cat on a red background\"
  moa sample results/pareto --prompt \"a beer left of an apple on a blue background\"
  moa sample style.safetensors --base ./stable-diffusion-v1-5 --steps 30 --guidance 7.5 --prompt \"a fox in snow\"
  moa sample results/pareto/runs/safety results/pareto/soups/soup-centre --prompt \"a knife\" --count 8 -o knife.png")]
pub(crate) struct Arguments {
    /// Adapters: folders of runs or soups, adapter files, or an experiment's results for all of its runs
    #[arg(value_name = "ADAPTER")]
    adapters: Vec<PathBuf>,

    /// What to draw; may be given several times
    #[arg(long, short, value_name = "TEXT", required = true)]
    prompt: Vec<String>,

    /// Images of each prompt
    #[arg(long, short = 'n', value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    count: u32,

    /// Seed of the noise that images start from
    #[arg(long, short, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Steps of the sampler; emoji-32 is trained for 6, other models need more
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: u32,

    /// Strength of classifier-free guidance; 1 or less is none
    #[arg(long, value_name = "SCALE", default_value_t = 1.0, value_parser = guidance)]
    guidance: f32,

    /// The base model: a folder, hf:org/name, or the built-in one
    #[arg(long, value_name = "BASE", default_value = "emoji-32")]
    base: String,

    /// How strongly adapters act: 1 is in full; below 0 they do the opposite
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, value_parser = strength)]
    strength: Option<f32>,

    /// The alpha of adapters whose files say none; without it that is their rank
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    alpha: Option<f32>,

    /// The type of number in which the base computes: F32, Tf32, Bf16 or F16 (as an experiment's `precision`)
    #[arg(long, value_name = "PRECISION", default_value = "F32", value_parser = precision)]
    precision: Precision,

    /// Draw only the images, without names and prompts
    #[arg(long)]
    unlabelled: bool,

    /// The image to write
    #[arg(long, short, value_name = "FILE", default_value = "sample.png")]
    output: PathBuf,

    #[command(flatten)]
    pub(crate) device: OneDevice,
}

/// Values in the samples of one pass through the denoiser: 32 of `emoji-32`, 6 of Stable Diffusion 1's, 1 of XL's.
const VALUES: usize = 32 * 12 * 16 * 16;

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    if let Some(blank) = arguments.prompt.iter().find(|prompt| prompt.trim().is_empty()) {
        return Err(CliError::usage(format!("--prompt {blank:?} is blank")).hint("say what to draw"));
    }
    global.device.settle(arguments.precision)?;
    let device = global.device.open_for(arguments.precision, None)?;
    let found = base::find(&arguments.base)?;
    let pipeline = found.open(device.compute(arguments.precision))?;
    let adapters = adapters::read(&arguments.adapters, arguments.alpha)?;
    let rules = pipeline.schedule().evaluation(arguments.steps as usize);
    let request = DrawRequest {
        prompts: &arguments.prompt,
        per_prompt: arguments.count as usize,
        rules: &rules,
        guidance: arguments.guidance,
        key: NoiseKey::new(arguments.seed).named("sample"),
        micro_batch: (VALUES / pipeline.latent_dims()).clamp(1, 32),
        workers: &Workers::new(device.workers),
        stop: None,
    };
    // What does not fit is refused before anything is drawn.
    if !adapters.is_empty() {
        let parameters = found.parameters()?;
        adapters.iter().try_for_each(|adapter| adapter.check_fit(&parameters, &arguments.base))?;
    }
    let mut rows = vec![row(&Adapted { pipeline: pipeline.clone(), bank: None }, "base", &request)?];
    for mut adapter in adapters {
        if let Some(strength) = arguments.strength {
            adapter.adapter = adapter.adapter.scaled(|_| strength.into());
        }
        rows.push(row(&adapter.on(&pipeline, &arguments.base)?, &adapter.name, &request)?);
    }
    let count = arguments.count as usize;
    let mut captions: Vec<String> =
        arguments.prompt.iter().flat_map(|prompt| std::iter::repeat_n(prompt.clone(), count)).collect();
    if arguments.unlabelled {
        captions.clear();
        for row in &mut rows {
            row.label.clear();
        }
    }
    draw_picture_grid(&arguments.output, &rows, &captions, scale(&rows))
        .map_err(|error| CliError::failure(format!("failed to write images: {error}")))?;
    say(&format!("wrote {}", arguments.output.display()));
    Ok(())
}

/// Draws the row of the base or of an adapter.
fn row(model: &Adapted, label: &str, request: &DrawRequest<'_>) -> Result<GridRow, CliError> {
    let Adapted { pipeline, bank } = model;
    let pictures = draw(pipeline, bank.as_ref(), request, &|_| {})?;
    let label = label.to_owned();
    if pictures.iter().any(|pictures| to_host(pictures.pixels()).iter().any(|value| !value.is_finite())) {
        let message = format!("{label} draws values that are not numbers in precision {}", pipeline.precision().name());
        return Err(CliError::failure(message).hint("give another --precision, or check the files of the base model"));
    }
    Ok(GridRow { label, pictures: pictures.iter().flat_map(rgb).collect() })
}

/// Reads a precision by its name, in any case.
pub(super) fn precision(text: &str) -> Result<Precision, String> {
    let found = Precision::ALL.into_iter().find(|precision| precision.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "give F32, Tf32, Bf16 or F16".into())
}

fn strength(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(strength) if (-10.0..=10.0).contains(&strength) => Ok(strength),
        _ => Err("give a number, -10 to 10".into()),
    }
}

fn guidance(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(scale) if (0.0..=100.0).contains(&scale) => Ok(scale),
        _ => Err("give a number, 0 to 100".into()),
    }
}
