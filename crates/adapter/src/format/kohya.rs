//! kohya and A1111: `lora_unet_X_with_underscores.lora_down.weight`, `.lora_up.weight` and `.alpha`.

use std::collections::BTreeMap;

use moa_core::Provenance;
use safetensors::SafeTensors;

use super::diffusers::is_of_transformer;
use super::factors::{self, Factors, Side};
use super::unet_names::{dotted, for_kohya, in_order_of_diffusers};
use super::{AdapterFileError, alpha_of};
use crate::{Adapter, LayerShape, ParametersError};

pub(super) const PREFIX: &str = "lora_unet_";

fn flat(layer: &str) -> String {
    layer.replace('.', "_")
}

/// Returns the file.
///
/// # Errors
/// Refuses layers whose names would be equal, and transformers: no program reads these under such names.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    provenance: Option<&Provenance>,
) -> Result<factors::File<'a>, AdapterFileError> {
    if let Some(layer) = adapter.layers.keys().find(|layer| is_of_transformer(layer)) {
        return Err(AdapterFileError::KohyaTransformer(layer.clone()));
    }
    by_flat_name(adapter.layers.keys())?;
    let names = |layer: &str| {
        let stem = format!("{PREFIX}{}", for_kohya(flat(layer)));
        (format!("{stem}.lora_down.weight"), format!("{stem}.lora_up.weight"), Some(format!("{stem}.alpha")))
    };
    let metadata = [
        ("format", "pt".to_owned()),
        ("ss_network_module", "networks.lora".to_owned()),
        ("ss_network_dim", adapter.rank.to_string()),
        ("ss_network_alpha", adapter.alpha.to_string()),
    ];
    factors::file(adapter, names, &metadata, provenance)
}

/// Reads the file. The names do not say where dots were: the layers of the base model do, or, where these are not known, what
/// the layers of U-Nets are called.
pub(super) fn read(bytes: &[u8], layers: &[LayerShape]) -> Result<Adapter, AdapterFileError> {
    let known = by_flat_name(layers.iter().map(|layer| &layer.name))?;
    let file = SafeTensors::deserialize(bytes).map_err(ParametersError::from)?;
    let mut factors = Factors::default();
    let mut alphas = Vec::new();
    for (name, tensor) in file.tensors() {
        let split = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
        if name.ends_with(".dora_scale") {
            return Err(AdapterFileError::Dora(name));
        }
        let Some((stem, part)) = split.filter(|(_, part)| PARTS.contains(part)) else {
            let wanted = "names look like `lora_unet_….lora_down.weight`; text encoders are not adapted";
            return Err(AdapterFileError::Name { name, wanted });
        };
        let renamed = in_order_of_diffusers(stem);
        let stem = renamed.as_deref().unwrap_or(stem);
        let layer = if layers.is_empty() { dotted(stem) } else { known.get(stem).map(|layer| (*layer).clone()) };
        let layer = layer.ok_or_else(|| AdapterFileError::UnknownLayer(stem.to_owned()))?;
        match part {
            "alpha" => alphas.push((layer, tensor)),
            "lora_down.weight" => factors.insert(&layer, Side::Down, tensor),
            _ => factors.insert(&layer, Side::Up, tensor),
        }
    }
    let rank = factors.rank()?;
    let alpha = alpha_of(&alphas)?.unwrap_or(rank as f32);
    factors.into_adapter(rank, alpha)
}

const PARTS: [&str; 3] = ["lora_down.weight", "lora_up.weight", "alpha"];

fn by_flat_name<'a>(names: impl Iterator<Item = &'a String>) -> Result<BTreeMap<String, &'a String>, AdapterFileError> {
    let mut known = BTreeMap::new();
    for name in names {
        if let Some(other) = known.insert(flat(name), name) {
            let (one, other, flat) = (other.clone(), name.clone(), flat(name));
            return Err(AdapterFileError::Ambiguous { one, other, flat });
        }
    }
    Ok(known)
}
