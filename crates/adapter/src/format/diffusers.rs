//! diffusers: one file, `unet.X.lora.down.weight`, with peft's config in the header under `lora_adapter_metadata`.

use std::collections::BTreeSet;

use moa_core::Provenance;
use safetensors::SafeTensors;
use serde_json::{Map, Value};

use super::factors::{self, Factors, Side};
use super::{AdapterFileError, alpha_of, peft};
use crate::{Adapter, ParametersError};

/// The header's key.
const METADATA: &str = "lora_adapter_metadata";
const PLACE: &str = "lora_adapter_metadata in the file's header";
/// What a denoiser is called.
const MODELS: [&str; 2] = ["unet", "transformer"];
/// How the names of a transformer's layers begin, and those of a U-Net's do not.
const OF_TRANSFORMERS: [&str; 6] = [
    "context_embedder",
    "norm_out.",
    "proj_out",
    "time_text_embed.",
    "transformer_blocks.",
    "single_transformer_blocks.",
];
const SIDES: [(&str, Side); 4] = [
    (".lora.down.weight", Side::Down),
    (".lora_A.weight", Side::Down),
    (".lora.up.weight", Side::Up),
    (".lora_B.weight", Side::Up),
];

/// Returns whether a layer is a transformer's, by its name.
pub(super) fn is_of_transformer(layer: &str) -> bool {
    OF_TRANSFORMERS.iter().any(|start| layer.starts_with(start))
}

/// Returns the file.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    base: &str,
    provenance: Option<&Provenance>,
) -> Result<factors::File<'a>, AdapterFileError> {
    let model = MODELS[usize::from(adapter.layers.keys().any(|layer| is_of_transformer(layer)))];
    let Value::Object(config) = peft::config(adapter, base) else { unreachable!("the config is an object") };
    let prefixed: Map<String, Value> =
        config.into_iter().map(|(field, value)| (format!("{model}.{field}"), value)).collect();
    let names =
        |layer: &str| (format!("{model}.{layer}.lora.down.weight"), format!("{model}.{layer}.lora.up.weight"), None);
    let metadata = [("format", "pt".to_owned()), (METADATA, Value::Object(prefixed).to_string())];
    factors::file(adapter, names, &metadata, provenance)
}

/// Returns the base model that the header names, if it names one.
pub(super) fn base(bytes: &[u8]) -> Option<String> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let all: Value = serde_json::from_str(header.metadata().as_ref()?.get(METADATA)?).ok()?;
    let named = |model: &&str| all[format!("{model}.base_model_name_or_path")].as_str().map(str::to_owned);
    MODELS.iter().find_map(named).filter(|base| !base.is_empty())
}

/// Reads the file; without a config in the header α comes from tensors called `….alpha`, and is the rank without these.
pub(super) fn read(bytes: &[u8]) -> Result<Adapter, AdapterFileError> {
    let file = SafeTensors::deserialize(bytes).map_err(ParametersError::from)?;
    let mut factors = Factors::default();
    let mut alphas = Vec::new();
    let mut models = BTreeSet::new();
    let wanted = "names look like `unet.….lora.down.weight` or `unet.….lora_A.weight`; text encoders are not adapted";
    for (name, tensor) in file.tensors() {
        let split = MODELS.iter().find_map(|model| Some((*model, name.strip_prefix(model)?.strip_prefix('.')?)));
        let Some((model, rest)) = split else { return Err(AdapterFileError::Name { name, wanted }) };
        models.insert(model);
        if rest.ends_with("lora_magnitude_vector") {
            return Err(AdapterFileError::Dora(name));
        }
        if let Some(layer) = rest.strip_suffix(".alpha") {
            alphas.push((layer.to_owned(), tensor));
            continue;
        }
        let Some((layer, side)) = SIDES.iter().find_map(|(end, side)| Some((rest.strip_suffix(end)?, *side))) else {
            return Err(AdapterFileError::Name { name, wanted });
        };
        factors.insert(layer, side, tensor);
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(ParametersError::from)?;
    if let Some(text) = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA)) {
        let all: Map<String, Value> = serde_json::from_str(text).map_err(AdapterFileError::Header)?;
        let own = |(field, value): (String, Value)| {
            let field = models.iter().find_map(|model| field.strip_prefix(model)?.strip_prefix('.'));
            Some((field?.to_owned(), value))
        };
        let config: Map<String, Value> = all.into_iter().filter_map(own).collect();
        let (rank, alpha) = peft::rank_and_alpha(&Value::Object(config), PLACE)?;
        return factors.into_adapter(rank, alpha);
    }
    let rank = factors.rank()?;
    let alpha = alpha_of(&alphas)?.unwrap_or(rank as f32);
    factors.into_adapter(rank, alpha)
}
