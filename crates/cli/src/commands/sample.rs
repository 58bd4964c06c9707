//! `moa sample`: images of the base model and of adapters for any prompt.

use std::path::PathBuf;

use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_core::experiment::Precision;
use moa_device::to_host;
use moa_diffusion::Pipeline;
use moa_plot::{GridRow, draw_picture_grid};
use moa_train::{DrawRequest, Workers, draw};

use crate::adapters::{self, NamedAdapter};
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

    /// Strength of classifier-free guidance; 1 or less is none: the prompt alone is followed, as in diffusers
    #[arg(long, value_name = "SCALE", default_value_t = 1.0, value_parser = guidance)]
    guidance: f32,

    /// The base model: a folder, hf:org/name, or the built-in one
    #[arg(long, value_name = "BASE", default_value = "emoji-32")]
    base: String,

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
    let pipeline = base::find(&arguments.base)?.open(device.compute(arguments.precision))?;
    let adapters = adapters::read(&arguments.adapters, &pipeline.adaptable())?;
    for adapter in &adapters {
        adapter.check_fit(&pipeline.adaptable(), &arguments.base)?;
    }
    let rules = pipeline.schedule().deterministic(arguments.steps as usize);
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
    let mut rows = vec![row(&pipeline, None, &request)?];
    for adapter in &adapters {
        rows.push(row(&pipeline, Some(adapter), &request)?);
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
fn row(pipeline: &Pipeline, adapter: Option<&NamedAdapter>, request: &DrawRequest<'_>) -> Result<GridRow, CliError> {
    let bank = adapter.and_then(|named| AdapterBank::of(&[&named.adapter], pipeline.device()));
    let pictures = draw(pipeline, bank.as_ref(), request, &|_| {})?;
    let label = adapter.map_or("base", |named| &named.name).to_owned();
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

fn guidance(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(scale) if (0.0..=100.0).contains(&scale) => Ok(scale),
        _ => Err("give a number, 0 to 100".into()),
    }
}
