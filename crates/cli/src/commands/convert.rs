//! `moa convert`: an adapter from one format to another.

use std::path::PathBuf;

use moa_core::experiment::BaseName;

use crate::adapters;
use crate::base;
use crate::blocks::Blocks;
use crate::card;
use crate::commands::merge::{FormatName, resolved};
use crate::error::CliError;
use crate::origin;
use crate::outgoing::{Outgoing, Written, reduced};
use crate::output::say;

/// Writes an adapter in another format, for the programs that read it.
///
/// Reads what `moa inspect` reads, and tells layouts apart by their contents. Every number is kept where the format has a place for it; where
/// programs of a format do not look for alpha, it is multiplied in. LoHa and LoKr become factors of the rank that holds them exactly where
/// these are smaller than the weight. What a format cannot say is refused by name: full differences can be brought to a rank by --reduce,
/// and the answer says what is lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats:
  peft        adapter_model.safetensors, adapter_config.json    PeftModel.from_pretrained
  diffusers   pytorch_lora_weights.safetensors                  pipeline.load_lora_weights, ComfyUI
  kohya       lora.safetensors                                  A1111, Forge, ComfyUI, sd-scripts

Examples:
  moa convert results/pareto/runs/safety --to diffusers -o safety
  moa convert style.safetensors --to diffusers -o out
  moa convert lokr.safetensors --to diffusers --reduce 32 -o out
  moa convert dora.safetensors --to diffusers --base ./stable-diffusion-v1-5 --reduce 32 -o out")]
pub(crate) struct Arguments {
    /// The adapter: a folder or a safetensors file
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,

    /// The format to write
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    to: FormatName,

    /// The base model: a folder, hf:org/name, or emoji-32; what a DoRA adds is computed on it, and the adapter is checked against it
    #[arg(long, value_name = "BASE")]
    base: Option<String>,

    /// The alpha of a file that says none; without it that is the rank
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    alpha: Option<f32>,

    /// Multiply what is done to layers of such names, * for any letters; 0 leaves them out; the last that matches counts
    #[arg(long, value_name = "PATTERN=FACTOR", allow_hyphen_values = true)]
    block: Vec<String>,

    /// Bring full differences to factors of this rank, for formats that have these alone; what is lost is said
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=65536))]
    reduce: Option<u32>,

    /// Where the files go
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// Replace another adapter that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let named = adapters::read_one(&arguments.adapter, arguments.alpha)?;
    let mut adapter = named.adapter.clone();
    if let Some(base) = &arguments.base {
        let parameters = base::find(base)?.parameters()?;
        named.check_fit(&parameters, base)?;
        adapter = resolved(&named, &parameters, base)?;
    }
    let blocks = Blocks::read(&arguments.block, 1)?;
    blocks.note(0, &adapter.names().collect::<Vec<_>>());
    blocks.check_used()?;
    let (adapter, lost) = reduced(adapter.scaled(|name| blocks.factor(0, name)), arguments.reduce);
    let format = arguments.to.format();
    let base = arguments.base.clone().or_else(|| named.base.clone()).unwrap_or_default();
    let provenance = named.origin(&BaseName::of(&base).for_others())?;
    let (adapter, provenance) = (&adapter, &provenance);
    let worth = card::worth_of(&arguments.adapter);
    let outgoing = Outgoing { adapter, provenance, base: &base, formats: &[format], draw: None, worth };
    let written = outgoing.write(&arguments.out, arguments.force)?;
    let what = if written == Written::Unchanged { "unchanged:" } else { "wrote" };
    say(&format!("{what} {}", arguments.out.join(format.file_name()).display()));
    if !lost.is_empty() {
        say(lost.trim_end());
    }
    say(origin::describe(provenance).trim_end());
    Ok(())
}
