//! Adapters on their way to disk: one file for each format. What a format has no place for is refused by its name.
//!
//! Reading is [`crate::contents`]'s.

mod diffusers;
mod error;
mod file;
mod fused;
mod kohya;
mod origin;
mod peft;

use std::io::{self, Write};

use moa_core::Provenance;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

pub use error::AdapterFileError;
pub use origin::{provenance_of, sha256_of_file};

use crate::Adapter;

/// How an adapter is laid out in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterFormat {
    /// `adapter_model.safetensors` and `adapter_config.json`: peft, and moa itself.
    Peft,
    /// `pytorch_lora_weights.safetensors`: diffusers' `load_lora_weights`, ComfyUI.
    Diffusers,
    /// One file with kohya's names: A1111, Forge, ComfyUI, sd-scripts, diffusers.
    Kohya,
}

/// The files of an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFiles {
    /// The safetensors file.
    pub tensors: Vec<u8>,
    /// `adapter_config.json`, where the format has one.
    pub config: Option<String>,
}

/// The files of an adapter, not written yet.
pub struct OutgoingFiles<'a> {
    file: file::File<'a>,
    /// `adapter_config.json`, where the format has one.
    pub config: Option<String>,
}

impl OutgoingFiles<'_> {
    /// Writes the safetensors file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.file.write(out)
    }
}

impl AdapterFormat {
    /// Returns the name by which the format's programs look for the safetensors file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Peft => "adapter_model.safetensors",
            Self::Diffusers => "pytorch_lora_weights.safetensors",
            Self::Kohya => "lora.safetensors",
        }
    }

    /// Returns whose format it is.
    pub(crate) fn owner(self) -> &'static str {
        match self {
            Self::Peft => "peft's",
            Self::Diffusers => "diffusers'",
            Self::Kohya => "kohya's",
        }
    }
}

impl Adapter {
    /// Returns the format in which moa keeps the adapter: peft's, unless that has no place for all of it; then diffusers', then kohya's.
    pub fn own_format(&self) -> AdapterFormat {
        if peft::check(self).is_ok() {
            AdapterFormat::Peft
        } else if self.differences.is_empty() && self.magnitudes.is_empty() {
            AdapterFormat::Diffusers
        } else {
            AdapterFormat::Kohya
        }
    }

    /// Returns the adapter's files in a format, in its precision, without a word on where it comes from.
    ///
    /// # Errors
    /// As [`Adapter::outgoing`].
    pub fn to_files(&self, format: AdapterFormat, base: &str) -> Result<AdapterFiles, AdapterFileError> {
        let outgoing = self.outgoing(format, base, None)?;
        let mut tensors = Vec::with_capacity(outgoing.file.len());
        outgoing.write(&mut tensors).unwrap_or_else(|_| unreachable!("memory takes every byte"));
        Ok(AdapterFiles { tensors, config: outgoing.config })
    }

    /// Returns the adapter's files in a format, in its precision, ready to be written; where the format has the factors as they are, they
    /// are not copied first.
    ///
    /// - `provenance`: where it comes from, which stands in the header of the safetensors file; `adapter_config.json` has none, as peft warns
    ///   of fields that it does not know, and some of its versions refuse them
    ///
    /// # Errors
    /// Refuses what the format cannot say, layers that it cannot tell apart, and values that are not finite.
    pub fn outgoing(
        &self,
        format: AdapterFormat,
        base: &str,
        provenance: Option<&Provenance>,
    ) -> Result<OutgoingFiles<'_>, AdapterFileError> {
        if self.names().next().is_none() {
            return Err(AdapterFileError::Empty);
        }
        if let Some(name) = self.not_finite() {
            return Err(AdapterFileError::NotFinite(name.to_owned()));
        }
        let config = (format == AdapterFormat::Peft).then(|| self.to_config(base));
        Ok(OutgoingFiles { file: self.file(format, provenance)?, config })
    }

    /// Returns the safetensors file of a format.
    fn file(&self, format: AdapterFormat, provenance: Option<&Provenance>) -> Result<file::File<'_>, AdapterFileError> {
        match format {
            AdapterFormat::Peft => {
                peft::check(self)?;
                peft::file(self, provenance)
            }
            AdapterFormat::Diffusers => diffusers::file(self, provenance),
            AdapterFormat::Kohya => kohya::file(self, provenance),
        }
    }
}

/// Returns the base model that an adapter's files name, if they name one.
///
/// - `config`: the `adapter_config.json` beside the file, if there is one
pub fn base_named_by(tensors: &[u8], config: Option<&str>) -> Option<String> {
    let named = |text: &str, field: &str| {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        value[field].as_str().filter(|base| !base.is_empty()).map(str::to_owned)
    };
    let in_header = || {
        let (_, header) = SafeTensors::read_metadata(tensors).ok()?;
        let texts = header.metadata().as_ref()?.clone();
        let of_diffusers = texts.get("lora_adapter_metadata").and_then(|text| {
            ["unet", "transformer"].iter().find_map(|model| named(text, &format!("{model}.base_model_name_or_path")))
        });
        of_diffusers.or_else(|| {
            let provenance = Provenance::from_header(|key| texts.get(key).map(String::as_str)).ok()??;
            Some(provenance.base).filter(|base| !base.is_empty())
        })
    };
    config.and_then(|config| named(config, "base_model_name_or_path")).or_else(in_header)
}

#[cfg(test)]
mod tests;
