//! diffusers: one file, by names that ComfyUI reads as well.
//!
//! α stands nowhere: it is multiplied into the factors up, as ComfyUI and diffusers before 0.34 don't look for it in such files, and take
//! it to be the rank. Attention layers of U-Nets have the names of diffusers' attention processors (`….attn1.processor.to_q_lora.down.weight`),
//! which diffusers still reads, and the only ones of its names for these layers that ComfyUI knows.

use moa_core::Provenance;

use super::file::{self, Outgoing};
use super::{AdapterFileError, AdapterFormat};
use crate::Adapter;
use crate::adapter::encoder_of;
use crate::names::transformer::is_of_transformer;

/// Projections of attention.
const PROJECTIONS: [(&str, &str); 4] =
    [(".to_q", "to_q"), (".to_k", "to_k"), (".to_v", "to_v"), (".to_out.0", "to_out")];

/// Returns the names of a layer's factors, down and up.
pub(super) fn names(layer: &str) -> [String; 2] {
    if encoder_of(layer).is_some() {
        return ["down", "up"].map(|side| format!("{layer}.lora_linear_layer.{side}.weight"));
    }
    if is_of_transformer(layer) {
        return ["A", "B"].map(|side| format!("transformer.{layer}.lora_{side}.weight"));
    }
    let projection = PROJECTIONS.iter().find_map(|(end, name)| Some((layer.strip_suffix(end)?, name)));
    match projection {
        Some((attention, name)) if attention.contains(".attn") => {
            ["down", "up"].map(|side| format!("unet.{attention}.processor.{name}_lora.{side}.weight"))
        }
        _ => ["down", "up"].map(|side| format!("unet.{layer}.lora.{side}.weight")),
    }
}

/// Returns the file.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    provenance: Option<&Provenance>,
) -> Result<file::File<'a>, AdapterFileError> {
    let format = AdapterFormat::Diffusers;
    if let Some((parameter, own)) = adapter.differences.iter().next() {
        let (parameter, is_vector) = (parameter.clone(), own.shape.len() < 2);
        return Err(AdapterFileError::Difference { parameter, is_vector, format });
    }
    if let Some(layer) = adapter.magnitudes.keys().next() {
        return Err(AdapterFileError::Dora { layer: layer.clone(), format });
    }
    let precision = adapter.precision;
    let tensors = adapter.layers.iter().flat_map(|(name, layer)| {
        let [down, up] = names(name);
        [(down, Outgoing::down(layer, precision)), (up, Outgoing::scaled_up(layer, precision))]
    });
    file::file(tensors, &[("format", "pt".to_owned())], provenance)
}
