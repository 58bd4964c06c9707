//! peft: `base_model.model.X.lora_A.weight` and `adapter_config.json` beside it. moa's own adapters are kept so.

use std::collections::BTreeMap;

use moa_core::Provenance;
use serde_json::{Map, Value, json};

use super::file::{self, Outgoing};
use super::{AdapterFileError, AdapterFormat};
use crate::adapter::encoder_of;
use crate::{Adapter, Norms};

const PREFIX: &str = "base_model.model.";

impl Adapter {
    /// Returns the safetensors file with peft's key names, and in its header where the adapter comes from.
    ///
    /// # Errors
    /// As [`Adapter::outgoing`].
    pub fn to_safetensors(&self, provenance: Option<&Provenance>) -> Result<Vec<u8>, AdapterFileError> {
        check(self)?;
        let file = file(self, provenance)?;
        let mut bytes = Vec::with_capacity(file.len());
        file.write(&mut bytes).unwrap_or_else(|_| unreachable!("memory takes every byte"));
        Ok(bytes)
    }

    /// Returns peft's `adapter_config.json`.
    pub fn to_config(&self, base: &str) -> String {
        format!("{:#}\n", config(self, base))
    }
}

/// Refuses what peft's format cannot say.
pub(super) fn check(adapter: &Adapter) -> Result<(), AdapterFileError> {
    let format = AdapterFormat::Peft;
    if let Some((name, _)) = adapter.names().find_map(|name| Some((name, encoder_of(name)?))) {
        return Err(AdapterFileError::TextEncoder(name.to_owned()));
    }
    if let Some((parameter, own)) = adapter.differences.iter().next() {
        let (parameter, is_vector) = (parameter.clone(), own.shape.len() < 2);
        return Err(AdapterFileError::Difference { parameter, is_vector, format });
    }
    let is_missing = |name: &&String| !adapter.magnitudes.contains_key(*name);
    let first = adapter.magnitudes.iter().next();
    let by_input = adapter.magnitudes.iter().find(|(_, norms)| !norms.by_output);
    match (first, by_input.map(|(name, _)| name).or_else(|| adapter.layers.keys().find(is_missing))) {
        (Some(_), Some(layer)) => Err(AdapterFileError::Dora { layer: layer.clone(), format }),
        _ => Ok(()),
    }
}

/// Returns the safetensors file.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    provenance: Option<&Provenance>,
) -> Result<file::File<'a>, AdapterFileError> {
    let precision = adapter.precision;
    let factors = adapter.layers.iter().flat_map(|(name, layer)| {
        [
            (format!("{PREFIX}{name}.lora_A.weight"), Outgoing::down(layer, precision)),
            (format!("{PREFIX}{name}.lora_B.weight"), Outgoing::up(layer, precision)),
        ]
    });
    let magnitudes = adapter.magnitudes.iter().map(|(name, Norms { values, .. })| {
        let tensor = Outgoing::new(vec![values.len()], values.into(), precision);
        (format!("{PREFIX}{name}.lora_magnitude_vector"), tensor)
    });
    file::file(factors.chain(magnitudes), &[("format", "pt".to_owned())], provenance)
}

/// Returns peft's config as a value; rank and α are those of most layers, others have patterns.
pub(super) fn config(adapter: &Adapter, base: &str) -> Value {
    let mut counts: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    for layer in adapter.layers.values() {
        *counts.entry((layer.rank, layer.alpha.to_bits())).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|((rank, bits), _)| (*rank, f32::from_bits(*bits)));
    let (rank, alpha) = most.unwrap_or((1, 1.0));
    let pattern = |value: &dyn Fn(&crate::AdapterLayer) -> Option<Value>| -> Map<String, Value> {
        adapter.layers.iter().filter_map(|(name, layer)| Some((name.clone(), value(layer)?))).collect()
    };
    let ranks = pattern(&|layer| (layer.rank != rank).then(|| layer.rank.into()));
    let alphas = pattern(&|layer| (layer.alpha.to_bits() != alpha.to_bits()).then(|| layer.alpha.into()));
    let mut config = json!({
        "peft_type": "LORA",
        "base_model_name_or_path": if base.is_empty() { Value::Null } else { base.into() },
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": adapter.layers.keys().collect::<Vec<_>>(),
        "bias": "none",
        "lora_dropout": 0.0,
        "use_rslora": false,
        "use_dora": !adapter.magnitudes.is_empty(),
        "inference_mode": true,
    });
    for (field, pattern) in [("rank_pattern", ranks), ("alpha_pattern", alphas)] {
        if !pattern.is_empty() {
            config[field] = pattern.into();
        }
    }
    config
}
