//! `moa export-model`: the built-in base model as a folder for other programs.

use std::path::PathBuf;

use moa_store::write_atomically;

use crate::args::Global;
use crate::error::CliError;
use crate::output::note;

/// Writes the built-in base model as a folder in diffusers' layout.
///
/// U-Net, text encoder, tokenizer and scheduler open with diffusers and transformers as they are. There is no VAE: pixels
/// are folded 2 × 2 into 12 channels, which is torch.nn.functional.pixel_unshuffle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  moa export-model -o emoji-32
  python -c \"from diffusers import UNet2DConditionModel as U; U.from_pretrained('emoji-32', subfolder='unet')\"")]
pub(crate) struct Arguments {
    /// The base model
    #[arg(long, value_name = "NAME", default_value = "emoji-32")]
    base: String,

    /// The folder to write
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    for (name, bytes) in moa_zoo::pipeline_files(&arguments.base)? {
        write_atomically(&arguments.out.join(name), &bytes)?;
    }
    if !global.quiet {
        note(&format!("wrote {}", arguments.out.display()));
    }
    Ok(())
}
