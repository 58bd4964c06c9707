//! Adapters on disk: one file for each format. Factors and α survive every round trip bit for bit.

mod diffusers;
mod error;
mod factors;
mod kohya;
mod origin;
mod peft;
pub(crate) mod unet_names;

use std::io::{self, Write};

use moa_core::Provenance;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

pub use error::AdapterFileError;
pub use origin::{provenance_of, sha256_of_file};

use crate::parameters::widen;
use crate::{Adapter, LayerShape, ParametersError};

/// How an adapter is laid out in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterFormat {
    /// `adapter_model.safetensors` and `adapter_config.json`: peft, and moa itself.
    Peft,
    /// `pytorch_lora_weights.safetensors`: diffusers' `load_lora_weights`, ComfyUI.
    Diffusers,
    /// One file with kohya's names: A1111, ComfyUI.
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
    file: factors::File<'a>,
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

    /// Tells the format of a safetensors file by its tensors' names.
    ///
    /// # Errors
    /// Refuses files that are not safetensors files, and files without any factor of a LoRA.
    pub fn of(tensors: &[u8]) -> Result<Self, AdapterFileError> {
        let file = SafeTensors::deserialize(tensors).map_err(ParametersError::from)?;
        let names = file.names();
        let any = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
        if let Some(name) = names.iter().min().filter(|_| !any(&|name| name.contains("lora"))) {
            return Err(AdapterFileError::NotLora((*name).to_owned()));
        }
        Ok(if any(&|name| name.starts_with(kohya::PREFIX) || name.contains(".lora_down.")) {
            Self::Kohya
        } else if any(&|name| name.starts_with("unet.") || name.starts_with("transformer.")) {
            Self::Diffusers
        } else {
            Self::Peft
        })
    }
}

impl Adapter {
    /// Returns the adapter's files in a format, in its precision, without a word on where it comes from.
    ///
    /// # Errors
    /// Refuses layers that the format cannot tell apart.
    pub fn to_files(&self, format: AdapterFormat, base: &str) -> Result<AdapterFiles, AdapterFileError> {
        let outgoing = self.outgoing(format, base, None)?;
        let mut tensors = Vec::with_capacity(outgoing.file.len());
        outgoing.write(&mut tensors).unwrap_or_else(|_| unreachable!("memory takes every byte"));
        Ok(AdapterFiles { tensors, config: outgoing.config })
    }

    /// Returns the adapter's files in a format, in its precision, ready to be written without being copied first.
    ///
    /// - `provenance`: where it comes from, which stands in the header of the safetensors file; `adapter_config.json` has none, as peft warns
    ///   of fields that it does not know, and some of its versions refuse them
    ///
    /// # Errors
    /// Refuses layers that the format cannot tell apart.
    pub fn outgoing(
        &self,
        format: AdapterFormat,
        base: &str,
        provenance: Option<&Provenance>,
    ) -> Result<OutgoingFiles<'_>, AdapterFileError> {
        let (file, config) = match format {
            AdapterFormat::Peft => (peft::file(self, provenance)?, Some(self.to_config(base))),
            AdapterFormat::Diffusers => (diffusers::file(self, base, provenance)?, None),
            AdapterFormat::Kohya => (kohya::file(self, provenance)?, None),
        };
        Ok(OutgoingFiles { file, config })
    }

    /// Reads an adapter of whichever format.
    ///
    /// - `config`: the `adapter_config.json` beside the file, if there is one
    /// - `layers`: those of the base model, for kohya's names, which do not say where their dots were; without any, names
    ///   are taken to be those of a U-Net's layers
    ///
    /// # Errors
    /// Refuses truncated files, foreign names, incomplete or misshapen layers, values that are not finite, and what
    /// would be applied wrongly (rsLoRA, DoRA, biases, ranks or alphas that differ between layers).
    pub fn read_any(
        tensors: &[u8],
        config: Option<&str>,
        layers: &[LayerShape],
    ) -> Result<(Self, AdapterFormat), AdapterFileError> {
        let format = AdapterFormat::of(tensors)?;
        let adapter = match format {
            AdapterFormat::Peft => Self::read(tensors, config.ok_or(AdapterFileError::ConfigMissing)?)?,
            AdapterFormat::Diffusers => diffusers::read(tensors)?,
            AdapterFormat::Kohya => kohya::read(tensors, layers)?,
        };
        Ok((adapter, format))
    }
}

/// Returns the base model that an adapter's files name, if they name one.
///
/// - `config`: the `adapter_config.json` beside the file, if there is one
pub fn base_named_by(tensors: &[u8], config: Option<&str>) -> Option<String> {
    let config = config.and_then(|config| serde_json::from_str::<serde_json::Value>(config).ok());
    let named = config.as_ref().and_then(|config| config["base_model_name_or_path"].as_str());
    named.filter(|base| !base.is_empty()).map(str::to_owned).or_else(|| diffusers::base(tensors))
}

/// Returns the α of all layers, from their tensors; nothing when there are none.
fn alpha_of(alphas: &[(String, TensorView<'_>)]) -> Result<Option<f32>, AdapterFileError> {
    let mut common: Option<f32> = None;
    for (layer, tensor) in alphas {
        let found = match numbers(layer, tensor)?[..] {
            [alpha] if alpha.is_finite() => alpha,
            _ => return Err(AdapterFileError::NotFinite(layer.clone())),
        };
        match common {
            Some(wanted) if wanted.to_bits() != found.to_bits() => {
                return Err(AdapterFileError::MixedAlpha { layer: layer.clone(), found, wanted });
            }
            _ => common = Some(found),
        }
    }
    Ok(common)
}

/// Returns a tensor's numbers, whole ones too: diffusers converts adapters to kohya's format with such alphas.
fn numbers(layer: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, AdapterFileError> {
    match tensor.dtype() {
        Dtype::I64 => {
            let whole = |bytes: &[u8]| bytes.try_into().map_or(f32::NAN, |bytes| i64::from_le_bytes(bytes) as f32);
            Ok(tensor.data().chunks_exact(8).map(whole).collect())
        }
        Dtype::I32 => {
            let whole = |bytes: &[u8]| bytes.try_into().map_or(f32::NAN, |bytes| i32::from_le_bytes(bytes) as f32);
            Ok(tensor.data().chunks_exact(4).map(whole).collect())
        }
        _ => Ok(widen(layer, tensor)?),
    }
}

#[cfg(test)]
mod tests;
