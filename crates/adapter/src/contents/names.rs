//! What diffusers calls the layers that files name in their own ways.

use super::Component;
use super::keys::{Side, Spelling};
use crate::names::unet::{dotted, in_order_of_diffusers, is_of_unet};
use crate::names::{segments, transformer as transformers};

/// Parts of the names of text encoders' layers: CLIP's, and T5's.
const TEXT: [&str; 32] = [
    "text_model",
    "encoder",
    "layers",
    "self_attn",
    "q_proj",
    "k_proj",
    "v_proj",
    "out_proj",
    "mlp",
    "fc1",
    "fc2",
    "layer_norm1",
    "layer_norm2",
    "final_layer_norm",
    "text_projection",
    "embeddings",
    "token_embedding",
    "position_embedding",
    "shared",
    "block",
    "layer",
    "SelfAttention",
    "DenseReluDense",
    "layer_norm",
    "q",
    "k",
    "v",
    "o",
    "wi",
    "wi_0",
    "wi_1",
    "wo",
];

/// How layers begin that only transformers of other families have (Wan, Z-Image, Qwen-Image, …).
const OF_TRANSFORMERS: [&str; 9] = [
    "transformer_blocks",
    "single_transformer_blocks",
    "joint_blocks",
    "double_blocks",
    "single_blocks",
    "blocks",
    "layers",
    "noise_refiner",
    "context_refiner",
];

/// Returns the component that a layer belongs to, and diffusers' names of it: several where the file's layer is fused, none
/// where the tables do not know it.
pub(super) fn place(side: Side, spelling: Spelling, layer: &str) -> (Component, Vec<String>) {
    let flat = layer.replace('.', "_");
    match side {
        Side::Text(component) => (component, text(spelling, layer)),
        Side::Denoiser(Some(component)) => {
            let is_transformer = component == Component::Transformer;
            let names = if is_transformer { transformer(spelling, layer, &flat) } else { unet(spelling, layer, &flat) };
            // diffusers' own prefix is before diffusers' own names.
            let own = names.is_empty() && spelling == Spelling::Dotted;
            (component, if own { vec![layer.to_owned()] } else { names })
        }
        Side::Denoiser(None) | Side::Unsaid => {
            let names = unet(spelling, layer, &flat);
            if !names.is_empty() {
                return (Component::UNet, names);
            }
            if matches!(side, Side::Unsaid)
                && ["text_model", "encoder_block", "encoder_layers"].iter().any(|start| flat.starts_with(start))
            {
                return (Component::TextEncoder, text(spelling, layer));
            }
            let names = transformer(spelling, layer, &flat);
            let is_transformer = !names.is_empty() || OF_TRANSFORMERS.iter().any(|start| flat.starts_with(start));
            // What kohya's names say of a layer that is not known.
            let other = if spelling == Spelling::Flat { Component::UNet } else { Component::Transformer };
            (if is_transformer { Component::Transformer } else { other }, names)
        }
    }
}

fn unet(spelling: Spelling, layer: &str, flat: &str) -> Vec<String> {
    // diffusers' attention processors up to 0.20.
    if let Some((attention, projection)) = layer.split_once(".processor.") {
        let projection = if projection == "to_out" { "to_out.0" } else { projection };
        return vec![format!("{attention}.{projection}")];
    }
    if spelling == Spelling::Dotted && is_of_unet(layer) {
        return vec![layer.to_owned()];
    }
    let ordered = match flat {
        "input_blocks_0_0" => Some("conv_in".to_owned()),
        "out_0" => Some("conv_norm_out".to_owned()),
        "out_2" => Some("conv_out".to_owned()),
        other => in_order_of_diffusers(other),
    };
    let found = match (&ordered, spelling) {
        (Some(ordered), _) => dotted(ordered),
        (None, Spelling::Flat) => dotted(flat),
        (None, Spelling::Dotted) => None,
    };
    found.filter(|name| is_of_unet(name)).into_iter().collect()
}

fn text(spelling: Spelling, layer: &str) -> Vec<String> {
    match spelling {
        Spelling::Dotted => vec![layer.to_owned()],
        Spelling::Flat => segments(layer, &TEXT).into_iter().collect(),
    }
}

fn transformer(spelling: Spelling, layer: &str, flat: &str) -> Vec<String> {
    // Whole names in the original spelling; `proj_out` and `context_embedder` are diffusers', too.
    if let Some(names) = transformers::of_original(flat) {
        return names;
    }
    let found = transformers::dotted(flat);
    found.filter(|name| spelling == Spelling::Flat || name == layer).into_iter().collect()
}
