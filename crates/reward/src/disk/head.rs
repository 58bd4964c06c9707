//! LAION's aesthetic predictors: a linear layer, or linear layers one behind the other, on an image's embedding of unit
//! length (<https://github.com/LAION-AI/aesthetic-predictor>,
//! <https://github.com/christophschuhmann/improved-aesthetic-predictor>).
//!
//! The improved predictor has five layers, 768 → 1024 → 128 → 64 → 16 → 1, with dropout between them in training and no
//! activations: it is one affine map, and is multiplied out here, in f64.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use moa_adapter::{Init, Parameters, ParametersError};
use moa_device::to_host;

use super::torch::{StateTensor, read_state_dict};
use crate::{LinearHead, RewardError};

/// One layer: x ↦ W·x + b.
struct Layer {
    name: String,
    /// `[outputs, inputs]`.
    weight: StateTensor,
    bias: Vec<f32>,
}

/// Reads a head: `.safetensors`, or `.pth` as `torch.save` writes it.
///
/// # Errors
/// Refuses files that are neither, other layers than linear ones, layers that do not fit each other, and values that are not
/// finite.
pub fn read_head(path: &Path) -> Result<LinearHead, RewardError> {
    let refuse = |problem: String| RewardError::file(path, problem);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let tensors = match ending.as_str() {
        "safetensors" => read_safetensors(path).map_err(|error| refuse(error.to_string()))?,
        "pth" | "pt" | "bin" | "ckpt" => read_state_dict(path)?,
        _ => return Err(refuse("name a .pth or .safetensors file with the head's state dict".into())),
    };
    let layers = layers(tensors).map_err(refuse)?;
    multiplied_out(&layers).map_err(refuse)
}

/// Returns the head in the tensors below a prefix.
///
/// # Errors
/// As [`read_head`].
pub(super) fn head_of(parameters: &Parameters, prefix: &str) -> Result<LinearHead, String> {
    let read = |name: String| {
        let shape = parameters.shape(&name).unwrap_or_default();
        let values = to_host(parameters.flat(&name, &shape, Init::Zeros).map_err(|error| error.to_string())?);
        Ok((name, StateTensor { shape, values }))
    };
    let names = parameters.names().into_iter().filter(|name| name.starts_with(prefix));
    multiplied_out(&layers(names.map(read).collect::<Result<_, String>>()?)?)
}

fn read_safetensors(path: &Path) -> Result<BTreeMap<String, StateTensor>, ParametersError> {
    let parameters = Parameters::open(&[path.to_owned()], &Device::flex())?;
    let read = |name: String| {
        let shape = parameters.shape(&name).unwrap_or_default();
        let values = to_host(parameters.flat(&name, &shape, Init::Zeros)?);
        Ok((name, StateTensor { shape, values }))
    };
    parameters.names().into_iter().map(read).collect()
}

/// Returns the layers in their order, which the numbers in their names tell.
fn layers(mut tensors: BTreeMap<String, StateTensor>) -> Result<Vec<Layer>, String> {
    const WANTED: &str =
        "a head has a linear layer (weight, bias), or several by number (layers.0.weight, layers.0.bias, …)";
    let names: Vec<String> = tensors.keys().filter_map(|name| name.strip_suffix("weight")).map(str::to_owned).collect();
    if names.is_empty() {
        let found: Vec<&str> = tensors.keys().take(4).map(String::as_str).collect();
        return Err(format!("it has no layer's weight, but {}: {WANTED}", listed(&found)));
    }
    let mut layers = Vec::new();
    for name in names {
        let number = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default().parse::<u32>();
        let (weight, bias) = (tensors.remove(&format!("{name}weight")), tensors.remove(&format!("{name}bias")));
        let (Some(weight), Some(bias)) = (weight, bias) else {
            return Err(format!("`{name}weight` has no `{name}bias` beside it: {WANTED}"));
        };
        let ([outputs, _], [found]) = (&weight.shape[..], &bias.shape[..]) else {
            return Err(format!("`{name}weight` has shape {:?} and its bias {:?}: {WANTED}", weight.shape, bias.shape));
        };
        if outputs != found {
            return Err(format!("`{name}weight` has shape {:?}, and its bias {:?}", weight.shape, bias.shape));
        }
        if let Some(bad) = weight.values.iter().chain(&bias.values).find(|value| !value.is_finite()) {
            return Err(format!("`{name}weight` or its bias holds {bad}: the head is damaged; fetch it again"));
        }
        layers.push((number, Layer { name, weight, bias: bias.values }));
    }
    if let Some(name) = tensors.keys().next() {
        return Err(format!("it has `{name}`, which does not belong to linear layers: {WANTED}"));
    }
    if layers.len() > 1 && layers.iter().any(|(number, _)| number.is_err()) {
        return Err(format!("its layers have no numbers that tell their order: {WANTED}"));
    }
    layers.sort_by_key(|(number, _)| number.clone().unwrap_or_default());
    Ok(layers.into_iter().map(|(_, layer)| layer).collect())
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "no tensor at all".into() } else { names.join(", ") }
}

/// Returns layers that follow each other as one map to a number.
fn multiplied_out(layers: &[Layer]) -> Result<LinearHead, String> {
    let (mut row, mut bias): (Vec<f64>, f64) = (vec![1.0], 0.0);
    for Layer { name, weight, bias: own } in layers.iter().rev() {
        let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        if outputs != row.len() {
            let wanted = if bias == 0.0 && row.len() == 1 { "a rating" } else { "the next layer" };
            return Err(format!("`{name}weight` gives {outputs} numbers, and {wanted} takes {}", row.len()));
        }
        bias += row.iter().zip(own).map(|(r, b)| r * f64::from(*b)).sum::<f64>();
        let mut product = vec![0.0; inputs];
        for (r, weights) in row.iter().zip(weight.values.chunks_exact(inputs.max(1))) {
            product.iter_mut().zip(weights).for_each(|(sum, w)| *sum += r * f64::from(*w));
        }
        row = product;
    }
    Ok(LinearHead { version: 1, weights: row.into_iter().map(|w| w as f32).collect(), bias: bias as f32 })
}
