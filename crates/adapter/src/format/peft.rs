//! peft: `base_model.model.X.lora_A.weight` and `adapter_config.json` beside it. moa's own adapters are kept so.

use moa_core::Provenance;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::AdapterFileError;
use super::factors::{self, Factors, Side};
use crate::{Adapter, ParametersError};

const PREFIX: &str = "base_model.model.";
const PLACE: &str = "adapter_config.json";

impl Adapter {
    /// Returns the safetensors file with peft's key names, and in its header where the adapter comes from.
    ///
    /// # Errors
    /// Fails when the tensors cannot be serialised.
    pub fn to_safetensors(&self, provenance: Option<&Provenance>) -> Result<Vec<u8>, AdapterFileError> {
        let file = file(self, provenance)?;
        let mut bytes = Vec::with_capacity(file.len());
        file.write(&mut bytes).unwrap_or_else(|_| unreachable!("memory takes every byte"));
        Ok(bytes)
    }

    /// Returns peft's `adapter_config.json`.
    pub fn to_config(&self, base: &str) -> String {
        format!("{:#}\n", config(self, base))
    }

    /// Reads a safetensors file with peft's key names and the `adapter_config.json` beside it.
    ///
    /// # Errors
    /// Refuses truncated files, foreign names, incomplete or misshapen layers, values that are not finite, and what
    /// would be applied wrongly (rsLoRA, DoRA, biases, ranks or alphas that differ between layers).
    pub fn read(safetensors: &[u8], config: &str) -> Result<Self, AdapterFileError> {
        let config: Value = serde_json::from_str(config).map_err(AdapterFileError::Config)?;
        let (rank, alpha) = rank_and_alpha(&config, PLACE)?;
        let file = SafeTensors::deserialize(safetensors).map_err(ParametersError::from)?;
        let mut factors = Factors::default();
        for (name, tensor) in file.tensors() {
            let short = name.strip_prefix(PREFIX).unwrap_or(&name);
            let (layer, side) = if let Some(layer) = short.strip_suffix(".lora_A.weight") {
                (layer, Side::Down)
            } else if let Some(layer) = short.strip_suffix(".lora_B.weight") {
                (layer, Side::Up)
            } else {
                let wanted = "names end in `.lora_A.weight` or `.lora_B.weight`";
                return Err(AdapterFileError::Name { name, wanted });
            };
            factors.insert(layer, side, tensor);
        }
        factors.into_adapter(rank, alpha)
    }
}

/// Returns the safetensors file.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    provenance: Option<&Provenance>,
) -> Result<factors::File<'a>, AdapterFileError> {
    let names =
        |layer: &str| (format!("{PREFIX}{layer}.lora_A.weight"), format!("{PREFIX}{layer}.lora_B.weight"), None);
    factors::file(adapter, names, &[("format", "pt".to_owned())], provenance)
}

/// Returns peft's config as a value.
pub(super) fn config(adapter: &Adapter, base: &str) -> Value {
    json!({
        "peft_type": "LORA",
        "base_model_name_or_path": if base.is_empty() { Value::Null } else { base.into() },
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "target_modules": adapter.layers.keys().collect::<Vec<_>>(),
        "bias": "none",
        "lora_dropout": 0.0,
        "use_rslora": false,
        "use_dora": false,
        "inference_mode": true,
    })
}

/// Returns rank and α of a config.
///
/// # Errors
/// Refuses what would be applied wrongly.
pub(super) fn rank_and_alpha(config: &Value, place: &'static str) -> Result<(usize, f32), AdapterFileError> {
    let refuse = |field, value: &Value, wanted| {
        let value = if value.is_null() { "missing".to_owned() } else { value.to_string() };
        Err(AdapterFileError::Field { place, field, value, wanted })
    };
    for field in ["use_rslora", "use_dora", "lora_bias"] {
        if config[field].as_bool() == Some(true) {
            return refuse(field, &config[field], "moa applies plain LoRA only; export the adapter again without it");
        }
    }
    for field in ["rank_pattern", "alpha_pattern"] {
        if config[field].as_object().is_some_and(|pattern| !pattern.is_empty()) {
            return refuse(field, &config[field], "moa's adapters have one rank and one alpha for all layers");
        }
    }
    if config["bias"].as_str().is_some_and(|bias| bias != "none") {
        return refuse("bias", &config["bias"], "only \"none\" is supported");
    }
    let Some(rank) = config["r"].as_u64().filter(|r| (1..=65536).contains(r)) else {
        return refuse("r", &config["r"], "give the rank, a whole number from 1");
    };
    match config["lora_alpha"].as_f64().filter(|alpha| alpha.is_finite()) {
        Some(alpha) => Ok((rank as usize, alpha as f32)),
        None => refuse("lora_alpha", &config["lora_alpha"], "give a number"),
    }
}
