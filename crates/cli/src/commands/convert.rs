//! `moa convert`: an adapter from one format to another.

use std::path::PathBuf;

use moa_core::experiment::BaseName;

use crate::adapters;
use crate::base;
use crate::card;
use crate::commands::merge::FormatName;
use crate::error::CliError;
use crate::origin;
use crate::outgoing::{Outgoing, Written};
use crate::output::say;

/// Writes an adapter in another format: factors and alpha survive bit for bit.
///
/// Reads moa's own adapters, peft's, diffusers' and kohya's, and tells them apart by their contents.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats:
  peft        adapter_model.safetensors, adapter_config.json    PeftModel.from_pretrained
  diffusers   pytorch_lora_weights.safetensors                  pipeline.load_lora_weights, ComfyUI
  kohya       lora.safetensors                                  A1111, ComfyUI

Examples:
  moa convert results/pareto/runs/safety --to diffusers -o safety
  moa convert pytorch_lora_weights.safetensors --to kohya -o out")]
pub(crate) struct Arguments {
    /// The adapter: a folder or a safetensors file
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,

    /// The format to write
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    to: FormatName,

    /// The base model, whose layers kohya's names are looked up in: a folder, hf:org/name, or the built-in one
    #[arg(long, value_name = "BASE", default_value = "emoji-32")]
    base: String,

    /// Where the files go
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// Replace another adapter that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let layers = base::find(&arguments.base)?.adaptable()?;
    let named = adapters::read_one(&arguments.adapter, &layers)?;
    let format = arguments.to.format();
    let provenance = named.origin(&BaseName::of(&arguments.base).for_others())?;
    let (adapter, provenance, base) = (&named.adapter, &provenance, &*arguments.base);
    let worth = card::worth_of(&arguments.adapter);
    let outgoing = Outgoing { adapter, provenance, base, formats: &[format], draw: None, worth };
    let written = outgoing.write(&arguments.out, arguments.force)?;
    let what = if written == Written::Unchanged { "unchanged:" } else { "wrote" };
    say(&format!("{what} {}", arguments.out.join(format.file_name()).display()));
    say(origin::describe(provenance).trim_end());
    Ok(())
}
