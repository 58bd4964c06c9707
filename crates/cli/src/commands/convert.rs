//! `moa convert`: an adapter from one format to another.

use std::path::PathBuf;

use crate::adapters;
use crate::base;
use crate::card;
use crate::commands::merge::{FormatName, write_adapter};
use crate::error::CliError;
use crate::global::Global;
use crate::output::note;

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
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let layers = base::find(&arguments.base)?.adaptable()?;
    let named = adapters::read_one(&arguments.adapter, &layers)?;
    let format = arguments.to.format();
    write_adapter(&named.adapter, format, &arguments.base, &arguments.out)?;
    let name = arguments.out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let known = card::of_adapter(&name, &arguments.base, &named.adapter, &[format]);
    card::write(&arguments.out, &card::with_origin(known, &arguments.adapter))?;
    if !global.quiet {
        note(&format!("wrote {}", arguments.out.join(format.file_name()).display()));
    }
    Ok(())
}
