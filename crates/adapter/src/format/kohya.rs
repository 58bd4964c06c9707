//! kohya's sd-scripts: `lora_unet_X_with_underscores.lora_down.weight`, `.lora_up.weight` and `.alpha`, which A1111, Forge, ComfyUI and
//! diffusers read; LyCORIS' names for differences and magnitudes. Layers of transformers have the original names, under which
//! projections are fused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use moa_core::Provenance;

use super::file::{self, Outgoing};
use super::{AdapterFileError, AdapterFormat, fused};
use crate::adapter::{encoder_of, layer_of};
use crate::family::Family;
use crate::names::transformer::is_of_transformer;
use crate::names::unet::for_kohya;
use crate::{Adapter, AdapterLayer, Norms};

/// Returns the file.
///
/// # Errors
/// Refuses layers whose names would be equal, and those of transformers that have no name in the original.
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    provenance: Option<&Provenance>,
) -> Result<file::File<'a>, AdapterFileError> {
    let is_fused = adapter.names().any(|name| encoder_of(name).is_none() && is_of_transformer(name));
    if !is_fused {
        return file::file(tensors(adapter)?, &metadata(adapter), provenance);
    }
    let fused = fused::fused(adapter)?;
    let owned = tensors(&fused)?.into_iter().map(|(name, tensor)| (name, tensor.into_owned()));
    file::file(owned, &metadata(adapter), provenance)
}

/// Returns the tensors by name.
fn tensors(adapter: &Adapter) -> Result<Vec<(String, Outgoing<'_>)>, AdapterFileError> {
    let names = Names::of(adapter)?;
    let precision = adapter.precision;
    // Where alphas differ, some versions of diffusers mix them up: then each is the rank.
    let is_uniform = adapter.common_rank_and_alpha().is_some();
    let mut tensors = Vec::new();
    for (name, layer) in &adapter.layers {
        // Programs take one kind for a layer: beside a difference the factors are part of that.
        if adapter.differences.contains_key(&format!("{name}.weight")) {
            continue;
        }
        let stem = &names.stems[&name[..]];
        let (up, alpha) = if is_uniform {
            (Outgoing::up(layer, precision), layer.alpha)
        } else {
            (Outgoing::scaled_up(layer, precision), layer.rank as f32)
        };
        tensors.push((format!("{stem}.lora_down.weight"), Outgoing::down(layer, precision)));
        tensors.push((format!("{stem}.lora_up.weight"), up));
        tensors.push((format!("{stem}.alpha"), Outgoing::number(alpha)));
    }
    for (name, difference) in &adapter.differences {
        let layer = layer_of(name);
        let is_norm = adapter.differences.get(&format!("{layer}.weight")).is_some_and(|own| own.shape.len() == 1)
            || layer.rsplit('.').next().is_some_and(|last| last.contains("norm"));
        let end = match (name.ends_with(".weight"), difference.shape.len()) {
            (true, 1) => "w_norm",
            (true, _) => "diff",
            (false, _) if is_norm => "b_norm",
            (false, _) => "diff_b",
        };
        let tensor = match adapter.layers.get(layer).filter(|_| end == "diff") {
            Some(factors) => {
                let values = factors.delta().iter().zip(&difference.values).map(|(one, other)| one + other).collect();
                Outgoing::new(difference.shape.clone(), Cow::Owned(values), precision)
            }
            None => Outgoing::difference(difference, precision),
        };
        tensors.push((format!("{}.{end}", names.stems[layer]), tensor));
    }
    for (name, norms) in &adapter.magnitudes {
        let tensor = magnitude(norms, adapter.layers.get(name), precision);
        tensors.push((format!("{}.dora_scale", names.stems[&name[..]]), tensor));
    }
    Ok(tensors)
}

/// Returns DoRA's magnitude as LyCORIS shapes it: `[out, 1, …]` or `[1, in, 1, …]`.
fn magnitude<'a>(norms: &Norms, layer: Option<&AdapterLayer>, precision: crate::Precision) -> Outgoing<'a> {
    let count = norms.values.len();
    let mut shape = if norms.by_output { vec![count, 1] } else { vec![1, count] };
    shape.resize(2 + layer.map_or(0, |layer| layer.kernel.len()), 1);
    Outgoing::new(shape, Cow::Owned(norms.values.clone()), precision)
}

/// The texts by which programs tell what base a file is for: A1111 and Forge hide files of other families by them.
fn metadata(adapter: &Adapter) -> Vec<(&'static str, String)> {
    let mut texts = vec![("format", "pt".to_owned())];
    let is_plain = adapter.differences.is_empty() && adapter.magnitudes.is_empty();
    texts.push(("ss_network_module", if is_plain { "networks.lora" } else { "lycoris.kohya" }.to_owned()));
    let common = adapter.common_rank_and_alpha();
    let number = |value: Option<String>| value.unwrap_or_else(|| "Dynamic".to_owned());
    texts.push(("ss_network_dim", number(common.map(|(rank, _)| rank.to_string()))));
    texts.push(("ss_network_alpha", number(common.map(|(_, alpha)| alpha.to_string()))));
    let Some(family) = adapter.family() else { return texts };
    let (version, architecture) = match family {
        Family::Sd1 => ("sd_v1", "stable-diffusion-v1"),
        Family::Sd2 => ("sd_v2", "stable-diffusion-v2-512"),
        Family::SdXl => ("sdxl_base_v1-0", "stable-diffusion-xl-v1-base"),
        Family::Sd3 => ("sd3m", "stable-diffusion-3-medium"),
        Family::Sd35Medium => ("sd3.5-medium", "stable-diffusion-3.5-medium"),
        Family::Sd35Large => ("sd3.5-large", "stable-diffusion-3.5-large"),
        Family::Flux1 => ("flux1", "flux-1-dev"),
        _ => return texts,
    };
    texts.push(("ss_base_model_version", version.to_owned()));
    texts.push(("ss_v2", if family == Family::Sd2 { "True" } else { "False" }.to_owned()));
    texts.push(("modelspec.sai_model_spec", "1.0.0".to_owned()));
    texts.push(("modelspec.architecture", format!("{architecture}/lora")));
    texts
}

/// What layers are called.
struct Names<'a> {
    stems: BTreeMap<&'a str, String>,
}

impl<'a> Names<'a> {
    fn of(adapter: &'a Adapter) -> Result<Self, AdapterFileError> {
        let numbered = has_several_encoders(adapter);
        let mut stems: BTreeMap<&str, String> = BTreeMap::new();
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for layer in adapter.names().map(layer_of).chain(adapter.magnitudes.keys().map(String::as_str)) {
            if stems.contains_key(layer) {
                continue;
            }
            let stem = stem(layer, numbered);
            if let Some(other) = taken.insert(stem.clone(), layer) {
                let (one, other, flat) = (other.to_owned(), layer.to_owned(), stem);
                return Err(AdapterFileError::Ambiguous { one, other, flat, format: AdapterFormat::Kohya });
            }
            stems.insert(layer, stem);
        }
        Ok(Self { stems })
    }
}

/// Returns whether the base has more text encoders than one, which are numbered then.
fn has_several_encoders(adapter: &Adapter) -> bool {
    let is_later = |name: &str| encoder_of(name).is_some_and(|(encoder, _)| encoder != "text_encoder");
    let family = adapter.family();
    adapter.names().any(is_later) || !matches!(family, None | Some(Family::Sd1 | Family::Sd2))
}

fn stem(layer: &str, numbered: bool) -> String {
    let flat = |name: &str| name.replace('.', "_");
    match encoder_of(layer) {
        None => format!("lora_unet_{}", for_kohya(flat(layer))),
        Some(("text_encoder", own)) if !numbered => format!("lora_te_{}", flat(own)),
        Some((encoder, own)) => {
            let number = encoder.rsplit_once('_').and_then(|(_, number)| number.parse::<u8>().ok()).unwrap_or(1);
            format!("lora_te{number}_{}", flat(own))
        }
    }
}
