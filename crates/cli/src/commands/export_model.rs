//! `moa export-model`: a base model as a folder for other programs.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use moa_store::{write_atomically, write_atomically_with};
use moa_zoo::BaseFile;

use crate::base;
use crate::error::CliError;
use crate::output::say;

/// Writes a base model as a folder in diffusers' layout.
///
/// A model of the hub's cache is copied, without pickles. Of the built-in one, U-Net, text encoder, tokenizer and scheduler open in diffusers and transformers unchanged. There is no VAE: pixels
/// are folded 2 × 2 into 12 channels, which is torch.nn.functional.pixel_unshuffle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  moa export-model -o emoji-32
  python -c \"from diffusers import UNet2DConditionModel as U; U.from_pretrained('emoji-32', subfolder='unet')\"")]
pub(crate) struct Arguments {
    /// The base model: a folder, hf:org/name, or the built-in one
    #[arg(long, value_name = "BASE", default_value = "emoji-32")]
    base: String,

    /// The folder to write
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    for (name, file) in base::find(&arguments.base)?.files()? {
        let target = arguments.out.join(name);
        match file {
            BaseFile::Bytes(bytes) => write_atomically(&target, &bytes)?,
            BaseFile::Path(source) => {
                let mut source = File::open(&source)
                    .map_err(|error| CliError::failure(format!("failed to read {}: {error}", source.display())))?;
                write_atomically_with(&target, |out| io::copy(&mut source, out).map(drop))?;
            }
        }
    }
    say(&format!("wrote {}", arguments.out.display()));
    Ok(())
}
