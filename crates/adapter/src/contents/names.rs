//! What diffusers calls the layers that files name in their own ways.

use super::Component;
use super::keys::{Side, Spelling};
use crate::format::unet_names;

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

/// Parts of the names of transformers' layers in diffusers (Stable Diffusion 3, FLUX).
const TRANSFORMER: [&str; 36] = [
    "transformer_blocks",
    "single_transformer_blocks",
    "attn",
    "attn2",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_add_out",
    "ff",
    "ff_context",
    "net",
    "proj",
    "norm",
    "norm1",
    "norm1_context",
    "norm_q",
    "norm_k",
    "norm_added_q",
    "norm_added_k",
    "linear",
    "proj_mlp",
    "proj_out",
    "norm_out",
    "context_embedder",
    "x_embedder",
    "pos_embed",
    "time_text_embed",
    "timestep_embedder",
    "text_embedder",
    "guidance_embedder",
    "linear_1",
    "linear_2",
];

/// Original names of a transformer's layers and diffusers': `*` is a number. Rows of fused projections are those of several layers, in
/// this order.
type Originals = [(&'static str, &'static [&'static str])];

/// Stable Diffusion 3 and 3.5. The modulation of the last block and of the end is absent: diffusers has its halves in another order.
const SD3: &Originals = &[
    (
        "joint_blocks.*.x_block.attn.qkv",
        &["transformer_blocks.*.attn.to_q", "transformer_blocks.*.attn.to_k", "transformer_blocks.*.attn.to_v"],
    ),
    ("joint_blocks.*.x_block.attn.proj", &["transformer_blocks.*.attn.to_out.0"]),
    (
        "joint_blocks.*.x_block.attn2.qkv",
        &["transformer_blocks.*.attn2.to_q", "transformer_blocks.*.attn2.to_k", "transformer_blocks.*.attn2.to_v"],
    ),
    ("joint_blocks.*.x_block.attn2.proj", &["transformer_blocks.*.attn2.to_out.0"]),
    ("joint_blocks.*.x_block.mlp.fc1", &["transformer_blocks.*.ff.net.0.proj"]),
    ("joint_blocks.*.x_block.mlp.fc2", &["transformer_blocks.*.ff.net.2"]),
    ("joint_blocks.*.x_block.adaLN_modulation.1", &["transformer_blocks.*.norm1.linear"]),
    (
        "joint_blocks.*.context_block.attn.qkv",
        &[
            "transformer_blocks.*.attn.add_q_proj",
            "transformer_blocks.*.attn.add_k_proj",
            "transformer_blocks.*.attn.add_v_proj",
        ],
    ),
    ("joint_blocks.*.context_block.attn.proj", &["transformer_blocks.*.attn.to_add_out"]),
    ("joint_blocks.*.context_block.mlp.fc1", &["transformer_blocks.*.ff_context.net.0.proj"]),
    ("joint_blocks.*.context_block.mlp.fc2", &["transformer_blocks.*.ff_context.net.2"]),
    ("x_embedder.proj", &["pos_embed.proj"]),
    ("context_embedder", &["context_embedder"]),
    ("t_embedder.mlp.0", &["time_text_embed.timestep_embedder.linear_1"]),
    ("t_embedder.mlp.2", &["time_text_embed.timestep_embedder.linear_2"]),
    ("y_embedder.mlp.0", &["time_text_embed.text_embedder.linear_1"]),
    ("y_embedder.mlp.2", &["time_text_embed.text_embedder.linear_2"]),
    ("final_layer.linear", &["proj_out"]),
    ("joint_blocks.*.x_block.attn.ln_q", &["transformer_blocks.*.attn.norm_q"]),
    ("joint_blocks.*.x_block.attn.ln_k", &["transformer_blocks.*.attn.norm_k"]),
];

/// FLUX.1. The modulation of the end is absent, as that of Stable Diffusion 3.
const FLUX: &Originals = &[
    (
        "double_blocks.*.img_attn.qkv",
        &["transformer_blocks.*.attn.to_q", "transformer_blocks.*.attn.to_k", "transformer_blocks.*.attn.to_v"],
    ),
    ("double_blocks.*.img_attn.proj", &["transformer_blocks.*.attn.to_out.0"]),
    ("double_blocks.*.img_mlp.0", &["transformer_blocks.*.ff.net.0.proj"]),
    ("double_blocks.*.img_mlp.2", &["transformer_blocks.*.ff.net.2"]),
    ("double_blocks.*.img_mod.lin", &["transformer_blocks.*.norm1.linear"]),
    (
        "double_blocks.*.txt_attn.qkv",
        &[
            "transformer_blocks.*.attn.add_q_proj",
            "transformer_blocks.*.attn.add_k_proj",
            "transformer_blocks.*.attn.add_v_proj",
        ],
    ),
    ("double_blocks.*.txt_attn.proj", &["transformer_blocks.*.attn.to_add_out"]),
    ("double_blocks.*.txt_mlp.0", &["transformer_blocks.*.ff_context.net.0.proj"]),
    ("double_blocks.*.txt_mlp.2", &["transformer_blocks.*.ff_context.net.2"]),
    ("double_blocks.*.txt_mod.lin", &["transformer_blocks.*.norm1_context.linear"]),
    (
        "single_blocks.*.linear1",
        &[
            "single_transformer_blocks.*.attn.to_q",
            "single_transformer_blocks.*.attn.to_k",
            "single_transformer_blocks.*.attn.to_v",
            "single_transformer_blocks.*.proj_mlp",
        ],
    ),
    ("single_blocks.*.linear2", &["single_transformer_blocks.*.proj_out"]),
    ("single_blocks.*.modulation.lin", &["single_transformer_blocks.*.norm.linear"]),
    ("img_in", &["x_embedder"]),
    ("txt_in", &["context_embedder"]),
    ("time_in.in_layer", &["time_text_embed.timestep_embedder.linear_1"]),
    ("time_in.out_layer", &["time_text_embed.timestep_embedder.linear_2"]),
    ("vector_in.in_layer", &["time_text_embed.text_embedder.linear_1"]),
    ("vector_in.out_layer", &["time_text_embed.text_embedder.linear_2"]),
    ("guidance_in.in_layer", &["time_text_embed.guidance_embedder.linear_1"]),
    ("guidance_in.out_layer", &["time_text_embed.guidance_embedder.linear_2"]),
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
    let starts = [
        "down_blocks.",
        "mid_block.",
        "up_blocks.",
        "conv_in",
        "conv_out",
        "conv_norm_out",
        "time_embedding.linear_",
        "add_embedding.linear_",
    ];
    let of_unet = |name: &str| starts.iter().any(|start| name.starts_with(start));
    if spelling == Spelling::Dotted && of_unet(layer) {
        return vec![layer.to_owned()];
    }
    let ordered = match flat {
        "input_blocks_0_0" => Some("conv_in".to_owned()),
        "out_0" => Some("conv_norm_out".to_owned()),
        "out_2" => Some("conv_out".to_owned()),
        other => unet_names::in_order_of_diffusers(other),
    };
    let found = match (&ordered, spelling) {
        (Some(ordered), _) => unet_names::dotted(ordered),
        (None, Spelling::Flat) => unet_names::dotted(flat),
        (None, Spelling::Dotted) => None,
    };
    found.filter(|name| of_unet(name)).into_iter().collect()
}

fn text(spelling: Spelling, layer: &str) -> Vec<String> {
    match spelling {
        Spelling::Dotted => vec![layer.to_owned()],
        Spelling::Flat => segments(layer, &TEXT).into_iter().collect(),
    }
}

fn transformer(spelling: Spelling, layer: &str, flat: &str) -> Vec<String> {
    // Whole names in the original spelling; `proj_out` and `context_embedder` are diffusers', too.
    for (pattern, names) in SD3.iter().chain(FLUX) {
        if let Some(number) = matched(&pattern.replace('.', "_"), flat) {
            return names.iter().map(|name| name.replace('*', number)).collect();
        }
    }
    let found = segments(flat, &TRANSFORMER);
    let starts = [
        "transformer_blocks.",
        "single_transformer_blocks.",
        "context_embedder",
        "x_embedder",
        "pos_embed",
        "time_text_embed.",
        "norm_out",
        "proj_out",
    ];
    let found = found.filter(|name| starts.iter().any(|start| name.starts_with(start)));
    match spelling {
        Spelling::Dotted => found.filter(|name| name == layer).into_iter().collect(),
        Spelling::Flat => found.into_iter().collect(),
    }
}

/// Returns the original name of a transformer's layer, which of the layers it is that are fused there, and how many those are.
///
/// - `is_flux`: whether the transformer is FLUX.1's, whose blocks have Stable Diffusion 3's names in diffusers
pub(crate) fn original_of(name: &str, is_flux: bool) -> Option<(String, usize, usize)> {
    let table = if is_flux { FLUX } else { SD3 };
    table.iter().find_map(|(original, names)| {
        let (place, number) =
            names.iter().enumerate().find_map(|(place, pattern)| Some((place, matched(pattern, name)?)))?;
        Some((original.replace('*', number), place, names.len()))
    })
}

/// Returns what stands for `*` in a pattern that a name has, or nothing; patterns without `*` are whole names.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let Some((start, end)) = pattern.split_once('*') else { return (pattern == name).then_some("") };
    let number = name.strip_prefix(start)?.strip_suffix(end)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// Puts dots between the parts of a name that has lost them: parts of the list, the longest first, and numbers.
fn segments(flat: &str, known: &[&str]) -> Option<String> {
    let mut rest = flat;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let ends_there =
            |part: &&&str| rest.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        let length = known.iter().filter(ends_there).map(|part| part.len()).max().or_else(|| {
            let digits = rest.find('_').unwrap_or(rest.len());
            (digits > 0 && rest[..digits].bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
        })?;
        parts.push(&rest[..length]);
        rest = &rest[length..];
        rest = rest.strip_prefix('_').unwrap_or(rest);
    }
    (!parts.is_empty()).then(|| parts.join("."))
}
